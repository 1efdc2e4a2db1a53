"""The pooling that a backbone was published with, as a legal cell of the grid."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from voxboard import poolers
from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.errors import UserError
from voxboard.poolers.base import Pooler


class Native(Pooler):
    """The registered pooler that `spec.native` names. Raises `UserError` for a backbone that has none."""

    @dataclass(frozen=True)
    class Config:
        """`native` has no options: the backbone's sizes decide."""

    shell = True  # around the pooler that has the weights

    def __init__(self, spec: FramesSpec, config: Config) -> None:
        super().__init__(spec)
        if spec.native is None:
            raise UserError("This backbone was published without a pooling of its own.", "Name one, e.g. statistics.")
        name, options = spec.native
        self.pooler = poolers.create(name, spec, **options)
        self.embedding_size, self.exports = self.pooler.embedding_size, self.pooler.exports

    def forward(self, frames: Frames) -> Tensor:
        return self.pooler(frames)

    def sequence(self, frames: Frames) -> Frames:
        return self.pooler.sequence(frames)
