"""The maximum over time: what fired at least once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from voxboard.backbones.frames import FramesSpec
from voxboard.poolers.base import SingleLayer
from voxboard.poolers.mean import Mean


class Max(SingleLayer):
    """Maximum over the valid frames of one layer, per feature: [B, D], or [B, project]."""

    @dataclass(frozen=True)
    class Config(Mean.Config):
        """Options of `max`."""

    def __init__(self, spec: FramesSpec, config: Config) -> None:
        super().__init__(spec, config.layer)
        self.end_with(spec.size, config.project)

    def pool(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.project(x.masked_fill(~mask[..., None], torch.finfo(x.dtype).min).amax(1))
