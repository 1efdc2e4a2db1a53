"""A learned weighted sum of all layers, in front of any pooler of one layer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.parts import Part
from voxboard.poolers.base import Pooler


class Weighted(Pooler):
    """Layers [B, L, T, D] → their sum under softmax weights [B, 1, T, D] → what the inner pooler gives: [B, E].

    SUPERB's featurizer (Yang et al., Interspeech 2021, section 3): weights begin equal, and the input embedding of a
    transformer counts as a layer.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `weighted`."""

        pooler: str = "mean"
        """The pooler behind the sum, with its options where it needs some: asp, or "asp(bottleneck=64)"."""
        normalize: bool = False
        """Layer-normalise every layer first, so that loud layers do not outweigh the others."""

    def __init__(self, spec: FramesSpec, config: Config) -> None:
        from voxboard import poolers

        super().__init__(spec)
        inner = Part.parse(config.pooler)
        self.normalize = config.normalize
        self.weights = nn.Parameter(torch.zeros(spec.layers))
        self.pooler = poolers.create(inner.name, replace(spec, layers=1, input_layer=False), **inner.options)
        self.embedding_size, self.exports = self.pooler.embedding_size, self.pooler.exports

    def forward(self, frames: Frames) -> Tensor:
        return self.pooler(self._sum(frames))

    def sequence(self, frames: Frames) -> Frames:
        return self.pooler.sequence(self._sum(frames))

    def _sum(self, frames: Frames) -> Frames:
        """[B, L, T, D] → [B, 1, T, D]."""
        states, mask = frames.states, frames.mask
        if torch.compiler.is_exporting() or not bool(mask.all()):
            # A choice, not a product: padding may hold NaN, which would reach the weights' gradient.
            states = states.masked_fill(~mask[:, None, :, None], 0.0)
        if self.normalize:
            states = F.layer_norm(states, states.shape[-1:])
        summed = torch.einsum("l,bltd->btd", self.weights.softmax(0), states)
        return replace(frames, states=summed[:, None])
