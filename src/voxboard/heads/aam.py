"""Additive angular margin softmax: with a cosine per head for UniPool, sub-centers, and a penalty on the nearest."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from voxboard.heads.base import Labelled
from voxboard.heads.margin import MarginSoftmax
from voxboard.limits import NotNegative, Positive, Size, SizeOrZero

# Below any 1 - cos² that float32 can tell from 0: keeps the square root's gradient finite at a cosine of ±1.
TINY = 1e-12


class AAM(MarginSoftmax):
    """AAM-softmax (Deng et al., ArcFace, CVPR 2019, equation 3), averaged over `heads`."""

    exports = ("torch.export",)

    @dataclass(frozen=True)
    class Config(Labelled):
        """Options of `aam`."""

        margin: NotNegative = 0.2
        """Angle, in radians, that is added to the angle to the true class."""
        scale: Positive = 30.0
        """Factor on the cosines before the softmax."""
        easy_margin: bool = False
        """Apply the margin only within 90 degrees of the true class."""
        heads: Size = 1
        """Cut embeddings into this many pieces with cosines of their own (UniPool)."""
        centers: Size = 1
        """Directions per class, of which the nearest counts (sub-center ArcFace): 3 where labels are noisy."""
        top_k: SizeOrZero = 0
        """Penalise so many of the nearest wrong classes (inter-top-k, Zhao et al., ICASSP 2022: 5); 0 is none."""
        top_margin: float = 0.06
        """Angle, in radians, that is taken off the angle to each of them."""

    def __init__(self, embedding_size: int, n_classes: int, config: Config) -> None:
        super().__init__(embedding_size, n_classes, config.scale, config.heads, config.centers)
        self.config = config

    def _pushed(self, cosine: Tensor) -> Tensor:
        """cos(θ + m); where θ + m passes π, a straight line that keeps falling."""
        m = self.config.margin
        pushed = cosine * math.cos(m) - _sine(cosine) * math.sin(m)
        if self.config.easy_margin:
            return torch.where(cosine > 0, pushed, cosine)
        return torch.where(cosine > math.cos(math.pi - m), pushed, cosine - m * math.sin(math.pi - m))

    def _others(self, cosines: Tensor, target: Tensor) -> Tensor:
        """cos(θ − m') for the `top_k` nearest wrong classes; where θ < m', a straight line that keeps rising."""
        count = min(self.config.top_k, cosines.shape[-1] - 1)
        if count <= 0:
            return cosines
        nearest = cosines.detach().scatter(2, target, -math.inf).topk(count, dim=2).indices
        cosine, m = cosines.gather(2, nearest), self.config.top_margin
        raised = cosine * math.cos(m) + _sine(cosine) * math.sin(m)
        return cosines.scatter(2, nearest, torch.where(cosine < math.cos(m), raised, cosine + 1.0 - math.cos(m)))


def _sine(cosine: Tensor) -> Tensor:
    """The sine of an angle between 0 and π."""
    return (1.0 - cosine.square()).clamp(min=TINY).sqrt()
