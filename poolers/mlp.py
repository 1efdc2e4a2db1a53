"""Dense layers behind any pooler: the embedding network of the double multi-head systems."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.limits import Dropout, Size
from voxboard.parts import Part
from voxboard.poolers.base import Pooler


class MLP(Pooler):
    """Embeddings of an inner pooler → linear, ReLU, linear, ReLU, batch norm: [B, size].

    India et al., Double Multi-Head Attention for Speaker Verification, ICASSP 2021, section 4, as its code has it: the
    text also puts a batch norm behind the first layer.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `mlp`."""

        pooler: str = "mean"
        """The pooler in front, with its options where it needs some: "double-mha(heads=32)"."""
        size: Size = 400
        """Size of both layers, and so of the embedding."""
        dropout: Dropout = 0.0
        """Share of values that training sets to zero behind the first layer and in the embedding (age fork: 0.5)."""

    def __init__(self, spec: FramesSpec, config: Config) -> None:
        from voxboard import poolers

        super().__init__(spec)
        inner = Part.parse(config.pooler)
        self.pooler = poolers.create(inner.name, spec, **inner.options)
        self.fc1 = nn.Linear(self.pooler.embedding_size, config.size)
        self.fc2 = nn.Linear(config.size, config.size)
        self.b2 = nn.BatchNorm1d(config.size)
        self.dropout = nn.Dropout(config.dropout)
        self.embedding_size, self.exports = config.size, self.pooler.exports

    def forward(self, frames: Frames) -> Tensor:
        inside = self.dropout(F.relu(self.fc1(self.pooler(frames))))
        return self.dropout(self.b2(F.relu(self.fc2(inside))))
