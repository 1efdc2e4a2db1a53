"""The Zipformer's front: log-mel frames at 100 Hz to embeddings at 50 Hz, by convolutions and a ConvNeXt block."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from voxboard.backbones.zipformer_ops import BiasNorm, scaled, swoosh_l, swoosh_r
from voxboard.backbones.zipformer_training import NOTHING, Rates, damped, skipped

CHANNELS = 128


def subsampled(lengths: Tensor) -> Tensor:
    """Frames at 100 Hz → frames at 50 Hz; 9 are needed for the first."""
    return torch.div(lengths - 7, 2, rounding_mode="floor")


class Conv2dSubsampling(nn.Module):
    """[B, T, features] → [B, (T - 7) // 2, size] (arXiv 2310.11230, section 3.1, "Conv-Embed")."""

    def __init__(self, features: int, size: int) -> None:
        super().__init__()
        # Numbered as in the reference, where the activations and training aids take the places between.
        self.conv = nn.ModuleDict(
            {
                "0": nn.Conv2d(1, 8, 3, padding=(0, 1)),
                "4": nn.Conv2d(8, 32, 3, stride=2),
                "7": nn.Conv2d(32, CHANNELS, 3, stride=(1, 2)),
            }
        )
        self.convnext = ConvNeXt(CHANNELS)
        self.out = nn.Linear(CHANNELS * (((features - 1) // 2 - 1) // 2), size)
        self.out_norm = BiasNorm(size)

    def forward(self, x: Tensor, padded: Tensor | None = None, rates: Rates = NOTHING) -> Tensor:
        """`x` [B, T, features]; `padded` [B, (T - 7) // 2] true on frames that count as zeros, or None."""
        return self.out_norm(self.project(self.convnext(self.convolve(x, rates.damped), padded, rates.convnext)))

    def convolve(self, x: Tensor, spared: float = 0.0) -> Tensor:
        """[B, T, features] → [B, 128, (T - 7) // 2, bands]; unpadded in time."""
        first, *others = self.conv.values()
        x = swoosh_r(damped(first(x[:, None]), spared))
        for convolution in others:
            x = swoosh_r(convolution(x))
        return x

    def project(self, x: Tensor) -> Tensor:
        """[B, 128, T, bands] → [B, T, size]."""
        return self.out(x.transpose(1, 2).flatten(2))


class ConvNeXt(nn.Module):
    """A depthwise 7 × 7 convolution and two pointwise ones around SwooshL, added to the input. No norm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise_conv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.pointwise_conv1 = nn.Conv2d(channels, 3 * channels, 1)
        self.pointwise_conv2 = nn.Conv2d(3 * channels, channels, 1)
        scaled(self.pointwise_conv2, 0.01)

    def forward(self, x: Tensor, padded: Tensor | None = None, skip: float = 0.0) -> Tensor:
        """[B, C, T, bands] → the same. Some sequences `skip` the convolutions in training."""
        if padded is not None:
            x = x.masked_fill(padded[:, None, :, None], 0.0)
        hidden = swoosh_l(self.pointwise_conv1(self.depthwise_conv(x)))
        return x + skipped(self.pointwise_conv2(hidden), skip)
