"""Zipformer: an encoder whose stacks work at different frame rates, in plain torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.backbones.base import RANDOM, Backbone, BackboneSpec, padding
from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.backbones.zipformer_checkpoints import described, load
from voxboard.backbones.zipformer_encoder import Chunks, ZipformerConfig, ZipformerEncoder
from voxboard.backbones.zipformer_fbank import AudenFbank
from voxboard.backbones.zipformer_subsampling import Conv2dSubsampling, subsampled
from voxboard.backbones.zipformer_training import NOTHING, Rates, shared_dropout

MIN_SAMPLES = 1360  # 9 frames of log-mel, the first embedding's receptive field
HOP = 0.02  # of the embeddings


class Zipformer(Backbone):
    """Zipformer frames [B, 1, T, widest stack] every 40 ms (Yao et al., ICLR 2024, arXiv 2310.11230).

    The layout is the one of icefall and Auden, whose weights load by their own names. Frames do not depend on batch
    mates: whatever would read past an utterance's end finds there what it would find alone, so any lengths may share a
    batch in official numbers (`spec.batching` is "exact"). With `reference` the published code's numbers come back,
    where padding enters the ConvNeXt, the down-sampled groups and the last frames; then only equal lengths may
    ("equal-length"), which gives what the published code gives for an utterance alone. Training drops and skips as
    icefall does, by the batches counted in the checkpoint; it has no balancers or whitening.
    """

    model_batch_count: Tensor

    @dataclass(frozen=True)
    class Config(ZipformerConfig):
        """The options."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.checkpoint:
            config = described(config)
        self.config = config
        self.features = AudenFbank(config.feature_dim)
        self.encoder_embed = Conv2dSubsampling(config.feature_dim, config.encoder_dim[0])
        self.encoder = ZipformerEncoder(config)
        self.register_buffer("model_batch_count", torch.tensor(0.0))  # in every checkpoint: batches trained on
        layers = len(config.encoder_dim) + 1 if config.stacks else 1
        hop = HOP * config.output_downsampling_factor
        self.spec = BackboneSpec(
            FramesSpec(layers, max(config.encoder_dim), hop, native=("mean", {})),
            min_samples=MIN_SAMPLES,
            parameters=sum(p.numel() for p in self.parameters()),
            batching="equal-length" if config.reference else "exact",
            weights="pretrained" if config.checkpoint else "random",
            weights_licence="see the checkpoint's card" if config.checkpoint else RANDOM,
            source="Yao et al., Zipformer, ICLR 2024, arXiv 2310.11230",
        )
        self.spec_augment = spec_augment() if config.augment else None
        if config.checkpoint:
            load(self, config.checkpoint)

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Frames:
        features, lengths = self.features(waveforms, lengths)
        if self.training and self.spec_augment is not None:
            features = self.spec_augment(features)
        layers, steps = self.frames(features, lengths)
        return Frames(layers if self.config.stacks else layers[:, -1:], steps, self.spec.frames.hop)

    def frames(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Log-mel [B, T, bins], `lengths` [B] → layers [B, stacks + 1, T', widest stack] and their lengths [B].

        A layer per stack, then the output, which combines them.
        """
        trained = self._trained()
        x, steps = self.embed(features, lengths, NOTHING if trained is None else Rates.after(trained))
        outputs = self.encoder(x, steps, self.chunks(), trained)
        widest = max(self.config.encoder_dim)
        layers = [F.pad(output, (0, widest - output.shape[2])) for output in outputs] if self.config.stacks else []
        slow = [self.encoder.slow(layer, steps) for layer in [*layers, self.encoder.combine(outputs)]]
        return torch.stack(slow, 1), -(-steps // self.config.output_downsampling_factor)

    def _trained(self) -> float | None:
        """Batches trained on, of which this is one; None where nothing is to be left out of them."""
        if not (self.training and self.config.schedules):
            return None
        if torch.is_grad_enabled():
            self.model_batch_count += 1.0
        return float(self.model_batch_count)

    def embed(self, features: Tensor, lengths: Tensor, rates: Rates = NOTHING) -> tuple[Tensor, Tensor]:
        """Log-mel [B, T, bins], `lengths` [B] → embeddings at 50 Hz [B, T', first stack], their lengths [B]."""
        steps = subsampled(lengths)
        longest = int(lengths.max())
        padded = None if self.config.reference else padding(steps, int(steps.max()))
        x = self.encoder_embed(features[:, :longest], padded, rates)
        return shared_dropout(x, rates.dropout), steps

    def chunks(self) -> Chunks:
        """Draw the visible context of a training batch; in evaluation take the last choice."""
        if not self.config.causal:
            return Chunks()
        choices = self.config.chunk_size or (16, 32, 64, -1), self.config.left_context_frames or (64, 128, 256, -1)
        size, left = (
            values[int(torch.randint(len(values), ()))] if self.training else values[-1] for values in choices
        )
        return Chunks(size, left)

    def preprocessing(self) -> dict[str, Any]:
        # The sizes that no weight's shape tells, and what the options change.
        names = ("reference", "stacks", "num_heads", "downsampling_factor", "chunk_size", "left_context_frames")
        return {name: getattr(self.config, name) for name in names}


def spec_augment() -> nn.Module:
    """Auden's settings: time warp 80, two masks of at most 27 bins, ten of at most 100 frames but 15 % in all, p 0.9.

    Lhotse draws from the global streams of Python, NumPy and torch, which training seeds at every step.
    """
    from lhotse.dataset.signal_transforms import SpecAugment

    return SpecAugment(
        time_warp_factor=80,
        num_feature_masks=2,
        features_mask_size=27,
        num_frame_masks=10,
        frames_mask_size=100,
        max_frames_mask_fraction=0.15,
        p=0.9,
    )
