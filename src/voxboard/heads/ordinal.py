"""Ordered classes such as age groups: a mistake costs more the farther it is from the truth."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.errors import UserError
from voxboard.heads import losses
from voxboard.heads.base import Head
from voxboard.limits import NotNegative


class Ordinal(Head):
    """A linear map with the ordinal losses of the Double-MHA age classifier; `MISSING` labels are skipped."""

    exports = ("torch.export",)

    @dataclass(frozen=True)
    class Config:
        """Options of `ordinal`."""

        label: str = "age_group"
        """What is learned: a label with ordered classes."""
        form: str = "cumulative"
        """`cumulative`: one sigmoid per class for "at least this class"; `distance`: a softmax, dearer when far off."""
        class_weights: tuple[NotNegative, ...] = ()
        """Weight per class, in class order; of the cumulative form only."""
        reference: bool = False
        """The age fork's numbers, bugs included (see `heads.losses`)."""

    def __init__(self, embedding_size: int, n_classes: int, config: Config) -> None:
        super().__init__()
        if config.form not in ("cumulative", "distance"):
            raise UserError(f"ordinal has no form {config.form!r}.", "Known: cumulative, distance.")
        if config.form == "distance" and config.class_weights:
            raise UserError("The distance form of ordinal takes no class weights.", "Leave them out.")
        self.config = config
        self.output = nn.Linear(embedding_size, n_classes)
        self.weights: Tensor | None
        self.register_buffer("weights", losses.class_weights(config.class_weights, n_classes), persistent=False)

    def loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        logits, reference = self.output(embeddings).float(), self.config.reference
        if self.config.form == "distance":
            return losses.distance(logits.softmax(-1), labels, reference)
        return losses.cumulative(logits.sigmoid(), labels, self.weights, reference)

    def predict(self, embeddings: Tensor) -> Tensor:
        """[B, E] → [B, C]: logits, or P(class ≥ j) − P(class ≥ j + 1) of the cumulative form."""
        logits = self.output(embeddings)
        if self.config.form == "distance":
            return logits
        at_least = logits.sigmoid()
        return at_least - F.pad(at_least[:, 1:], (0, 1))
