"""The mean over time: the simplest pooling."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from voxboard.backbones.frames import FramesSpec
from voxboard.limits import SizeOrZero
from voxboard.poolers.base import SingleLayer, masked_mean


class Mean(SingleLayer):
    """Mean over the valid frames of one layer: [B, D], or [B, project]."""

    @dataclass(frozen=True)
    class Config:
        """Options of `mean`."""

        layer: int = -1
        """Which layer to pool; -1 is the last, 0 a transformer's input embedding."""
        project: SizeOrZero = 0
        """Size of a linear map after the pooling; 0 leaves it out."""

    def __init__(self, spec: FramesSpec, config: Config) -> None:
        super().__init__(spec, config.layer)
        self.end_with(spec.size, config.project)

    def pool(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.project(masked_mean(x, mask))
