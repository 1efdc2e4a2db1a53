"""Calibration: an affine map that turns scores into natural-log likelihood ratios.

Prior-weighted logistic regression, as in FoCal (Brümmer et al., "Fusion of heterogeneous speaker recognition systems in
the STBU submission for the NIST SRE 2006", 2007) and BOSARIS (Brümmer & de Villiers, 2011). Of all llr = scale · score
+ offset it is the one with the least

    p / T · Σ_targets log(1 + exp(−llr − logit p)) + (1 − p) / N · Σ_non-targets log(1 + exp(llr + logit p))

so that the share of targets in the list does not matter, the prior p does. At p = 0.5 this is Cllr (times log 2).
Fit on one list, apply to another: on its own list a calibration flatters itself.

With `quality` [n, Q], measures of the trials' quality (see `quality.py`) join the sum: llr = scale · score +
weights · quality + offset, the quality-aware calibration of the VoxSRC systems (Thienpondt, Desplanques & Demuynck,
"The IDLab VoxSRC-20 submission: large margin fine-tuning and quality-aware score calibration", ICASSP 2021).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxboard.metrics.ranked import Floats, array, as_floats, checked

Float64 = NDArray[np.float64]

# Where a threshold separates the classes, the best scale is infinite: this penalty on its square (of standardised
# scores) bounds it. Elsewhere the weights that it moves are the same to about nine digits.
RIDGE = 1e-10


class Kept:
    """A frozen dataclass that goes to JSON and back."""

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON keeps them."""
        from voxboard.records.codec import encode

        return dict(encode(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The reverse of `to_dict`; raises `UserError` that names a field that is missing, unknown or no number."""
        from voxboard.records.codec import decode

        return decode(cls, data)


@dataclass(frozen=True)
class Calibration(Kept):
    """llr = scale · score + quality · measures + offset; `p_target` is the prior that the fit was weighted for."""

    scale: float
    offset: float
    p_target: float = 0.5
    quality: tuple[float, ...] = ()

    def apply(self, scores: ArrayLike, quality: ArrayLike | None = None) -> Float64:
        """Scores [n], and measures [n, Q] where the fit had them → natural-log likelihood ratios [n].

        ±inf are legal scores. Raises `ValueError` for NaN, or measures that are not those of the fit.
        """
        values = as_floats(scores, "scores")
        return affine(_beside(values, quality), (self.scale, *self.quality), self.offset)


def fit(scores: ArrayLike, labels: ArrayLike, p_target: float = 0.5, quality: ArrayLike | None = None) -> Calibration:
    """The calibration that fits scores [n] with labels [n] (1 = target) best, weighted for the prior `p_target`.

    Scores that rise for non-targets get a negative scale, constant ones the scale 0 (every ratio is 1). Where the
    classes are separable the scale is large but finite (`RIDGE`). Raises `ValueError` for scores or measures that are
    not finite, a missing class, differing lengths, or a prior outside (0, 1).
    """
    values, _ = checked(scores, labels)
    weights, offset = logistic(_beside(values, quality), labels, p_target)
    return Calibration(weights[0], offset, float(p_target), weights[1:])


def logistic(columns: ArrayLike, labels: ArrayLike, p_target: float) -> tuple[tuple[float, ...], float]:
    """Weights (one per column of [n, K]) and offset of the prior-weighted logistic regression: what all fits share.

    Columns that say the same share the weight; a constant one gets 0.
    """
    if not 0.0 < p_target < 1.0:
        raise ValueError(f"p_target must lie between 0 and 1, got {p_target}")
    values = matrix(columns, "columns")
    _, targets = checked(values[:, 0], labels)
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(f"the value of trial {row}, column {column}, is {values[row, column]}: nothing can be fitted")
    center, spread = values.mean(axis=0), values.std(axis=0)
    used = spread > 1e-12 * np.abs(values).max(axis=0)
    standard = (values[:, used] - center[used]) / spread[used]
    slopes, offset = _minimum(standard, targets, p_target) if used.any() else (np.zeros(0), 0.0)
    weights = np.zeros(len(used))
    weights[used] = slopes / spread[used]
    return tuple(weights.tolist()), float(offset - weights @ center)


def affine(columns: Floats, weights: tuple[float, ...], offset: float) -> Float64:
    """columns [n, K] · weights [K] + offset, in float64; a column of weight 0 is not looked at, infinite or not."""
    if columns.shape[1] != len(weights):
        raise ValueError(f"{len(weights)} columns were fitted, {columns.shape[1]} are given")
    if np.isnan(columns).any():
        row, column = np.argwhere(np.isnan(columns))[0]
        raise ValueError(f"the value of trial {row}, column {column}, is NaN")
    ratios = np.full(len(columns), offset)
    for column, weight in zip(columns.T, weights, strict=True):
        if weight != 0.0:
            ratios += weight * column.astype(np.float64)
    return ratios


def matrix(values: ArrayLike, name: str) -> Float64:
    """[n, K] in float64; raises `ValueError` for any other number of dimensions or no column."""
    given = array(values)
    if given.ndim != 2 or not given.shape[1]:
        raise ValueError(f"{name} must have two dimensions, trials × columns, got shape {given.shape}")
    return given.astype(np.float64)


def _beside(scores: Floats, quality: ArrayLike | None) -> Float64:
    """Scores [n] and measures [n, Q] as columns [n, 1 + Q]."""
    if quality is None:
        return scores[:, None].astype(np.float64)
    given = array(quality)
    measures = matrix(given[:, None] if given.ndim == 1 else given, "quality")
    if len(measures) != len(scores):
        raise ValueError(f"{len(scores)} scores but {len(measures)} rows of quality measures")
    return np.column_stack([scores, measures])


def _minimum(standard: Float64, targets: NDArray[np.bool_], p_target: float) -> tuple[Float64, float]:
    """Newton's method (scikit-learn) to a gradient below 1e-12; the prior enters by weights and by the offset."""
    from sklearn.linear_model import LogisticRegression

    positive = int(np.count_nonzero(targets))
    weights = np.where(targets, p_target / positive, (1.0 - p_target) / (targets.size - positive))
    model = LogisticRegression(C=1 / RIDGE, solver="newton-cholesky", tol=1e-12, max_iter=1000)
    model.fit(standard, targets, sample_weight=weights)
    return model.coef_[0], float(model.intercept_[0] - np.log(p_target / (1.0 - p_target)))
