"""A map to numbers, linear or with a hidden layer: age in years, intensity in dB."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from voxboard.errors import UserError
from voxboard.heads.base import Head
from voxboard.limits import Dropout, SizeOrZero

ERRORS = {"mse": torch.square, "l1": torch.abs}


class Regression(Head):
    """Squared or absolute error of values [B, n]; where a target is NaN it is skipped.

    Built for n values in place of n classes. Raises `UserError` for targets of another shape than [B, n], or [B] when
    n = 1.
    """

    targets = "values"
    exports = ("torch.export",)

    @dataclass(frozen=True)
    class Config:
        """Options of `regression`."""

        label: str = "age"
        """What is learned: a number of the utterances (age), or of the waveform (rms_dbfs, lufs)."""
        error: str = "mse"
        """`mse`, the squared error, or `l1`, the absolute error, which outliers move less."""
        center: float = 0.0
        """What is predicted before training: the mean of the targets, when it is known."""
        hidden: SizeOrZero = 0
        """Size of a hidden layer with a GELU, behind a layer norm; 0 leaves both out."""
        dropout: Dropout = 0.0
        """Share of the first linear map's input that is dropped in training."""

    def __init__(self, embedding_size: int, n_values: int, config: Config) -> None:
        super().__init__()
        if config.error not in ERRORS:
            raise UserError(f"regression has no error {config.error!r}.", f"Known: {', '.join(ERRORS)}.")
        self.error = ERRORS[config.error]
        self.hidden: nn.Module = nn.Dropout(config.dropout)
        if config.hidden:
            norm, first = nn.LayerNorm(embedding_size), nn.Linear(embedding_size, config.hidden)
            self.hidden = nn.Sequential(norm, nn.Dropout(config.dropout), first, nn.GELU())
        self.output = nn.Linear(config.hidden or embedding_size, n_values)
        nn.init.constant_(self.output.bias, config.center)

    def loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return masked_error(self.predict(embeddings).float(), labels, self.error)

    def predict(self, embeddings: Tensor) -> Tensor:
        return self.output(self.hidden(embeddings))


def masked_error(predicted: Tensor, labels: Tensor, error: Callable[[Tensor], Tensor]) -> Tensor:
    """The mean error of predictions [B, n] from labels [B, n], or [B] when n = 1, that are not NaN; 0 where all are.

    Raises `UserError` for labels of another shape.
    """
    targets = labels[:, None] if labels.ndim == 1 else labels
    if targets.shape != predicted.shape:
        raise UserError(f"There are targets {list(labels.shape)} for predictions {list(predicted.shape)}.")
    labelled = ~targets.isnan()
    # Before the difference: NaN times a gradient of zero would be NaN.
    errors = error(predicted - torch.where(labelled, targets, 0.0).float())
    return torch.where(labelled, errors, 0.0).sum() / labelled.sum().clamp(min=1)
