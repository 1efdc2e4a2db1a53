"""Additive margin softmax, with the annealed margin of the Double-MHA systems."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from voxboard.heads import losses
from voxboard.heads.base import Labelled
from voxboard.heads.margin import MarginSoftmax
from voxboard.limits import NotNegative, Positive


class AM(MarginSoftmax):
    """AM-softmax (Wang et al., Additive Margin Softmax for Face Verification, 2018, arXiv 1801.05599)."""

    exports = ("torch.export",)

    @dataclass(frozen=True)
    class Config(Labelled):
        """Options of `am`."""

        margin: NotNegative = 0.4
        """What is taken off the cosine to the true class."""
        scale: Positive = 30.0
        """Factor on the cosines before the softmax."""
        annealing: NotNegative = 0.0
        """Weight λ of the cosine without margin at the first step (SphereFace, 2017; Double-MHA 1000); 0 is none."""
        annealing_decay: NotNegative = 1e-4
        """λ falls with (1 + this · step)²."""
        linear: bool = False
        """A linear map of the embedding first, as in Double-MHA."""
        class_weights: tuple[NotNegative, ...] = ()
        """Weight per class in the loss, in class order; all alike when left out."""
        ordinal: NotNegative = 0.0
        """Share of `heads.losses.distance` of the cosines' softmax in the loss (the Double-MHA age classifier 0.5)."""
        reference: bool = False
        """The age fork's ordinal loss, to which the class above the truth costs nothing."""

    def __init__(self, embedding_size: int, n_classes: int, config: Config) -> None:
        super().__init__(embedding_size, n_classes, config.scale)
        self.config = config
        self.linear = nn.Linear(embedding_size, embedding_size) if config.linear else nn.Identity()
        # Named as in batch normalisation: checkpoints of the references may leave it out.
        self.num_batches_tracked: Tensor
        self.register_buffer("num_batches_tracked", torch.tensor(0))
        self.weights: Tensor | None
        self.register_buffer("weights", losses.class_weights(config.class_weights, n_classes), persistent=False)

    @property
    def annealed_factor(self) -> float | Tensor:
        """1 / (1 + λ): the part of the margin that is in force."""
        if not self.config.annealing:
            return 1.0
        return 1.0 / (1.0 + self.config.annealing / (1.0 + self.config.annealing_decay * self.num_batches_tracked) ** 2)

    def cosines(self, embeddings: Tensor) -> Tensor:
        return super().cosines(self.linear(embeddings))

    def _pushed(self, cosine: Tensor) -> Tensor:
        """(cos θ − m + λ cos θ) / (1 + λ)."""
        return cosine - self.annealed_factor * self.config.margin

    def loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        cosines = self.cosines(embeddings)
        loss = losses.cross_entropy(self.scale * self._with_margin(cosines, labels)[:, 0], labels, self.weights)
        if share := self.config.ordinal:
            ordinal = losses.distance(cosines[:, 0].softmax(-1), labels, self.config.reference)
            loss = (1.0 - share) * loss + share * ordinal
        if self.training:
            self.num_batches_tracked += 1
        return loss
