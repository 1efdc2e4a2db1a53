"""Circle loss: the farther a cosine is from where it should be, the harder it is pulled."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.heads.base import MISSING, Head


class Circle(Head):
    """Circle loss over class centres (Sun et al., CVPR 2020, equation 6); `MISSING` labels are skipped."""

    exports = ("torch.export",)

    @dataclass(frozen=True)
    class Config:
        """Options of `circle`."""

        label: str = "speaker"
        """What is learned: speaker, or another label of the utterances."""
        margin: float = 0.25
        """The cosine of the own class is pulled to 1 - margin, those of the others to margin."""
        scale: float = 64.0
        """Factor on the weighted cosines before the softmax."""

    def __init__(self, embedding_size: int, n_classes: int, config: Config) -> None:
        super().__init__()
        self.config = config
        self.centers = nn.Parameter(nn.init.xavier_normal_(torch.empty(n_classes, embedding_size)))

    def loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        cosines, m = self.predict(embeddings), self.config.margin
        known = labels != MISSING
        own = F.one_hot(labels.clamp(min=0), cosines.shape[1]).bool()
        pulls = torch.where(own, 1 + m - cosines, cosines + m).detach().clamp(min=0)
        logits = self.config.scale * pulls * (cosines - torch.where(own, 1 - m, m))
        losses = F.cross_entropy(logits, labels, ignore_index=MISSING, reduction="sum")
        return losses / known.sum().clamp(min=1)

    def predict(self, embeddings: Tensor) -> Tensor:
        return F.normalize(embeddings.float(), dim=-1) @ F.normalize(self.centers, dim=-1).T
