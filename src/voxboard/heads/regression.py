"""A linear map to numbers: age in years, intensity in dB."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from voxboard.errors import UserError
from voxboard.heads.base import Head

ERRORS = {"mse": torch.square, "l1": torch.abs}


class Regression(Head):
    """Squared or absolute error of values [B, n]; where a target is NaN it is skipped.

    Built for n values in place of n classes. Raises `UserError` for targets of another shape than [B, n], or [B] when
    n = 1.
    """

    label = "age"
    targets = "values"

    @dataclass(frozen=True)
    class Config:
        """Options of `regression`."""

        error: str = "mse"
        """`mse`, the squared error, or `l1`, the absolute error, which outliers move less."""
        center: float = 0.0
        """What is predicted before training: the mean of the targets, when it is known."""

    def __init__(self, embedding_size: int, n_values: int, config: Config) -> None:
        super().__init__()
        if config.error not in ERRORS:
            raise UserError(f"regression has no error {config.error!r}.", f"Known: {', '.join(ERRORS)}.")
        self.error = ERRORS[config.error]
        self.output = nn.Linear(embedding_size, n_values)
        nn.init.constant_(self.output.bias, config.center)

    def loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        found = self.predict(embeddings).float()
        targets = labels[:, None] if labels.ndim == 1 else labels
        if targets.shape != found.shape:
            raise UserError(f"There are targets {list(labels.shape)} for predictions {list(found.shape)}.")
        known = ~targets.isnan()
        # Before the difference: NaN times a gradient of zero would be NaN.
        errors = self.error(found - torch.where(known, targets, 0.0).float())
        return torch.where(known, errors, 0.0).sum() / known.sum().clamp(min=1)

    def predict(self, embeddings: Tensor) -> Tensor:
        return self.output(embeddings)
