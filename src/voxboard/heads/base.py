"""What every head is: embeddings and labels to a loss, embeddings to a prediction."""

from __future__ import annotations

from torch import Tensor, nn

# The class index of an utterance whose label is not known (torch's `ignore_index`): it trains nothing.
MISSING = -100


class Head(nn.Module):
    """Trains an encoder; verification leaves it behind. Built as `Class(embedding_size, n_classes, config)`.

    `label` names the supervision it needs ("speaker", "gender", …). A head of several tasks lists theirs in `tasks`,
    its own `label` first; every other head has one.

    `batches` is None for shuffled utterances, or (N, M) where a batch has to be N classes × M utterances each: then
    every class of a batch is in it as often as the others and at least twice, in any order.

    `targets` is what labels are: "classes" (indices), or "values" (numbers to predict; `n_classes` is how many).
    """

    label: str = "speaker"
    batches: tuple[int, int] | None = None
    targets: str = "classes"

    @property
    def tasks(self) -> tuple[str, ...]:
        """The label that each column of `labels` holds."""
        return (self.label,)

    def loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Embeddings [B, E] and class indices [B], for several tasks also [B, tasks] → scalar loss.

        Utterances whose label is `MISSING` are skipped, where the head can do without. Values are float [B] or [B, n],
        NaN where missing.
        """
        raise NotImplementedError

    def predict(self, embeddings: Tensor) -> Tensor:
        """Embeddings [B, E] → class scores [B, C] without any margin, larger is likelier; or the values [B, n]."""
        raise NotImplementedError
