"""Exposure: how evenly trials use speakers, utterances and sessions, as a few numbers and a short histogram."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 12  # a histogram has no more lines


@dataclass(frozen=True)
class TrialExposure:
    """Over `count` members: the fewest, most and mean trials of one, and how many members have how many."""

    count: int
    least: int
    most: int
    mean: float
    histogram: Mapping[str, int]  # "7" or "8-15" trials → members

    @classmethod
    def of(cls, trials: NDArray[Any]) -> TrialExposure:
        """From the number of trials of every member."""
        if not trials.size:
            return cls(0, 0, 0, 0.0, {})
        least, most = int(trials.min()), int(trials.max())
        return cls(trials.size, least, most, round(float(trials.mean()), 3), _histogram(trials, least, most))


def _histogram(trials: NDArray[Any], least: int, most: int) -> dict[str, int]:
    values, members = np.unique(trials, return_counts=True)
    if values.size <= BINS:
        return {str(value): int(count) for value, count in zip(values, members, strict=True)}
    width = -(-(most - least + 1) // BINS)
    counts = np.bincount((trials - least) // width)
    names = [f"{start}-{min(start + width - 1, most)}" for start in range(least, most + 1, width)]
    return {name: int(count) for name, count in zip(names, counts, strict=True)}
