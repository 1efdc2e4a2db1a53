"""VGG over a log-mel picture: the front-end of double multi-head attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.nn import functional as F

from voxboard import limits
from voxboard.backbones.base import RANDOM, Backbone, BackboneSpec, padding, silent_picture
from voxboard.backbones.features import FFT, FrontEnd
from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.errors import UserError

Size = TypeVar("Size", int, Tensor)


class VGG(Backbone):
    """Blocks of two 3×3 convolutions that halve time and mels: [B, 1, T / 2^blocks, channels · bins / 2^blocks].

    VGG4L (VGG3L with 3 blocks) of India et al., Double Multi-Head Attention for Speaker Verification, ICASSP 2021,
    section 2. Halves round up. Written so that a padded batch is exact: convolutions see zeros past an utterance's
    end, and a maximum over values that are never negative is not changed by zeros.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `vgg`."""

        blocks: limits.Depth = 4
        """Blocks of two convolutions and a pooling: 4 for VGG4L, 3 for VGG3L."""
        channels: limits.Size = 1024
        """Channels of the last block; every block before has half of the next one's."""
        bins: limits.Size = 80
        """Mel bins of the front-end: log-mel minus the utterance's mean."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.channels % 2 ** (config.blocks - 1):
            advice = f"Give a multiple of {2 ** (config.blocks - 1)}."
            raise UserError(f"VGG's channels {config.channels} cannot be halved once a block.", advice)
        self.config = config
        self.features = FrontEnd("logmel", config.bins, "mean")
        size, mels = 1, config.bins
        for block in range(1, config.blocks + 1):
            out = config.channels >> (config.blocks - block)
            # Named as in the reference: conv11, conv12, conv21, …
            self.add_module(f"conv{block}1", nn.Conv2d(size, out, 3, padding=1))
            self.add_module(f"conv{block}2", nn.Conv2d(out, out, 3, padding=1))
            size, mels = out, halved(mels)
        self.spec = BackboneSpec(
            FramesSpec(1, size * mels, hop=0.01 * 2**config.blocks),
            min_samples=FFT,
            weights="random",
            weights_licence=RANDOM,
            parameters=sum(p.numel() for p in self.parameters()),
            source="India et al., Double Multi-Head Attention for Speaker Verification, ICASSP 2021, arXiv 2007.13199",
        )

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Frames:
        x, steps = self.frames(*self.features(waveforms, lengths))
        return Frames(x[:, None], steps, self.spec.frames.hop)

    def frames(self, x: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
        """Features [B, T, bins], zeros on padding, and `steps` [B] → frames [B, T', channels · bins'] and theirs."""
        x = x[:, None]  # [B, 1, T, bins]
        for block in range(1, self.config.blocks + 1):
            padded = padding(steps, x.shape[2])
            for name in (f"conv{block}1", f"conv{block}2"):
                x = silent_picture(F.relu(self.get_submodule(name)(x)), padded)
            x, steps = F.max_pool2d(x, 2, ceil_mode=True), halved(steps)
        return x.transpose(1, 2).flatten(2), steps

    def preprocessing(self) -> dict[str, Any]:
        return {"features": "logmel", "bins": self.config.bins}


def halved(size: Size) -> Size:
    """Half of a size or of lengths, rounded up."""
    return (size + 1) // 2
