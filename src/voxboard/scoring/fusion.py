"""Fusion: several systems' scores of the same trials become one."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from voxboard.scoring.calibration import Float64, Kept, affine, logistic, matrix


@dataclass(frozen=True)
class Fusion(Kept):
    """llr = Σ weight · score + offset; `p_target` is the prior that the fit was weighted for."""

    weights: tuple[float, ...]
    offset: float
    p_target: float = 0.5

    def apply(self, columns: ArrayLike) -> Float64:
        """Scores [n, K], a column per system in the order of the fit → natural-log likelihood ratios [n]."""
        return affine(matrix(columns, "columns"), self.weights, self.offset)


def fit(columns: ArrayLike, labels: ArrayLike, p_target: float = 0.5) -> Fusion:
    """Fuse K systems' scores [n, K] by the logistic regression that also calibrates one (FoCal, see `calibration`).

    Systems that say the same share the weight. Raises `ValueError` like `calibration.fit`.
    """
    weights, offset = logistic(columns, labels, p_target)
    return Fusion(weights, offset, float(p_target))


def mean(columns: ArrayLike) -> Float64:
    """The equally weighted mean [n] of K systems' scores [n, K], in float64: for systems on one scale, without a fit.

    Raises `ValueError` for NaN.
    """
    values = matrix(columns, "columns")
    count = values.shape[1]
    return affine(values, (1.0 / count,) * count, 0.0)
