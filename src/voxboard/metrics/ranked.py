"""Scores with labels, checked and sorted: the form that every detection metric works on.

Targets and non-targets are sorted apart, so that no label has to travel with a score and ties need no care: all a
metric asks is how many of either class lie below a threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.floating[Any]]
# Scores that are divided into targets and non-targets at a time: few enough to stay in the cache.
CHUNK = 1 << 16


@dataclass(frozen=True, eq=False)
class Ranked:
    """Scores of targets [P] and of non-targets [N], each ascending, both of one float type."""

    targets: Floats
    others: Floats

    def counts(self, threshold: Any) -> tuple[int, int]:
        """(targets below, non-targets at or above) a threshold: the misses and false alarms when it decides."""
        missed = int(np.searchsorted(self.targets, threshold, side="left"))
        alarms = self.others.size - int(np.searchsorted(self.others, threshold, side="left"))
        return missed, alarms

    def below(self, threshold: Any) -> Any | None:
        """The highest score under a threshold, None when there is none."""
        problems = [
            side[end - 1]
            for side in (self.targets, self.others)
            if (end := int(np.searchsorted(side, threshold, side="left"))) > 0
        ]
        return max(problems) if problems else None

    @property
    def lowest(self) -> Any:
        return min(self.targets[0], self.others[0])

    @property
    def highest(self) -> Any:
        return max(self.targets[-1], self.others[-1])

    def distinct(self) -> Floats:
        """Every score once, ascending."""
        return np.unique(np.concatenate([self.targets, self.others]))


def rank(scores: ArrayLike, labels: ArrayLike) -> Ranked:
    """Check scores [n] and labels [n] (1 or True = target) and sorts them by class.

    Any float or integer type, NumPy or torch; ±inf are scores like any other. Raises `ValueError` when a score is
    NaN, a label is not 0 or 1, the lengths differ, or a class is missing.
    """
    values, targets = checked(scores, labels)
    ranked = Ranked(*_divided(values, targets))
    ranked.targets.sort()
    ranked.others.sort()
    # NaN sorts to the end, so that looking there is enough.
    if np.isnan(ranked.targets[-1]) or np.isnan(ranked.others[-1]):
        bad = np.flatnonzero(np.isnan(values))
        raise ValueError(f"{bad.size} of {values.size} scores are NaN, the first at index {bad[0]}")
    return ranked


def _divided(values: Floats, targets: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """New arrays of the targets' and the non-targets' scores, by places in short pieces: half the time of masks."""
    positive = int(np.count_nonzero(targets))
    sides = np.empty(positive, values.dtype), np.empty(values.size - positive, values.dtype)
    ends = [0, 0]
    for start in range(0, values.size, CHUNK):
        piece, chosen = values[start : start + CHUNK], targets[start : start + CHUNK]
        for side, mask in enumerate((chosen, ~chosen)):
            places = np.flatnonzero(mask)
            sides[side][ends[side] : ends[side] + places.size] = piece[places]
            ends[side] += places.size
    return sides


def checked(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    """Scores as floats [n] and labels as a target mask [n]; raises `ValueError` like `rank`, but lets NaN pass."""
    values = as_floats(scores, "scores")
    given = array(labels)
    if given.ndim != 1:
        raise ValueError(f"labels must have one dimension, got shape {given.shape}")
    if values.size != given.size:
        raise ValueError(f"{values.size} scores but {given.size} labels")
    if values.size == 0:
        raise ValueError("there are no scores")
    targets = given if given.dtype == np.bool_ else given == 1
    positive = int(np.count_nonzero(targets))
    if given.dtype != np.bool_ and positive + int(np.count_nonzero(given == 0)) != given.size:
        wrong = given[(given != 0) & (given != 1)]
        raise ValueError(f"labels must be 1 (target) or 0 (non-target), got {wrong[0]!r}")
    if positive in (0, given.size):
        missing = "target (label 1)" if positive == 0 else "non-target (label 0)"
        raise ValueError(f"there is no {missing} among the {given.size} trials")
    return values, targets


def as_floats(values: ArrayLike, name: str) -> Floats:
    """A one-dimensional float array: float32, float64 and wider stay what they are, everything else is float64."""
    numbers = array(values)
    if numbers.ndim != 1:
        raise ValueError(f"{name} must have one dimension, got shape {numbers.shape}")
    if numbers.dtype in (np.float32, np.float64, np.longdouble):
        return numbers
    if numbers.dtype.kind not in "biufO":  # text, dates, complex numbers: NumPy would convert some of them
        raise ValueError(f"{name} must be numbers, got {numbers.dtype}")
    try:
        return numbers.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers, got {numbers.dtype}: {error}") from None


def array(values: ArrayLike) -> NDArray[Any]:
    """A NumPy array of whatever holds numbers, torch tensors of any type, device and gradient included."""
    if hasattr(values, "detach"):  # a tensor, without importing torch
        tensor = values.detach().cpu()
        try:
            return np.asarray(tensor)
        except TypeError:  # NumPy has no bfloat16
            return np.asarray(tensor.float())
    return np.asarray(values)


def just_above(score: Any) -> float:
    """The lowest threshold that rejects a score. Nothing rejects +inf, as a score equal to the threshold passes."""
    return float(np.nextafter(np.float64(score), np.inf))


def between(lower: Any | None, upper: Any | None) -> float:
    """A threshold that rejects `lower` and accepts `upper`, halfway where that is finite; None is no such score."""
    if upper is None:
        return just_above(lower)
    low, high = (-np.inf if lower is None else float(lower)), float(upper)
    if np.isfinite(low) and np.isfinite(high):
        middle = low + (high - low) / 2
        return middle if low < middle <= high else high
    if np.isfinite(low):
        return just_above(low)
    return 0.0 if high == np.inf and lower is not None else high
