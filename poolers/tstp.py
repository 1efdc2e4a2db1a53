"""Temporal statistics pooling of speaker ResNets: mean and deviation over time, then one or two linear maps."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.backbones.frames import FramesSpec
from voxboard.limits import NotNegative, Size
from voxboard.poolers.base import SingleLayer, concatenated, masked_mean


class TSTP(SingleLayer):
    """Mean and unbiased deviation, √(variance + `floor`), → linear map, or two with ReLU and batch norm between them.

    As WeSpeaker (floor 1e-7) and 3D-Speaker (1e-8) end their ResNets: [B, project].
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `tstp`."""

        project: Size = 256
        """Size of the embedding."""
        second: bool = False
        """Take the embedding from a second linear map."""
        floor: NotNegative = 1e-7
        """Number that is added to a variance."""

    def __init__(self, spec: FramesSpec, config: Config) -> None:
        super().__init__(spec)
        self.floor = config.floor
        self.seg_1 = nn.Linear(2 * spec.size, config.project)
        self.seg_bn_1: nn.Module = nn.BatchNorm1d(config.project, affine=False) if config.second else nn.Identity()
        self.seg_2: nn.Module = nn.Linear(config.project, config.project) if config.second else nn.Identity()
        self.second = config.second
        self.embedding_size = config.project

    def statistics(self, x: Tensor, mask: Tensor) -> Tensor:
        """[B, T, D], zeros on padding, and mask [B, T] → mean and deviation [B, 2D]."""
        mean = masked_mean(x, mask)
        squares = (x - mean[:, None]).masked_fill(~mask[..., None], 0.0).square().sum(1)
        variance = squares / (mask.sum(1) - 1).clamp(min=1)[:, None]
        return concatenated(mean, (variance + self.floor).sqrt())

    def pool(self, x: Tensor, mask: Tensor) -> Tensor:
        first: Tensor = self.seg_1(self.statistics(x, mask))
        if not self.second:
            return first
        second: Tensor = self.seg_2(self.seg_bn_1(F.relu(first)))
        return second
