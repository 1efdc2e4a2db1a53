"""The mean of the frames that matter most."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from voxboard.backbones.base import FramesSpec
from voxboard.poolers.base import SingleLayer


class TopShare(SingleLayer):
    """Mean over the share of frames with the best scores, with a soft edge that lets the scores learn: [B, D].

    `SingleLayer` picks the layer and puts zeros on padding; what is left is `pool`.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `top-share`."""

        share: float = 0.3
        """Share of the valid frames that are averaged."""
        softness: float = 0.1
        """Width of the edge between frames that count and frames that do not, in units of the score."""
        layer: int = -1
        """Which layer to pool; -1 is the last, 0 a transformer's input embedding."""

    def __init__(self, spec: FramesSpec, config: Config) -> None:
        super().__init__(spec, config.layer)
        self.config = config
        self.score = nn.Linear(spec.size, 1, bias=False)
        self.embedding_size = spec.size

    def pool(self, x: Tensor, mask: Tensor) -> Tensor:
        scores = self.score(x)[..., 0].masked_fill(~mask, torch.finfo(x.dtype).min)  # [B, T]
        last = (mask.sum(1) * self.config.share).ceil().long().clamp(min=1) - 1
        edge = scores.sort(1, descending=True).values.gather(1, last[:, None])
        weights = ((scores - edge) / self.config.softness).sigmoid().masked_fill(~mask, 0.0)
        return (weights[..., None] * x).sum(1) / weights.sum(1, keepdim=True)
