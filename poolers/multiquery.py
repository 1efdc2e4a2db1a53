"""Multi-query multi-head attention pooling (Zhao et al., arXiv 2110.05042, ICASSP 2022)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from voxboard.backbones.frames import FramesSpec
from voxboard.limits import Size, SizeOrZero
from voxboard.poolers.base import SingleLayer, concatenated, masked_mean, masked_softmax
from voxboard.poolers.multihead import slice_size, slices

FLOOR = 1e-4  # of a variance


class MultiQuery(SingleLayer):
    """Weighted mean and deviation of every slice of the features under several queries: [B, 2QD], or [B, project].

    With one head the queries attend to the whole feature, with one query every head to its own slice: the method joins
    the two. Raises `UserError` where the heads do not divide D.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `mqmha`."""

        layer: int = -1
        """Which layer to pool; -1 is the last, 0 a transformer's input embedding."""
        heads: Size = 16
        """Slices that the features are cut into."""
        queries: Size = 4
        """Weightings of the frames per slice."""
        hidden: SizeOrZero = 64
        """Size of a tanh layer in front of every head's scores; 0 scores the features themselves."""
        deviation: bool = True
        """Also give the weighted standard deviations; without them [B, QD]."""
        project: SizeOrZero = 0
        """Size of a linear map after the pooling; 0 leaves it out."""

    def __init__(self, spec: FramesSpec, config: Config) -> None:
        super().__init__(spec, config.layer)
        slice_size(spec, config.heads)
        heads, hidden = config.heads, config.heads * config.hidden or spec.size
        self.heads, self.deviation = heads, config.deviation
        before = [nn.Conv1d(spec.size, hidden, 1, groups=heads), nn.Tanh()] if config.hidden else []
        # No bias: the softmax over time would not notice it.
        self.attention = nn.Sequential(*before, nn.Conv1d(hidden, heads * config.queries, 1, groups=heads, bias=False))
        size = (1 + config.deviation) * config.queries * spec.size
        self.end_with(size, config.project)

    def pool(self, x: Tensor, mask: Tensor) -> Tensor:
        weights = slices(masked_softmax(self.attention(x.transpose(1, 2)).transpose(1, 2), mask), self.heads)
        # Centred first: the difference of squares below would cancel around a large mean.
        center = masked_mean(x, mask)[:, None]
        parts = slices(x - center, self.heads)  # [B, T, H, d]
        mean = torch.einsum("bthq,bthd->bhqd", weights, parts)
        pooled = (slices(center, self.heads).transpose(1, 2) + mean).flatten(1)
        if self.deviation:
            variance = torch.einsum("bthq,bthd->bhqd", weights, parts.square()) - mean.square()
            pooled = concatenated(pooled, variance.clamp(min=FLOOR).sqrt().flatten(1))
        return self.project(pooled)
