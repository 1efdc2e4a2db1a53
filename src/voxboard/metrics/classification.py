"""Metrics of predicted classes: accuracy, balanced accuracy, F1."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxboard.metrics.ranked import array


def accuracy(truth: ArrayLike, predictions: ArrayLike) -> float:
    """The share of predictions [n] that equal the truth [n]. Classes are anything that compares: numbers or names."""
    hits, _, _ = _counts(truth, predictions)
    return float(hits.sum() / array(truth).size)


def balanced_accuracy(truth: ArrayLike, predictions: ArrayLike) -> float:
    """The mean over the classes in the truth of the share that was recognised: no class counts for being frequent."""
    hits, true, _ = _counts(truth, predictions)
    there = true > 0
    return float(np.mean(hits[there] / true[there]))


def macro_f1(truth: ArrayLike, predictions: ArrayLike) -> float:
    """The mean F1 over the classes seen in truth or prediction; a class that is only predicted counts as 0."""
    hits, true, predicted = _counts(truth, predictions)
    return float(np.mean(2 * hits / (true + predicted)))


def _counts(truth: ArrayLike, predictions: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Per class, sorted: how often it was hit, true, predicted. Raises `ValueError` for input that fits no metric."""
    true, predicted = array(truth), array(predictions)
    if true.ndim != 1 or true.shape != predicted.shape:
        raise ValueError(f"truth and predictions must be of one length, got shapes {true.shape} and {predicted.shape}")
    if true.size == 0:
        raise ValueError("there are no predictions")
    for name, values in (("truth", true), ("predictions", predicted)):
        if values.dtype.kind == "f" and np.isnan(values).any():
            raise ValueError(f"{name} holds {int(np.isnan(values).sum())} NaN")
    classes, codes = np.unique(np.concatenate([true, predicted]), return_inverse=True)
    ours, theirs = codes[: true.size], codes[true.size :]
    hits = np.bincount(ours[ours == theirs], minlength=classes.size)
    return hits, np.bincount(ours, minlength=classes.size), np.bincount(theirs, minlength=classes.size)
