"""What every head is: embeddings and labels to a loss, embeddings to a prediction."""

from __future__ import annotations

from torch import Tensor, nn


class Head(nn.Module):
    """Trains an encoder; verification leaves it behind. Built as `Class(embedding_size, n_classes, config)`.

    `label` names the supervision it needs ("speaker", "gender", …); `batching` is how it wants its batches:
    "shuffled", or "speakers" for N speakers × M utterances.
    """

    label: str = "speaker"
    batching: str = "shuffled"

    def loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Embeddings [B, E] and class indices [B] → scalar loss."""
        raise NotImplementedError

    def predict(self, embeddings: Tensor) -> Tensor:
        """Embeddings [B, E] → class scores [B, C] without any margin, larger is likelier."""
        raise NotImplementedError
