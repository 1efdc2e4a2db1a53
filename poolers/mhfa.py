"""Multi-head factorized attentive pooling over the layers of a transformer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.limits import Size
from voxboard.poolers.base import Pooler, masked_softmax


class MHFA(Pooler):
    """Keys and values from two sums over the layers, attention over time per head: [B, project].

    Peng et al., "An attention-based backend allowing efficient fine-tuning of transformer models for speaker
    verification", SLT 2022, arXiv 2210.01273. Layers' weights begin equal, a transformer's input embedding among them.
    """

    exports = ("torch.export",)

    @dataclass(frozen=True)
    class Config:
        """Options of `mhfa`."""

        heads: Size = 32
        """Heads of the attention."""
        compression: Size = 128
        """Size of keys and values."""
        project: Size = 256
        """Size of the embedding."""

    def __init__(self, spec: FramesSpec, config: Config) -> None:
        super().__init__(spec)
        self.weights_k = nn.Parameter(torch.ones(spec.layers))
        self.weights_v = nn.Parameter(torch.ones(spec.layers))
        self.cmp_linear_k = nn.Linear(spec.size, config.compression)
        self.cmp_linear_v = nn.Linear(spec.size, config.compression)
        self.att_head = nn.Linear(config.compression, config.heads)
        self.pooling_fc = nn.Linear(config.heads * config.compression, config.project)
        self.embedding_size = config.project

    def forward(self, frames: Frames) -> Tensor:
        # A choice, not a product: padding may hold anything, NaN too.
        states = frames.states.masked_fill(~frames.mask[:, None, :, None], 0.0)
        return self.pooling_fc(self.pool(states, self.attention(states, frames.mask)))

    def attention(self, states: Tensor, mask: Tensor) -> Tensor:
        """Layers [B, L, T, D], zeros outside `mask` [B, T] → weights [B, T, heads] that sum to 1 over time."""
        keys = self.cmp_linear_k(torch.einsum("l,bltd->btd", self.weights_k.softmax(0), states))
        return masked_softmax(self.att_head(keys), mask)

    def pool(self, states: Tensor, attention: Tensor) -> Tensor:
        """Layers and weights → [B, heads · compression], head by head."""
        values = self.cmp_linear_v(torch.einsum("l,bltd->btd", self.weights_v.softmax(0), states))
        return torch.einsum("bth,btp->bhp", attention, values).flatten(1)
