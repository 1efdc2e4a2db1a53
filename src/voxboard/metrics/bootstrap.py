"""Confidence intervals that know who spoke: whole speakers are resampled, never single trials.

Trials of one speaker rise and fall together, so that an interval over independent trials is far too narrow. Here a
resample draws S of the S speakers with replacement; a speaker drawn c times weighs c. A trial between two speakers
weighs the product of their counts; a trial of one speaker with itself weighs c, not c²: c copies of a speaker have
their own target trials each, while one copy against another is no trial that the list's design knows (c² widens the
intervals of FRR by two thirds and makes them cover too much; measured in tests/metrics/test_bootstrap.py).

A resample without targets or without non-targets has no error rate: it is left out, and `Interval.replicates` says how
many remain. With fewer than two speakers, or when more than half of the resamples fall away, the bounds are NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxboard.metrics.detection import eer, far_frr, min_dcf, weights
from voxboard.metrics.ranked import array, checked, rank

Method = Literal["percentile", "bca"]
# Counts of this many bytes are drawn and summed at a time: memory stays bounded by the trials, not by replicates.
CHUNK_BYTES = 32 * 2**20


@dataclass(frozen=True)
class Interval:
    """A value, its confidence interval, and what stands behind it."""

    value: float
    low: float
    high: float
    level: float = 0.95
    clusters: int = 0  # speakers that were resampled
    replicates: int = 0  # resamples that had a value
    method: str = "percentile"


def detection(
    scores: ArrayLike,
    labels: ArrayLike,
    speakers_a: ArrayLike,
    speakers_b: ArrayLike,
    *,
    p_targets: Sequence[float] = (0.01, 0.05),
    threshold: float | None = None,
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    method: Method = "percentile",
) -> dict[str, Interval]:
    """Intervals of `eer`, `min_dcf_<p>` and, at a fixed threshold, `far`, `frr`, `half_total`, on the same resamples.

    Scores, labels and the speakers of either side: [n] each; speakers may be names or integers (faster).
    Cost O(n log n + n · replicates) with a very small constant, memory O(n). Raises `ValueError` like `rank`.
    """
    values, targets = checked(scores, labels)
    ranked = rank(values, targets)
    names = ["eer", *(f"min_dcf_{prior:g}" for prior in p_targets)]
    found = [eer(ranked)[0], *min_dcf(ranked, None, list(p_targets))[0]]
    if threshold is not None:
        far, frr = far_frr(ranked, None, threshold)
        names += ["far", "frr", "half_total"]
        found += [far, frr, (far + frr) / 2]
    clusters = Clusters.of(speakers_a, speakers_b, size=values.size)
    resampled = _Resampled(values, targets, clusters, p_targets, threshold)
    estimates = resampled.estimates(clusters.draws(replicates, seed))
    left_out = resampled.estimates(clusters.leave_one_out()) if method == "bca" else None
    return {
        name: bounds(
            value, estimates[:, k], level, clusters.size, None if left_out is None else left_out[:, k]
        )
        for k, (name, value) in enumerate(zip(names, found, strict=True))
    }
