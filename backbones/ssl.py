"""wav2vec 2.0, HuBERT, WavLM and data2vec-audio through transformers, batched exactly."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from voxboard.backbones.base import RANDOM, Backbone, BackboneSpec, padding
from voxboard.backbones.frames import Frames, FramesSpec, valid
from voxboard.backbones.ssl_checkpoints import KNOWN, from_scratch, pretrained, wants_normalized
from voxboard.backbones.ssl_config import SSLConfig
from voxboard.backbones.ssl_modules import (
    biased,
    extracted,
    load_head,
    masked_positions,
    native_head,
    recorded,
)
from voxboard.errors import UserError
from voxboard.poolers.base import Pooler

# Samples that the extractor hears at a time without gradient: what it computes on the way is 500 times as large.
AT_ONCE = 30 * 16_000


class SSL(Backbone):
    """All hidden states [B, layers + 1, T, size] every 20 ms; layer 0 is the transformer's input embedding.

    The convolutional extractor runs on every utterance at its own length (its group norm, and the frames at the end,
    would see padding), the masked transformer on the whole batch: the result does not depend on batch mates.
    """

    @dataclass(frozen=True)
    class Config(SSLConfig):
        """The options."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.model: Any = pretrained(config) if config.use_pretrain else from_scratch(config)
        shape = self.model.config
        self.model.encoder.layers = first(self.model.encoder.layers, config.depth)
        if shape.model_type == "wavlm":
            biased(self.model.encoder)
        native = native_head(shape)
        # A head that reads one layer was trained on the normed one.
        self.final_norm = config.final_norm or (native is not None and not native[1]["weighted"])
        self.normalize = wants_normalized(config)
        self.kernels = list(zip(shape.conv_kernel, shape.conv_stride, strict=True))
        checkpoint = KNOWN.get(config.cfg)
        hop = math.prod(shape.conv_stride) / 16_000
        layers = len(self.model.encoder.layers) + 1
        spec = BackboneSpec(
            FramesSpec(layers, shape.hidden_size, hop, input_layer=True, native=native),
            min_samples=receptive_field(self.kernels),
            parameters=sum(p.numel() for p in self.parameters()),
            code_licence="Apache-2.0",
            weights="random",
            weights_licence=RANDOM,
            source=config.cfg,
        )
        if config.use_pretrain:
            licence, trained_on = (
                (checkpoint.licence, checkpoint.trained_on) if checkpoint else ("see the checkpoint's card", ())
            )
            spec = replace(spec, weights="pretrained", weights_licence=licence, trained_on=trained_on)
        self.spec = spec

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Frames:
        hidden, steps = self.projected(waveforms, lengths)
        if self.config.cls_token:
            token = torch.ones_like(hidden[:, :1])
            hidden, steps = torch.cat([token, hidden], 1), steps + 1
        return Frames(self.states(hidden, steps), steps, self.spec.frames.hop)

    def projected(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Input of `encode` → projected features [B, T, D], with time masks in training, and their lengths [B]."""
        if self.normalize:
            waveforms = unit_variance(waveforms, lengths)
        steps = frame_counts(lengths, self.kernels)
        with constant(self.config.frozen_extractor or self.config.frozen_projection):
            features = self._features(waveforms, lengths)  # [B, T, C]
        with constant(self.config.frozen_projection):
            frames = self.model.feature_projection(features)
        hidden = frames[0] if isinstance(frames, tuple) else frames  # [B, T, D]
        if self.training and hidden.shape[1] >= self.model.config.mask_time_length:
            # transformers' SpecAugment refuses an input that is shorter than one mask.
            padded = padding(steps, hidden.shape[1])
            hidden = self.model._mask_hidden_states(hidden, attention_mask=None if padded is None else ~padded)
        return hidden, steps

    def _features(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """[B, N] → [B, T, C]; without gradient a few utterances at a time, as many as their length allows."""
        if torch.is_grad_enabled() or torch.compiler.is_exporting():
            return self._extracted(waveforms, lengths)
        rows = max(1, AT_ONCE // waveforms.shape[1])
        parts = zip(torch.split(waveforms, rows), torch.split(lengths, rows), strict=True)
        return torch.cat([self._extracted(*part) for part in parts])

    def _extracted(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """[B, N] → [B, T, C]; the convolutions are unpadded, so valid frames never see what lies beyond the lengths."""
        first = frame_counts(lengths, self.kernels[:1])
        return extracted(self.model.feature_extractor, waveforms, first).transpose(1, 2)

    def states(self, hidden: Tensor, steps: Tensor) -> Tensor:
        """Projected features [B, T, D] → the input of the first layer and the output of each, [B, L, T, D].

        A layer that LayerDrop leaves out passes its input on, so there are always as many states.
        """
        encoder = self.model.encoder
        padded = padding(steps, hidden.shape[1])
        mask = None if padded is None else ~padded
        with recorded(encoder.layers) as seen, masked_positions(encoder.pos_conv_embed, mask):
            last = encoder(hidden, attention_mask=mask).last_hidden_state
        return seen.stacked(last, final=self.final_norm)

    def native_pooler(self) -> Pooler | None:
        pooler = super().native_pooler()
        if pooler is not None and self.config.use_pretrain:
            load_head(self.config.cfg, self.model.config, pooler)
        return pooler

    def leaves_out(self, key: str) -> bool:
        """True if a weight of the whole network is one that `depth` has dropped."""
        layer = re.match(r"model\.encoder\.layers\.(\d+)\.", key)
        return layer is not None and 0 < self.config.depth <= int(layer.group(1))

    def preprocessing(self) -> dict[str, Any]:
        shape = self.model.config
        # What the weights do not tell: a checkpoint's folder may move, its network stays the same.
        names = ("model_type", "num_attention_heads", "do_stable_layer_norm", "feat_extract_norm", "conv_stride")
        settings = {"normalize": self.normalize, **{name: getattr(shape, name, None) for name in names}}
        own = {"cls_token": self.config.cls_token, "final_norm": self.final_norm}
        return settings | {name: value for name, value in own.items() if value}


def first(layers: nn.ModuleList, depth: int) -> nn.ModuleList:
    """The first `depth` layers, all for 0. Raises `UserError` where there are not so many."""
    if not 0 <= depth <= len(layers):
        raise UserError(f"There is no layer {depth}.", f"This backbone has {len(layers)}; depth 0 keeps all.")
    return layers[:depth] if depth else layers


def constant(frozen: bool) -> torch.set_grad_enabled:
    """A context in which, where `frozen`, no gradient is computed."""
    return torch.set_grad_enabled(torch.is_grad_enabled() and not frozen)


def unit_variance(waveforms: Tensor, lengths: Tensor) -> Tensor:
    """[B, N] with zeros past `lengths` → zero mean and unit variance over each utterance, as transformers does it."""
    outside = ~valid(lengths, waveforms.shape[1])
    count = lengths[:, None].to(waveforms.dtype)
    centered = (waveforms - waveforms.sum(1, keepdim=True) / count).masked_fill(outside, 0.0)
    return centered / (centered.square().sum(1, keepdim=True) / count + 1e-7).sqrt()


def frame_counts(lengths: Tensor, kernels: list[tuple[int, int]]) -> Tensor:
    """Samples [B] → frames [B] of a stack of unpadded convolutions, given as (kernel, stride)."""
    for kernel, stride in kernels:
        lengths = torch.div(lengths - kernel, stride, rounding_mode="floor") + 1
    return lengths


def receptive_field(kernels: list[tuple[int, int]]) -> int:
    """The samples that one frame needs: 400 for the usual seven convolutions."""
    field = 1
    for kernel, stride in reversed(kernels):
        field = (field - 1) * stride + kernel
    return field
