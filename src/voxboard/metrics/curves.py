"""Curves behind pictures of scores: DET, histograms and Bayes error rates, thinned to what a picture shows.

The points that are kept are exact operating points of the scores, up to the six digits that a record stores.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxboard.metrics.detection import eer, far_frr, min_dcf
from voxboard.metrics.ranked import Ranked, rank

P_TARGETS = (0.01, 0.05)  # priors whose minDCF a picture marks
LOG_ODDS = tuple(step / 4 for step in range(-28, 29))  # −7 … 7
_FEWEST = 16  # points, with room for all that are always kept
_TOLERANCE = 0.002  # probits; a DET plot is some 100 pixels per probit
_LEVELS = 4000  # ranks per class that are looked at before thinning
_HALF_WIDTH = 6.0  # probits; rates beyond are less than one in 10⁹

Counts = NDArray[np.int64]


class CurveFields(TypedDict):
    """The fields of `voxboard.records.Curves`, which says what each one is."""

    far: tuple[float, ...]
    frr: tuple[float, ...]
    edges: tuple[float, ...]
    targets: tuple[int, ...]
    non_targets: tuple[int, ...]
    log_odds: tuple[float, ...]
    actual: tuple[float, ...]
    minimum: tuple[float, ...]


def curves(
    scores: ArrayLike | Ranked,
    labels: ArrayLike | None = None,
    calibrated: ArrayLike | None = None,
    points: int = 200,
    bins: int = 60,
) -> CurveFields:
    """Everything a record keeps for pictures: `records.Curves(**curves(scores, labels, calibrated))`.

    Scores [n] and labels [n], or one `Ranked`; `calibrated` [n] are natural-log likelihood ratios of the same trials,
    without which the Bayes error plot is empty. At most `points` of the DET curve are kept. Raises `ValueError` as
    every detection metric does.
    """
    ranked = scores if isinstance(scores, Ranked) else rank(scores, () if labels is None else labels)
    far, frr = det_points(ranked, points)
    edges, targets, non_targets = histograms(ranked, bins)
    actual: tuple[float, ...] = ()
    minimum: tuple[float, ...] = ()
    if calibrated is not None:
        if labels is None:
            raise ValueError("labels are missing: calibrated scores need them too")
        actual, minimum = bayes_error(rank(calibrated, labels), LOG_ODDS)
    return CurveFields(
        far=far,
        frr=frr,
        edges=edges,
        targets=targets,
        non_targets=non_targets,
        log_odds=LOG_ODDS if actual else (),
        actual=actual,
        minimum=minimum,
    )


def det_points(ranked: Ranked, points: int = 200) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """FAR [k] ascending and FRR [k] descending of at most `points` operating points, from reject-all to accept-all.

    On probit axes (Martin et al. 1997) the line through them stays within 0.002 probits of the line through all
    operating points, or comes as close as `points` allow. Always kept: both ends, and the EER and the minDCF at
    priors 0.01 and 0.05 with their neighbours, so that these metrics can be read from the curve.
    """
    if points < _FEWEST:
        raise ValueError(f"points must be at least {_FEWEST}, got {points}")
    missed, alarms, corners = _operating_points(ranked)
    line = np.stack([_probits(alarms, ranked.others.size), _probits(missed, ranked.targets.size)], axis=1)
    chosen = _thinned(line, corners, points)[::-1]
    return _rounded(alarms[chosen] / ranked.others.size), _rounded(missed[chosen] / ranked.targets.size)


def histograms(ranked: Ranked, bins: int = 60) -> tuple[tuple[float, ...], tuple[int, ...], tuple[int, ...]]:
    """Edges [bins + 1] over all finite scores, and how many targets and non-targets [bins] lie between them.

    Infinite scores count in the outermost bins, so that the counts of a class sum up to its trials.
    """
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    sides = [side[np.isfinite(side)].astype(np.float64) for side in (ranked.targets, ranked.others)]
    finite = [float(end) for side in sides if side.size for end in (side[0], side[-1])] or [0.0]
    low, high = min(finite), max(finite)
    span = high - low
    if not np.isfinite(span):
        low, high = low / 2, high / 2
    elif span <= 1e-6 * max(abs(low), abs(high)) or span == 0:
        low, high = low - 0.5 - abs(low) / 1e5, high + 0.5 + abs(high) / 1e5
    edges = _rounded(np.linspace(low, high, bins + 1), digits=9)
    inner = np.array(edges[1:-1])
    below = [np.searchsorted(side, inner, side="left") for side in (ranked.targets, ranked.others)]
    ends = zip(below, (ranked.targets.size, ranked.others.size), strict=True)
    targets, others = (tuple(np.diff(inside, prepend=0, append=size).tolist()) for inside, size in ends)
    return edges, targets, others


def bayes_error(ranked: Ranked, log_odds: Sequence[float]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(actual [k], minimum [k]) normalised Bayes error rates of log-likelihood ratios at prior log-odds [k].

    The error rate is p · FRR + (1 − p) · FAR, with p the prior, divided by min(p, 1 − p): 1 is a system that ignores
    its input. Actual: at Bayes' threshold, −log-odds; minimum: at the best one (Brümmer & de Villiers 2013, §2.4).
    """
    odds = np.asarray(log_odds, np.float64)
    priors = 1 / (1 + np.exp(-odds))
    rates = np.array([far_frr(ranked, None, -point) for point in odds]).reshape(-1, 2)
    actual = (priors * rates[:, 1] + (1 - priors) * rates[:, 0]) / np.minimum(priors, 1 - priors)
    minimum, _ = min_dcf(ranked, None, priors.tolist())
    # Two ways to round may not make the best threshold worse than another one.
    return _rounded(actual), _rounded(np.minimum(minimum, actual))


def _operating_points(ranked: Ranked) -> tuple[Counts, Counts, NDArray[np.intp]]:
    """Misses and false alarms by rising threshold, dense on probit axes, and the places of those to keep."""
    wanted = [ranked.lowest]
    for threshold in (eer(ranked)[1], *min_dcf(ranked, None, list(P_TARGETS))[1]):
        wanted += _neighbours(ranked, np.float64(threshold))
    sampled = [side[_ranks(side.size)] for side in (ranked.targets, ranked.others)]
    missed, alarms = _counts(ranked, np.concatenate([np.array(wanted, ranked.targets.dtype), *sampled]))
    # Reject-all is an operating point even where a score is infinite.
    missed, alarms = np.append(missed, ranked.targets.size), np.append(alarms, 0)
    _, first, place = np.unique(missed - alarms, return_index=True, return_inverse=True)
    corners = np.unique(np.append(place[: len(wanted)], place[-1]))
    return missed[first], alarms[first], corners


def _neighbours(ranked: Ranked, threshold: np.float64) -> list[Any]:
    """The distinct scores that make the operating point of a threshold, the one before it and the one after it."""
    here = _first(ranked, threshold, "left")
    below = ranked.below(threshold)
    above = None if here is None else _first(ranked, here, "right")
    return [score for score in (below, here, above) if score is not None]


def _first(ranked: Ranked, score: Any, side: Any) -> Any | None:
    """The lowest score from (`left`) or beyond (`right`) another one; None when there is none."""
    places = [(scores, int(np.searchsorted(scores, score, side))) for scores in (ranked.targets, ranked.others)]
    return min((scores[place] for scores, place in places if place < scores.size), default=None)


def _ranks(size: int) -> NDArray[np.int64]:
    """Ranks of one class: all of few, else those whose rates lie evenly on a probit axis."""
    from scipy.special import ndtr

    if size <= _LEVELS:
        return np.arange(size)
    levels = ndtr(np.linspace(-_HALF_WIDTH, _HALF_WIDTH, _LEVELS))
    return np.unique(np.clip(np.rint(levels * size), 0, size - 1).astype(np.int64))


def _counts(ranked: Ranked, thresholds: NDArray[Any]) -> tuple[Counts, Counts]:
    missed = np.searchsorted(ranked.targets, thresholds, side="left")
    alarms = ranked.others.size - np.searchsorted(ranked.others, thresholds, side="left")
    return missed.astype(np.int64), alarms.astype(np.int64)


def _probits(counts: Counts, total: int) -> NDArray[np.float64]:
    """Position of a rate on a probit axis; half a trial stands in for none and for all."""
    from scipy.special import ndtri

    return np.asarray(ndtri(np.clip(counts, 0.5, total - 0.5) / total), np.float64)


def _thinned(line: NDArray[np.float64], corners: NDArray[np.intp], points: int) -> NDArray[np.intp]:
    """Places on a line [k, 2]: those kept, then always the one that lies farthest off (Douglas & Peucker 1973)."""
    chosen = [int(place) for place in corners]
    heap: list[tuple[float, int, int, int]] = []

    def split(start: int, end: int) -> None:
        farthest = _farthest(line, start, end)
        if farthest is not None and farthest[0] > _TOLERANCE:
            heapq.heappush(heap, (-farthest[0], farthest[1], start, end))

    for start, end in itertools.pairwise(chosen):
        split(start, end)
    while heap and len(chosen) < points:
        _, place, start, end = heapq.heappop(heap)
        chosen.append(place)
        split(start, place)
        split(place, end)
    return np.sort(np.array(chosen, np.intp))


def _farthest(line: NDArray[np.float64], start: int, end: int) -> tuple[float, int] | None:
    """(distance, place) of the point between two places that is farthest from the straight line between them."""
    if end - start < 2:
        return None
    inside, chord = line[start + 1 : end] - line[start], line[end] - line[start]
    length = float(np.hypot(*chord))
    off = np.abs(inside[:, 0] * chord[1] - inside[:, 1] * chord[0]) / length if length else np.hypot(*inside.T)
    place = int(np.argmax(off))
    return float(off[place]), start + 1 + place


def _rounded(values: Iterable[Any], digits: int = 6) -> tuple[float, ...]:
    """Significant digits: fewer bytes in a record, and the same ones on every machine."""
    return tuple(float(f"{value:.{digits}g}") for value in values)
