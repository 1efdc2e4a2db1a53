"""Confidence intervals that know who spoke: whole speakers are resampled, never single trials.

Trials of one speaker rise and fall together: an interval over independent trials is far too narrow. Here a resample
draws S of the S speakers with replacement; a speaker drawn c times counts c. A trial between two speakers weighs the
product of their counts. A trial of a speaker with itself weighs c, not c²: c copies of a speaker bring their own target
trials each, while one copy against another is no trial of the list's design (c² makes the intervals of FRR cover far
too often, see tests/metrics/test_bootstrap.py).

A resample without targets or without non-targets has no error rate: it is left out, and `Interval.replicates` says how
many remain. The bounds are NaN when half of the resamples fall away, and with fewer than three clusters: all that a
resample of two can change is to drop one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxboard.metrics.clusters import Clusters
from voxboard.metrics.detection import eer, far_frr, min_dcf, weights
from voxboard.metrics.ranked import Floats, array, checked, rank
from voxboard.metrics.resampled import Resampled

Method = Literal["percentile", "bca"]


@dataclass(frozen=True)
class Interval:
    """A value, its confidence interval, and what stands behind it."""

    value: float
    low: float
    high: float
    level: float = 0.95
    clusters: int = 0  # how many speakers (or sessions) there are to resample
    replicates: int = 0  # resamples that have a value
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

    Scores, labels and the speakers of either side: [n] each; speakers are names or integers. Equal to computing each
    metric on every resampled list, in O(n log n + n · replicates) byte operations and O(n) memory. Raises
    `ValueError` where `detection.rank` does, and when speakers are missing.
    """
    values, targets = checked(scores, labels)
    clusters = Clusters.of(values.size, speakers_a, speakers_b)
    trials = _Trials(values, targets, clusters, p_targets, threshold)
    estimates = trials.estimates(clusters.draws(replicates, seed))
    left_out = trials.estimates(clusters.leave_one_out()) if method == "bca" else {}
    return {
        name: bounds(value, estimates[name], clusters.size, level, method, left_out.get(name))
        for name, value in trials.values().items()
    }


def difference(
    scores: ArrayLike,
    others: ArrayLike,
    labels: ArrayLike,
    speakers_a: ArrayLike,
    speakers_b: ArrayLike,
    *,
    p_targets: Sequence[float] = (0.01, 0.05),
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Intervals of how far `scores` minus `others` are apart in `eer` and `min_dcf_<p>`: two systems, the same trials.

    Both systems see the same resamples, so that what they share cancels. Arguments as in `detection`.
    """
    sides = []
    for system in (scores, others):
        values, targets = checked(system, labels)
        clusters = Clusters.of(values.size, speakers_a, speakers_b)
        trials = _Trials(values, targets, clusters, p_targets, None)
        sides.append((trials.values(), trials.estimates(clusters.draws(replicates, seed))))
    (ours, resampled), (theirs, resampled_theirs) = sides
    return {
        name: bounds(ours[name] - theirs[name], resampled[name] - resampled_theirs[name], clusters.size, level)
        for name in ours
    }


def interval(
    statistic: Callable[..., float],
    *data: ArrayLike,
    clusters: ArrayLike,
    partners: ArrayLike | None = None,
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    method: Method = "percentile",
) -> Interval:
    """The interval of any statistic of arrays [n, …]: rows repeated by how often their cluster is drawn.

    `clusters` [n] are the speakers (or sessions) of the rows, `partners` [n] those of the other side of a pair. A
    resample for which the statistic raises `ValueError` is left out.
    """
    arrays = [array(values) for values in data]
    grouped = Clusters.of(len(arrays[0]), clusters, partners)

    def estimates(draws: Iterable[NDArray[np.uint8]]) -> NDArray[np.float64]:
        found = []
        for counts in draws:
            for column in counts.T:
                rows = np.repeat(np.arange(len(arrays[0])), grouped.weights(column))
                try:
                    found.append(float(statistic(*(values[rows] for values in arrays))))
                except ValueError:
                    found.append(np.nan)
        return np.array(found)

    return bounds(
        float(statistic(*arrays)),
        estimates(grouped.draws(replicates, seed)),
        grouped.size,
        level,
        method,
        estimates(grouped.leave_one_out()) if method == "bca" else None,
    )


def bounds(
    value: float,
    estimates: NDArray[np.float64],
    clusters: int,
    level: float = 0.95,
    method: Method = "percentile",
    left_out: NDArray[np.float64] | None = None,
) -> Interval:
    """The interval that resampled estimates [r] give; `left_out` [clusters] are BCa's jackknife values.

    BCa: Efron 1987, bias from the share of estimates below the value, acceleration from the jackknife.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    if method not in ("percentile", "bca"):
        raise ValueError(f"method must be percentile or bca, got {method!r}")
    kept = estimates[~np.isnan(estimates)]
    if clusters < 3 or 2 * kept.size <= estimates.size:
        return Interval(value, float("nan"), float("nan"), level, clusters, int(kept.size), method)
    quantiles = np.array([(1 - level) / 2, (1 + level) / 2])
    if method == "bca" and left_out is not None:
        quantiles = _bca(quantiles, value, kept, left_out[~np.isnan(left_out)])
    low, high = np.quantile(kept, quantiles)
    return Interval(value, float(low), float(high), level, clusters, int(kept.size), method)


def _bca(
    quantiles: NDArray[np.float64], value: float, estimates: NDArray[np.float64], left_out: NDArray[np.float64]
) -> NDArray[np.float64]:
    from scipy.special import ndtr, ndtri

    below = (np.count_nonzero(estimates < value) + np.count_nonzero(estimates == value) / 2) / estimates.size
    bias = ndtri(np.clip(below, 0.5 / estimates.size, 1 - 0.5 / estimates.size))
    spread = left_out.mean() - left_out
    scale = float(np.sum(spread**2)) ** 1.5
    acceleration = float(np.sum(spread**3)) / (6 * scale) if scale > 0 else 0.0
    shifted = bias + ndtri(quantiles)
    return np.asarray(ndtr(bias + shifted / (1 - acceleration * shifted)))


class _Trials:
    """The metrics of one scored trial list, as it is and resampled."""

    def __init__(
        self,
        scores: Floats,
        targets: NDArray[np.bool_],
        clusters: Clusters,
        p_targets: Sequence[float],
        threshold: float | None,
    ) -> None:
        self.ranked = rank(scores, targets)
        self.priors, self.threshold = list(p_targets), threshold
        self.costs = [weights(prior, 1.0, 1.0, True) for prior in self.priors]
        pairs = [(misses, alarms) for misses, alarms, _ in self.costs]
        self.resampled = Resampled(scores, targets, clusters, self.ranked, pairs, threshold)

    def values(self) -> dict[str, float]:
        """The metrics of the list as it is."""
        found = {"eer": eer(self.ranked)[0]}
        for prior in self.priors:
            found[f"min_dcf_{prior:g}"] = min_dcf(self.ranked, None, prior)[0]
        if self.threshold is not None:
            far, frr = far_frr(self.ranked, None, self.threshold)
            found |= {"far": far, "frr": frr, "half_total": (far + frr) / 2}
        return found

    def estimates(self, draws: Iterable[NDArray[np.uint8]]) -> dict[str, NDArray[np.float64]]:
        """The same metrics of every resample, [replicates] each, from chunks of counts [clusters, r]."""
        table = np.concatenate([self.resampled.evaluate(counts) for counts in draws], axis=1)
        found = {"eer": table[0]}
        for row, (prior, (_, _, divisor)) in enumerate(zip(self.priors, self.costs, strict=True), start=1):
            found[f"min_dcf_{prior:g}"] = table[row] / divisor
        if self.threshold is not None:
            far, frr = table[-2], table[-1]
            found |= {"far": far, "frr": frr, "half_total": (far + frr) / 2}
        return found
