"""Mean and standard deviation over time: the x-vector's pooling."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

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
