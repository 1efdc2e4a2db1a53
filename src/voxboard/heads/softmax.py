"""A linear classifier, or the x-vector's two-layer one."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from voxboard.heads import losses
from voxboard.heads.base import Head, Labelled
from voxboard.limits import Dropout, NotNegative, SizeOrZero


class Softmax(Head):
    """Cross entropy over a linear map of the embedding; `MISSING` labels are skipped."""

    exports = ("torch.export",)

    @dataclass(frozen=True)
    class Config(Labelled):
        """Options of `softmax`."""

        hidden: SizeOrZero = 0
        """Size of a hidden layer (the x-vector's segment 7, 512); 0 leaves it out."""
        bias: bool = True
        """Give the last layer a bias."""
        norm: bool = False
        """Layer norm of the embedding first, as SincNet's classifier does."""
        dropout: Dropout = 0.0
        """Share of the last layer's input that is dropped in training."""
        class_weights: tuple[NotNegative, ...] = ()
        """Weight per class in the loss, in class order; all alike when left out."""
        focal: NotNegative = 0.0
        """Exponent of the focal loss, which looks at hard utterances (2 is usual); 0 is plain cross entropy."""
        reference: bool = False
        """The age fork's focal loss, which weighs the batch's mean in place of each utterance."""

    def __init__(self, embedding_size: int, n_classes: int, config: Config) -> None:
        super().__init__()
        # The smallest eps: embeddings of unit length have deviations far below 1.
        self.norm = nn.LayerNorm(embedding_size, eps=1e-12) if config.norm else nn.Identity()
        self.hidden: nn.Module = nn.Identity()
        if config.hidden:
            self.hidden = nn.Sequential(
                nn.ReLU(),
                nn.BatchNorm1d(embedding_size),
                nn.Linear(embedding_size, config.hidden),
                nn.ReLU(),
                nn.BatchNorm1d(config.hidden),
            )
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(config.hidden or embedding_size, n_classes, bias=config.bias)
        self.config = config
        self.weights: Tensor | None
        self.register_buffer("weights", losses.class_weights(config.class_weights, n_classes), persistent=False)

    def predict(self, embeddings: Tensor) -> Tensor:
        return self.output(self.dropout(self.hidden(self.norm(embeddings))))

    def loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        logits = self.predict(embeddings)
        if self.config.focal:
            return losses.focal(logits, labels, self.config.focal, self.weights, self.config.reference)
        return losses.cross_entropy(logits, labels, self.weights)
