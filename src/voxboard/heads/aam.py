"""Additive angular margin softmax, with one cosine per head for UniPool."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.errors import UserError
from voxboard.heads.base import Head

# Below any 1 - cos² that float32 can tell from 0: keeps the square root's gradient finite at a cosine of ±1.
TINY = 1e-12


class AAM(Head):
    """AAM-softmax (Deng et al., ArcFace, CVPR 2019, equation 3), averaged over `heads`.

    `weight` [heads, E / heads, C] holds a direction per class; only angles matter, not lengths.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `aam`."""

        margin: float = 0.2
        """Angle, in radians, that is added to the angle to the true class."""
        scale: float = 30.0
        """Factor on the cosines before the softmax."""
        easy_margin: bool = False
        """Apply the margin only within 90 degrees of the true class."""
        heads: int = 1
        """Cut embeddings into this many pieces with cosines of their own (UniPool)."""

    def __init__(self, embedding_size: int, n_classes: int, config: Config) -> None:
        super().__init__()
        if embedding_size % config.heads:
            raise UserError(f"{config.heads} heads do not divide an embedding of {embedding_size}.")
        self.config = config
        self.heads = config.heads
        self.weight = nn.Parameter(torch.empty(config.heads, embedding_size // config.heads, n_classes))
        for directions in self.weight:
            nn.init.xavier_uniform_(directions)

    def cosines(self, embeddings: Tensor) -> Tensor:
        """[B, E] → cosines [B, heads, C]."""
        # Margins in half precision would round cosines to a few hundred values.
        pieces = F.normalize(torch.unflatten(embeddings.float(), -1, (self.heads, -1)), dim=-1)
        return torch.einsum("bhd,hdc->bhc", pieces, F.normalize(self.weight.float(), dim=1))

    def margin_logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """[B, E] and classes [B] → [B, heads, C]: scaled cosines, the true class's with the margin."""
        cosines = self.cosines(embeddings)
        target = labels[:, None, None].expand(-1, self.heads, 1)
        return self.config.scale * cosines.scatter(2, target, self._pushed(cosines.gather(2, target)))

    def _pushed(self, cosine: Tensor) -> Tensor:
        """cos(θ + m); where θ + m passes π, a straight line that keeps falling."""
        m = self.config.margin
        sine = (1.0 - cosine.square()).clamp(min=TINY).sqrt()
        pushed = cosine * math.cos(m) - sine * math.sin(m)
        if self.config.easy_margin:
            return torch.where(cosine > 0, pushed, cosine)
        return torch.where(cosine > math.cos(math.pi - m), pushed, cosine - m * math.sin(math.pi - m))

    def loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        logits = self.margin_logits(embeddings, labels)
        return F.cross_entropy(logits.flatten(0, 1), labels.repeat_interleave(self.heads))

    def predict(self, embeddings: Tensor) -> Tensor:
        return self.config.scale * self.cosines(embeddings).mean(1)
