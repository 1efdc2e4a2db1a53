"""One frame stands for the utterance: the first, where a backbone puts a CLS token, or the last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor

from voxboard.backbones.frames import FramesSpec
from voxboard.errors import unknown
from voxboard.poolers.base import SingleLayer
from voxboard.poolers.mean import Mean

Position = Literal["first", "last"]


class Token(SingleLayer):
    """The first or the last valid frame of one layer: [B, D], or [B, project].

    First: "first" and "first&cls" pooling of Vaessen & van Leeuwen, ICASSP 2022. Last: the state of a causal network
    that has seen the whole utterance. Raises `UserError` for another position.
    """

    @dataclass(frozen=True)
    class Config(Mean.Config):
        """Options of `token`."""

        position: Position = "first"
        """Which valid frame: the first, where a CLS token stands, or the last."""

    def __init__(self, spec: FramesSpec, config: Config) -> None:
        super().__init__(spec, config.layer)
        if config.position not in (positions := get_args(Position)):
            raise unknown("position", config.position, positions)
        self.last = config.position == "last"
        self.end_with(spec.size, config.project)

    def pool(self, x: Tensor, mask: Tensor) -> Tensor:
        if not self.last:
            return self.project(x[:, 0])
        last = (mask.sum(1) - 1).clamp(min=0)
        return self.project(x.gather(1, last[:, None, None].expand(-1, 1, x.shape[2]))[:, 0])
