"""wav2vec 2.0, HuBERT, WavLM and data2vec-audio through transformers, batched exactly."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from voxboard.backbones.base import Backbone, BackboneSpec, Frames, FramesSpec, padding, silenced, valid
from voxboard.backbones.ssl_checkpoints import KNOWN, from_scratch, pretrained, wants_normalised

# transformers' WavLM hands torch a bool and a float mask, which torch announces once per process.
warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask")


class SSL(Backbone):
    """All hidden states [B, layers + 1, T, size] every 20 ms; layer 0 is the transformer's input embedding.

    The convolutional extractor runs on every utterance at its own length (its group norm, and the frames at the end,
    would see padding), the masked transformer on the whole batch: the result does not depend on batch mates.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of the transformers family."""

        cfg: str = "facebook/wav2vec2-base"
        """Hub id, or a local folder with config.json (and weights): /path/to/folder."""
        use_pretrain: bool = False
        """Load the published weights; without it the network starts from random weights."""
        normalize: Literal["auto", "yes", "no"] = "auto"
        """Bring each utterance to zero mean and unit variance; auto does what the checkpoint was trained with."""
        layers: int = 0
        """Transformer layers; 0 keeps the checkpoint's. This and the following are for random weights only."""
        size: int = 0
        """Hidden size; 0 keeps the checkpoint's."""
        heads: int = 0
        """Attention heads; 0 keeps the checkpoint's."""
        ffn: int = 0
        """Feed-forward size; 0 keeps the checkpoint's."""
        conv_size: int = 0
        """Channels of the convolutional extractor; 0 keeps the checkpoint's."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.model: Any = pretrained(config) if config.use_pretrain else from_scratch(config)
        shape = self.model.config
        self.normalize = wants_normalised(config)
        self.kernels = list(zip(shape.conv_kernel, shape.conv_stride, strict=True))
        known = KNOWN.get(config.cfg)
        hop = math.prod(shape.conv_stride) / 16_000
        spec = BackboneSpec(
            FramesSpec(shape.num_hidden_layers + 1, shape.hidden_size, hop, input_layer=True),
            min_samples=receptive_field(self.kernels),
            parameters=sum(p.numel() for p in self.parameters()),
            code_licence="Apache-2.0",
            source=config.cfg,
        )
        if config.use_pretrain:
            licence, trained_on = (known.licence, known.trained_on) if known else ("see the checkpoint's card", ())
            spec = replace(spec, weights_licence=licence, trained_on=trained_on)
        self.spec = spec

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Frames:
        if self.normalize:
            waveforms = unit_variance(waveforms, lengths)
        features = self._features(waveforms, lengths)  # [B, T, C]
        steps = frame_counts(lengths, self.kernels)
        projected = self.model.feature_projection(features)
        hidden = projected[0] if isinstance(projected, tuple) else projected  # [B, T, D]
        padded = padding(steps, hidden.shape[1])
        mask = None if padded is None else ~padded
        if self.training and hidden.shape[1] >= self.model.config.mask_time_length:
            # transformers' SpecAugment refuses an input that is shorter than one mask.
            hidden = self.model._mask_hidden_states(hidden, attention_mask=mask)
        return Frames(self._states(hidden, mask), steps, self.spec.frames.hop)

    def _features(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """[B, N] → [B, T, C]; the convolutions are unpadded, so valid frames never see what lies beyond the lengths."""
        first = frame_counts(lengths, self.kernels[:1])
        with masked_statistics(self.model.feature_extractor, first):
            return self.model.feature_extractor(waveforms).transpose(1, 2)

    def _states(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Projected features [B, T, D] → the input of the first layer and the output of each, [B, L, T, D].

        A layer that LayerDrop leaves out passes its input on, so there are always as many states.
        """
        encoder = self.model.encoder
        with recorded(encoder.layers) as seen, masked_positions(encoder.pos_conv_embed, mask):
            last = encoder(hidden, attention_mask=mask).last_hidden_state
        states = [seen.get(-1, last)]
        for index in range(len(encoder.layers)):
            states.append(seen.get(index, states[-1]))
        return torch.stack(states, 1)

    def preprocessing(self) -> dict[str, Any]:
        shape = self.model.config
        # What the weights do not tell: a checkpoint's folder may move, its network stays the same.
        names = ("model_type", "num_attention_heads", "do_stable_layer_norm", "feat_extract_norm", "conv_stride")
        return {"normalize": self.normalize, **{name: getattr(shape, name, None) for name in names}}


@contextmanager
def recorded(layers: nn.ModuleList) -> Iterator[dict[int, Tensor]]:
    """Collects what every layer returns under its index, and under -1 what the first of them received."""
    seen: dict[int, Tensor] = {}
    with ExitStack() as hooks:
        for index, layer in enumerate(layers):

            def keep(_: nn.Module, inputs: Any, output: Any, index: int = index) -> None:
                seen.setdefault(-1, inputs[0])
                seen[index] = output[0] if isinstance(output, tuple) else output

            hooks.callback(layer.register_forward_hook(keep).remove)
        yield seen


@contextmanager
def masked_statistics(extractor: nn.Module, lengths: Tensor) -> Iterator[None]:
    """Lets a group norm over time see the valid frames only: the one place where a base model's extractor sees padding.

    `lengths` [B] are the frames that reach it, after the first convolution.
    """

    def normalise(norm: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        assert isinstance(norm, nn.GroupNorm)
        (x,) = inputs  # [B, C, T]
        outside = padding(lengths, x.shape[2])
        if outside is None:
            return output
        outside = outside[:, None, None]
        grouped = x.reshape(len(x), norm.num_groups, -1, x.shape[2])  # [B, G, C/G, T]
        count = (lengths * grouped.shape[2])[:, None, None, None].to(x.dtype)
        mean = grouped.masked_fill(outside, 0.0).sum((2, 3), keepdim=True) / count
        centred = (grouped - mean).masked_fill(outside, 0.0)
        scaled = (centred * (centred.square().sum((2, 3), keepdim=True) / count + norm.eps).rsqrt()).flatten(1, 2)
        return scaled * norm.weight[:, None] + norm.bias[:, None]

    with ExitStack() as hooks:
        for module in extractor.modules():
            if isinstance(module, nn.GroupNorm):
                hooks.callback(module.register_forward_hook(normalise).remove)
        yield


@contextmanager
def masked_positions(positions: nn.Module, mask: Tensor | None) -> Iterator[None]:
    """Zeroes padding before every positional convolution: data2vec has five in a row, and HuBERT may norm first."""
    with ExitStack() as hooks:
        for module in positions.modules():
            if mask is not None and isinstance(module, nn.Conv1d):
                hooks.callback(module.register_forward_pre_hook(lambda _, inputs: (silenced(inputs[0], ~mask),)).remove)
        yield


def unit_variance(waveforms: Tensor, lengths: Tensor) -> Tensor:
    """[B, N] with zeros past `lengths` → zero mean and unit variance over each utterance, as transformers does it."""
    outside = ~valid(lengths, waveforms.shape[1])
    count = lengths[:, None].to(waveforms.dtype)
    centred = (waveforms - waveforms.sum(1, keepdim=True) / count).masked_fill(outside, 0.0)
    return centred / (centred.square().sum(1, keepdim=True) / count + 1e-7).sqrt()


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
