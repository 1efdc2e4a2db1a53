"""Linear probes: how much of a label can be read off embeddings that were not trained for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxboard.errors import UserError

STEPS = 2_000  # of the solver, which stops earlier when it has converged


@dataclass(frozen=True, eq=False)
class Probe:
    """A logistic regression on standardised embeddings; `described` is what a protocol says of it."""

    classes: tuple[str, ...]
    described: str
    pipeline: Any

    @classmethod
    def fit(cls, embeddings: np.ndarray, labels: Sequence[str], c: float, seed: int) -> Probe:
        """Embeddings [n, E] and their labels → a probe. Raises `UserError` for fewer than two classes."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        if len(set(labels)) < 2:
            raise UserError(f"A probe cannot learn from {len(set(labels))} class.", "Give it utterances of two.")
        regression = LogisticRegression(C=c, max_iter=STEPS, random_state=seed)
        pipeline = make_pipeline(StandardScaler(), regression).fit(embeddings.astype(np.float64), list(labels))
        return cls(tuple(map(str, regression.classes_)), f"logistic regression, C={c:g}, standardised", pipeline)

    def scores(self, embeddings: np.ndarray) -> np.ndarray:
        """Embeddings [n, E] → log-probabilities [n, C]."""
        logs: np.ndarray = self.pipeline.predict_log_proba(embeddings.astype(np.float64))
        return logs


@dataclass(frozen=True, eq=False)
class ValueProbe:
    """A ridge regression of a number, or of vectors, on rows of features; `described` is for a protocol."""

    described: str
    pipeline: Any

    @classmethod
    def fit(cls, rows: np.ndarray, values: np.ndarray, alpha: float = 1.0, standardised: bool = True) -> ValueProbe:
        """Rows [n, E] and their values [n], or [n, D] → a probe. Raises `UserError` for fewer than two rows."""
        from sklearn.linear_model import Ridge
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        if len(rows) < 2:
            raise UserError(f"A probe cannot learn from {len(rows)} utterance.", "Give it two at least.")
        steps = [StandardScaler(), Ridge(alpha=alpha)] if standardised else [Ridge(alpha=alpha)]
        described = f"ridge regression, alpha={alpha:g}" + (", standardised" if standardised else "")
        return cls(described, make_pipeline(*steps).fit(rows.astype(np.float64), np.asarray(values, np.float64)))

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Rows [n, E] → values [n], or [n, D]."""
        predicted: np.ndarray = self.pipeline.predict(rows.astype(np.float64))
        return predicted
