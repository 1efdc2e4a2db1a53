"""Detection metrics: how well a score tells targets from non-targets.

Conventions: label 1 is a target; a score equal to the threshold is accepted; equal scores move together; ±inf are
legal; NaN, an empty input, differing lengths or a missing class raise `ValueError`. Every function takes scores [n]
and labels [n], or one `Ranked` made by `rank` when several metrics are asked of the same scores. A threshold that is
returned realises its operating point on these scores under the rule above, also where the reference's rule differs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxboard.metrics.ranked import Floats, Ranked, between, checked, just_above, rank

Method = Literal["interpolated", "rocch", "nearest"]
Scores = ArrayLike | Ranked

__all__ = [
    "Curve", "Ranked", "act_dcf", "cllr", "det_curve", "eer", "far_frr", "min_cllr", "min_dcf", "rank",
    "roc_convex_hull",
]  # fmt: skip


class Curve(NamedTuple):
    """Operating points from accept-all to reject-all: FAR [k] falls, FRR [k] rises, thresholds [k] rise."""

    far: NDArray[np.float64]
    frr: NDArray[np.float64]
    thresholds: NDArray[np.float64]


def eer(scores: Scores, labels: ArrayLike | None = None, method: Method = "interpolated") -> tuple[float, float]:
    """The equal error rate, a fraction, and a threshold at it.

    `interpolated`: where FAR and FRR cross on the ROC of all distinct thresholds, between the two neighbouring
    operating points. `rocch`: the same on the ROC's convex hull. `nearest`: (FAR + FRR) / 2 where they are closest
    among the thresholds that reject at least the lowest score, as SpeechBrain and UniPool-SV compute it.
    The threshold is that of the neighbouring point where FAR and FRR are closer.
    """
    ranked = _ranked(scores, labels)
    if method == "interpolated":
        return _eer_interpolated(ranked)
    if method == "rocch":
        return _eer_hull(ranked)
    if method == "nearest":
        return _eer_nearest(ranked)
    raise ValueError(f"method must be interpolated, rocch or nearest, got {method!r}")


@overload
def min_dcf(
    scores: Scores, labels: ArrayLike | None = None, p_target: float = 0.01, c_miss: float = 1.0,
    c_fa: float = 1.0, normalized: bool = True,
) -> tuple[float, float]: ...  # fmt: skip
@overload
def min_dcf(
    scores: Scores, labels: ArrayLike | None, p_target: Sequence[float], c_miss: float = 1.0,
    c_fa: float = 1.0, normalized: bool = True,
) -> tuple[list[float], list[float]]: ...  # fmt: skip
def min_dcf(
    scores: Scores,
    labels: ArrayLike | None = None,
    p_target: float | Sequence[float] = 0.01,
    c_miss: float = 1.0,
    c_fa: float = 1.0,
    normalized: bool = True,
) -> tuple[float, float] | tuple[list[float], list[float]]:
    """The lowest detection cost over all thresholds, and the strictest threshold that reaches it.

    Cost = c_miss · p · FRR + c_fa · (1 − p) · FAR; `normalized` divides by min(c_miss · p, c_fa · (1 − p)), the cost
    of a system that ignores its input (NIST). A list of priors gives a list of costs and one of thresholds.
    """
    ranked = _ranked(scores, labels)
    if not isinstance(p_target, Iterable):
        return _min_dcf(ranked, float(p_target), c_miss, c_fa, normalized)
    costs = [_min_dcf(ranked, float(prior), c_miss, c_fa, normalized) for prior in p_target]
    return [cost for cost, _ in costs], [threshold for _, threshold in costs]


def act_dcf(
    scores: Scores,
    labels: ArrayLike | None = None,
    p_target: float = 0.01,
    c_miss: float = 1.0,
    c_fa: float = 1.0,
    normalized: bool = True,
) -> float:
    """The cost of deciding at Bayes' threshold log(c_fa (1 − p) / (c_miss p)), scores being ln likelihood ratios."""
    misses, alarms, cost = weights(p_target, c_miss, c_fa, normalized)
    far, frr = far_frr(scores, labels, float(np.log(alarms / misses)))
    return (misses * frr + alarms * far) / cost


def far_frr(scores: Scores, labels: ArrayLike | None, threshold: float) -> tuple[float, float]:
    """(FAR, FRR) at a threshold: the shares of non-targets accepted and of targets rejected."""
    limit = np.float64(threshold)  # not a Python float: float32 scores must not round it
    if np.isnan(limit):
        raise ValueError("the threshold is NaN")
    if isinstance(scores, Ranked):
        missed, alarms = scores.counts(limit)
        return alarms / scores.others.size, missed / scores.targets.size
    values, targets = checked(scores, () if labels is None else labels)
    if np.isnan(values).any():
        rank(values, targets)  # raises, and says where
    accepted = values >= limit
    positive = int(np.count_nonzero(targets))
    hits = int(np.count_nonzero(accepted & targets))
    alarms = int(np.count_nonzero(accepted)) - hits
    return alarms / (values.size - positive), (positive - hits) / positive


def det_curve(scores: Scores, labels: ArrayLike | None = None) -> Curve:
    """The operating point of every distinct threshold, and reject-all at +inf: k = distinct scores + 1."""
    ranked = _ranked(scores, labels)
    return _curve(ranked, *_points(ranked))


def roc_convex_hull(scores: Scores, labels: ArrayLike | None = None) -> Curve:
    """The vertices of the ROC's convex hull: the points that some prior makes optimal (pool adjacent violators)."""
    ranked = _ranked(scores, labels)
    missed, alarms, thresholds = _points(ranked)
    hull = _hull(missed, alarms)
    return _curve(ranked, missed[hull], alarms[hull], thresholds[hull])


def cllr(scores: Scores, labels: ArrayLike | None = None) -> float:
    """The cost of log likelihood ratios in bits (Brümmer & du Preez 2006): 0 perfect, 1 as good as not looking."""
    ranked = _ranked(scores, labels)
    misses = np.logaddexp(0.0, -ranked.targets.astype(np.float64)).mean()
    alarms = np.logaddexp(0.0, ranked.others.astype(np.float64)).mean()
    return float((misses + alarms) / (2 * np.log(2)))


def min_cllr(scores: Scores, labels: ArrayLike | None = None) -> float:
    """Cllr after the best monotone calibration of these very scores (pool adjacent violators), in bits."""
    ranked = _ranked(scores, labels)
    missed, alarms, _ = _points(ranked)
    hull = _hull(missed, alarms)
    targets, others = np.diff(missed[hull]), -np.diff(alarms[hull])
    positive, negative = ranked.targets.size, ranked.others.size
    with np.errstate(divide="ignore"):
        llr = np.log(targets / positive) - np.log(others / negative)
    # A pure block has an infinite ratio and costs its own class nothing; the other class is not in it.
    cost = _weighted(targets, np.logaddexp(0.0, -llr)) / positive + _weighted(others, np.logaddexp(0.0, llr)) / negative
    return float(cost / (2 * np.log(2)))


def weights(p_target: float, c_miss: float, c_fa: float, normalized: bool) -> tuple[float, float, float]:
    """(weight of FRR, weight of FAR, divisor) of a detection cost; raises `ValueError` when they make no sense."""
    if not 0.0 < p_target < 1.0:
        raise ValueError(f"p_target must lie between 0 and 1, got {p_target}")
    if not (c_miss > 0.0 and c_fa > 0.0):
        raise ValueError(f"costs must be positive, got c_miss={c_miss}, c_fa={c_fa}")
    misses, alarms = c_miss * p_target, c_fa * (1.0 - p_target)
    return misses, alarms, min(misses, alarms) if normalized else 1.0


def _ranked(scores: Scores, labels: ArrayLike | None) -> Ranked:
    if isinstance(scores, Ranked):
        return scores
    if labels is None:
        raise ValueError("labels are missing")
    return rank(scores, labels)


def _crossing(missed: int, alarms: int, missed_next: int, alarms_next: int, positive: int, negative: int) -> float:
    """Rate at which FAR = FRR between two operating points, given as counts; exact integers up to the last division."""
    before = alarms * positive - missed * negative
    after = missed_next * negative - alarms_next * positive
    share = before / (before + after)
    return (missed + share * (missed_next - missed)) / positive


def _lowest_score(ranked: Ranked, condition: Callable[[Any], bool]) -> Any | None:
    """The lowest score for which a condition holds that holds for all higher ones; None when it holds for none."""
    positions = []
    for side in (ranked.targets, ranked.others):
        index = bisect_left(side, True, key=condition)
        if index < side.size:
            positions.append(side[index])
    return min(positions) if positions else None


def _eer_interpolated(ranked: Ranked) -> tuple[float, float]:
    positive, negative = ranked.targets.size, ranked.others.size

    def crossed(score: Any) -> bool:
        missed, alarms = ranked.counts(score)
        return missed * negative >= alarms * positive

    # FRR − FAR rises with the threshold: the lowest score where FRR ≥ FAR, whichever class it is of.
    upper = _lowest_score(ranked, crossed)  # None: only reject-all crosses
    lower = ranked.highest if upper is None else ranked.below(upper)
    missed, alarms = ranked.counts(lower)
    missed_next, alarms_next = (positive, 0) if upper is None else ranked.counts(upper)
    value = _crossing(missed, alarms, missed_next, alarms_next, positive, negative)
    before = alarms * positive - missed * negative
    after = missed_next * negative - alarms_next * positive
    if before < after:
        return value, between(ranked.below(lower), lower)
    return value, between(lower, upper)


def _eer_nearest(ranked: Ranked) -> tuple[float, float]:
    positive, negative = ranked.targets.size, ranked.others.size

    def rejecting(score: Any) -> tuple[int, int]:
        missed = int(np.searchsorted(ranked.targets, score, side="right"))
        return missed, negative - int(np.searchsorted(ranked.others, score, side="right"))

    def gap(score: Any) -> int:
        missed, alarms = rejecting(score)
        return missed * negative - alarms * positive

    highest = _lowest_score(ranked, lambda score: gap(score) >= 0)  # exists: rejecting the highest rejects all
    previous = ranked.below(highest)
    if previous is not None and -gap(previous) <= gap(highest):
        highest = previous
    missed, alarms = rejecting(highest)
    return (alarms / negative + missed / positive) / 2, just_above(highest)


def _eer_hull(ranked: Ranked) -> tuple[float, float]:
    missed, alarms, thresholds = _points(ranked)
    hull = _hull(missed, alarms)
    missed, alarms, thresholds = missed[hull], alarms[hull], thresholds[hull]
    positive, negative = ranked.targets.size, ranked.others.size
    gaps = missed * negative - alarms * positive
    after = int(np.searchsorted(gaps, 0, side="left"))
    before = after - 1
    ends = int(missed[before]), int(alarms[before]), int(missed[after]), int(alarms[after])
    chosen = before if -gaps[before] < gaps[after] else after
    upper = None if chosen == gaps.size - 1 else thresholds[chosen]
    lower = ranked.highest if upper is None else ranked.below(upper)
    return _crossing(*ends, positive, negative), between(lower, upper)


def _min_dcf(ranked: Ranked, p_target: float, c_miss: float, c_fa: float, normalized: bool) -> tuple[float, float]:
    miss_weight, alarm_weight, divisor = weights(p_target, c_miss, c_fa, normalized)
    targets, others = ranked.targets, ranked.others
    positive, negative = targets.size, others.size

    def cost(indices: NDArray[np.int64]) -> NDArray[np.float64]:
        """Cost of accepting from the i-th target on (i = P: none). Inside a tie it errs upwards, past its first."""
        rejected = np.searchsorted(others, targets[np.minimum(indices, positive - 1)], side="left")
        alarms = np.where(indices < positive, negative - rejected, 0)
        return miss_weight * (indices / positive) + alarm_weight * (alarms / negative)

    # Only a target's score (or reject-all) can be optimal: between two targets, fewer alarms cost no miss. Blocks
    # whose best conceivable cost (misses of their start, alarms of their end) is beaten are never opened.
    step = max(1, round(positive**0.5))
    edges = np.append(np.arange(0, positive, step), positive)
    at_edges = cost(edges)
    bound = at_edges[1:] - miss_weight * (np.diff(edges) / positive) - 1e-12 * alarm_weight
    opened = np.flatnonzero(bound <= at_edges.min())
    inside = (edges[opened][:, None] + np.arange(step)).ravel()
    candidates = np.append(inside[inside < positive], positive)
    costs = cost(candidates)
    # Of equally good thresholds the strictest; the tolerance is rounding only.
    lowest = float(costs.min())
    first = int(candidates[np.flatnonzero(costs <= lowest * (1 + 1e-12))[-1]])
    rejected = ranked.highest if first == positive else ranked.below(targets[first])
    return lowest / divisor, float(ranked.lowest) if rejected is None else just_above(rejected)


def _points(ranked: Ranked) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """(targets below, non-targets at or above, threshold) of every distinct threshold and of reject-all (+inf)."""
    distinct = ranked.distinct()
    missed = np.append(np.searchsorted(ranked.targets, distinct, side="left"), ranked.targets.size)
    rejected = np.append(np.searchsorted(ranked.others, distinct, side="left"), ranked.others.size)
    return missed, ranked.others.size - rejected, np.append(distinct, np.inf).astype(np.float64)


def _curve(ranked: Ranked, missed: NDArray[np.int64], alarms: NDArray[np.int64], thresholds: Floats) -> Curve:
    return Curve(alarms / ranked.others.size, missed / ranked.targets.size, thresholds.astype(np.float64))


def _hull(missed: NDArray[np.int64], alarms: NDArray[np.int64]) -> NDArray[np.intp]:
    """Indices of the operating points on the convex hull, accept-all and reject-all included."""
    from scipy.optimize import isotonic_regression

    targets, others = np.diff(missed), -np.diff(alarms)
    blocks = isotonic_regression(targets / (targets + others), weights=targets + others).blocks
    return np.asarray(blocks, dtype=np.intp)


def _weighted(counts: NDArray[np.int64], costs: NDArray[np.float64]) -> float:
    return float(np.sum(counts * np.where(counts > 0, costs, 0.0)))
