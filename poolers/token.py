"""One frame stands for the utterance: the first, where a backbone puts a CLS token, or the last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from voxboard.backbones.base import FramesSpec
from voxboard.errors import unknown
from voxboard.poolers.base import SingleLayer

Position = Literal["first", "last"]


class Token(SingleLayer):
    """The first or the last valid frame of one layer: [B, D], or [B, project].

    First: "first" and "first&cls" pooling of Vaessen & van Leeuwen, ICASSP 2022. Last: the state of a causal network
    that has seen the whole utterance. Raises `UserError` for another position.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `token`."""

        position: Position = "first"
        """Which valid frame: the first, where a CLS token stands, or the last."""
        layer: int = -1
        """Which layer to pool; -1 is the last, 0 a transformer's input embedding."""
        project: int = 0
        """Size of a linear map after the pooling; 0 leaves it out."""

    def __init__(self, spec: FramesSpec, config: Config) -> None:
        super().__init__(spec, config.layer)
        if config.position not in (known := get_args(Position)):
            raise unknown("position", config.position, known)
        self.last = config.position == "last"
        self.end_with(spec.size, config.project)

    def pool(self, x: Tensor, mask: Tensor) -> Tensor:
        last = (mask.sum(1) - 1).clamp(min=0)
        frame = last if self.last else torch.zeros_like(last)
        return self.project(x[torch.arange(len(x), device=x.device), frame])
