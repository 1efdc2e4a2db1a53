"""What every head is: embeddings and labels to a loss, embeddings to a prediction."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

# The class index of an utterance whose label is not known (torch's `ignore_index`): it trains nothing.
MISSING = -100


class Head(nn.Module):
    """Trains an encoder; verification leaves it behind. Built as `Class(size, n_classes, config)`.

    `reads` is "embedding" for a head of embeddings [B, E], and "frames" for one of a sequence [B, 1, T, D], which is
    what the pooler pools (`Pooler.sequence`); `size` is E or D.

    `label` names the supervision it needs ("speaker", "gender", …). A head of several tasks lists theirs in `tasks`,
    its own `label` first; every other head has one.

    `targets` is what labels are: "classes" (indices [B]), "values" (numbers [B] or [B, n]; `n_classes` is n), or
    "tokens" (indices [B, U], padded with `MISSING`; `n_classes` is the size of the vocabulary).

    `batches` is None for shuffled utterances, or (N, M) where a batch has to be N classes × M utterances each: then
    every class of a batch is in it as often as the others and at least twice, in any order.
    """

    label: str = "speaker"
    reads: str = "embedding"
    targets: str = "classes"
    batches: tuple[int, int] | None = None

    @property
    def tasks(self) -> tuple[str, ...]:
        """The labels that `loss` needs."""
        return (self.label,)

    def loss(self, embeddings: Any, labels: Any) -> Tensor:
        """Embeddings [B, E], or the `Frames` of a sequence, and their labels → scalar loss.

        `labels` is a tensor for a head of one task, and a mapping from task to tensor for one of several.
        Utterances whose label is `MISSING` (NaN among values) are skipped, where the head can do without.
        """
        raise NotImplementedError

    def predict(self, embeddings: Any) -> Tensor:
        """Class scores [B, C] without any margin, larger is likelier; or values [B, n]; or token scores [B, T, C]."""
        raise NotImplementedError
