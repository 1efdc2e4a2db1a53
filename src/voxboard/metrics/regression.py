"""Metrics of predicted numbers: errors and correlations."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxboard.metrics.ranked import as_floats


def rmse(truth: ArrayLike, predictions: ArrayLike) -> float:
    """The root of the mean squared error, in the unit of the truth."""
    true, predicted = _pair(truth, predictions)
    return float(np.sqrt(np.mean((true - predicted) ** 2)))


def mae(truth: ArrayLike, predictions: ArrayLike) -> float:
    """The mean absolute error, in the unit of the truth."""
    true, predicted = _pair(truth, predictions)
    return float(np.mean(np.abs(true - predicted)))


def pearson(truth: ArrayLike, predictions: ArrayLike) -> float:
    """Pearson's correlation, −1 … 1: how well a straight line fits, whatever its slope and offset."""
    true, predicted = _varying(truth, predictions)
    return float(_covariance(true, predicted) / np.sqrt(np.var(true) * np.var(predicted)))


def ccc(truth: ArrayLike, predictions: ArrayLike) -> float:
    """Lin's concordance correlation (1989), population moments: correlation that also charges for scale and offset."""
    true, predicted = _varying(truth, predictions)
    offset = np.mean(true) - np.mean(predicted)
    return float(2 * _covariance(true, predicted) / (np.var(true) + np.var(predicted) + offset**2))


def _covariance(true: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    return float(np.mean((true - np.mean(true)) * (predicted - np.mean(predicted))))


def _pair(truth: ArrayLike, predictions: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as finite float64 [n]; raises `ValueError` that names what is wrong."""
    true, predicted = as_floats(truth, "truth"), as_floats(predictions, "predictions")
    if true.size != predicted.size:
        raise ValueError(f"{true.size} true values but {predicted.size} predictions")
    if true.size == 0:
        raise ValueError("there are no predictions")
    for name, values in (("truth", true), ("predictions", predicted)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name} holds {int((~np.isfinite(values)).sum())} values that are NaN or infinite")
    return true.astype(np.float64), predicted.astype(np.float64)


def _varying(truth: ArrayLike, predictions: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    true, predicted = _pair(truth, predictions)
    for name, values in (("truth", true), ("predictions", predicted)):
        if np.all(values == values[0]):
            raise ValueError(f"{name} is constant: there is nothing to correlate")
    return true, predicted
