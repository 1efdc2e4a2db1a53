"""Mean and standard deviation over time: the x-vector's pooling."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from voxboard.backbones.frames import FramesSpec
from voxboard.limits import SizeOrZero
from voxboard.poolers.base import SingleLayer, concatenated, masked_mean, masked_std


class Statistics(SingleLayer):
    """Mean and unbiased deviation: [B, 2D], or [B, project] (Snyder et al., ICASSP 2018, section 2)."""

    @dataclass(frozen=True)
    class Config:
        """Options of `statistics`."""

        layer: int = -1
        """Which layer to pool; -1 is the last, 0 a transformer's input embedding."""
        project: SizeOrZero = 0
        """Size of a linear map after the pooling (the x-vector's 512); 0 leaves it out."""
        shift: float = 0.0
        """Added to every standard deviation; SpeechBrain's x-vector has 1e-5."""

    def __init__(self, spec: FramesSpec, config: Config) -> None:
        super().__init__(spec, config.layer)
        self.shift = config.shift
        self.end_with(2 * spec.size, config.project)

    def pool(self, x: Tensor, mask: Tensor) -> Tensor:
        mean = masked_mean(x, mask)
        return self.project(concatenated(mean, masked_std(x, mask, mean) + self.shift))


def weighted_statistics(x: Tensor, weights: Tensor | None) -> Tensor:
    """Sequences [B, C, T] and weights [B, S, T'] of S speakers → mean and deviation of each [B, S, 2C].

    Weights of another number of frames count for the nearest ones. Without weights [B, 2C]: the plain mean and unbiased
    deviation. As pyannote's `StatsPool` has it, by which an embedding is of one speaker of a window.
    """
    if weights is None:
        return torch.cat([x.mean(-1), x.std(-1)], -1)
    if weights.shape[-1] != x.shape[-1]:
        weights = nn.functional.interpolate(weights, size=x.shape[-1], mode="nearest")
    total = weights.sum(-1) + 1e-8  # [B, S]
    mean = torch.einsum("bst,bct->bsc", weights, x) / total[..., None]
    squares = (x[:, None] - mean[..., None]).square()  # [B, S, C, T]
    effective = total - weights.square().sum(-1) / total + 1e-8
    variance = torch.einsum("bst,bsct->bsc", weights, squares) / effective[..., None]
    return torch.cat([mean, variance.sqrt()], -1)
