"""A linear classifier, or the x-vector's two-layer one."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.heads.base import Head


class Softmax(Head):
    """Cross entropy over a linear map of the embedding."""

    @dataclass(frozen=True)
    class Config:
        """Options of `softmax`."""

        hidden: int = 0
        """Size of a hidden layer (the x-vector's segment 7, 512); 0 leaves it out."""
        bias: bool = True
        """Give the last layer a bias."""

    def __init__(self, embedding_size: int, n_classes: int, config: Config) -> None:
        super().__init__()
        self.hidden: nn.Module = nn.Identity()
        if config.hidden:
            self.hidden = nn.Sequential(
                nn.ReLU(),
                nn.BatchNorm1d(embedding_size),
                nn.Linear(embedding_size, config.hidden),
                nn.ReLU(),
                nn.BatchNorm1d(config.hidden),
            )
        self.output = nn.Linear(config.hidden or embedding_size, n_classes, bias=config.bias)

    def predict(self, embeddings: Tensor) -> Tensor:
        return self.output(self.hidden(embeddings))

    def loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self.predict(embeddings), labels)
