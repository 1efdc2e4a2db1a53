"""An embedding layer behind any pooler: the layer that a probe on a frozen backbone is compared with."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.limits import Size
from voxboard.parts import Part
from voxboard.poolers.base import Pooler


class EmbeddingLayer(nn.Sequential):
    """Batch norm, linear map, batch norm: [B, in_size] → [B, size]."""

    def __init__(self, in_size: int, size: int) -> None:
        super().__init__(nn.BatchNorm1d(in_size), nn.Linear(in_size, size), nn.BatchNorm1d(size))


class Projected(Pooler):
    """Embeddings of an inner pooler → embedding layer: [B, size].

    On a frozen backbone a pooler without weights, such as `mean`, leaves training nothing that reaches the embedding,
    and one that ends with a layer of its own has an advantage that is not its pooling. Behind the same embedding layer
    poolers compare. It ends as ECAPA-TDNN does (Desplanques et al., Interspeech 2020, section 3): norm, linear, norm.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `projected`."""

        pooler: str = "mean"
        """The pooler in front, with its options where it needs some: "asp(bottleneck=64)"."""
        size: Size = 192
        """Size of the embedding."""

    def __init__(self, spec: FramesSpec, config: Config) -> None:
        from voxboard import poolers

        super().__init__(spec)
        inner = Part.parse(config.pooler)
        self.pooler = poolers.create(inner.name, spec, **inner.options)
        self.layer = EmbeddingLayer(self.pooler.embedding_size, config.size)
        self.embedding_size, self.exports = config.size, self.pooler.exports

    def forward(self, frames: Frames) -> Tensor:
        return self.layer(self.pooler(frames))
