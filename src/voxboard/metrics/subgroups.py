"""Detection metrics per group of trials, and how far the worst and the best group are apart.

Groups are masks over one scored list: the trials between women, those that match in accent, those of short utterances.
They may overlap and need not cover the list. All groups see the same resamples of all speakers, so that in a gap what
two groups share cancels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxboard.metrics.clusters import Clusters
from voxboard.metrics.estimates import Estimate, Interval, Method, check_method
from voxboard.metrics.ranked import array, checked
from voxboard.metrics.trial_estimates import TrialEstimates

LEAST = 30  # targets, and non-targets, below which a group gets no number
LEAST_SPEAKERS = 3


@dataclass(frozen=True)
class Subgroup:
    """The numbers of one group; `values` is empty where `reason` says why."""

    trials: int
    targets: int
    clusters: int  # speakers in its trials
    values: Mapping[str, Interval] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class SubgroupGap:
    """Gap between the groups with the highest and the lowest value of a metric.

    The two are chosen by their values, so that the gap of many or small groups is larger than that of the population;
    `value.clusters` counts the speakers in either.
    """

    metric: str
    worst: str
    best: str
    value: Interval  # worst minus best


@dataclass(frozen=True)
class Subgroups:
    """Groups by name, in the order given, and the gap of every metric; no gaps where fewer than two have numbers."""

    groups: Mapping[str, Subgroup]
    gaps: Mapping[str, SubgroupGap]


@dataclass(frozen=True, eq=False)
class _Measured:
    """A group large enough for numbers."""

    speakers: NDArray[np.int32]
    estimates: Mapping[str, Estimate]


def detection(
    scores: ArrayLike,
    labels: ArrayLike,
    speakers_a: ArrayLike,
    speakers_b: ArrayLike,
    groups: Mapping[str, ArrayLike],
    *,
    p_targets: Sequence[float] = (0.01, 0.05),
    threshold: float | None = None,
    calibrated: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    replicates: int = 1000,
    level: float = 0.95,
    method: Method = "t",
    least: int = LEAST,
) -> Subgroups:
    """The metrics of `bootstrap.detection` in every group (a mask [n]), with intervals and gaps.

    A group with fewer than `least` targets or non-targets, or with fewer than three speakers, gets a reason instead of
    numbers. Raises `ValueError` where `bootstrap.detection` does, and for a mask of another length or type.
    """
    check_method(method)
    values, targets = checked(scores, labels)
    ratios = None if calibrated is None else checked(calibrated, labels)[0].astype(np.float64)
    clusters = Clusters.of(values.size, speakers_a, speakers_b, names)
    by_name: dict[str, Subgroup] = {}
    measured: dict[str, _Measured] = {}
    for name, mask in groups.items():
        rows = np.flatnonzero(_mask(name, mask, values.size))
        inside = clusters.among(rows)
        speakers = np.union1d(inside.first, inside.second)
        counts = rows.size, int(np.count_nonzero(targets[rows])), speakers.size
        reason = _too_small(*counts, least)
        if reason:
            by_name[name] = Subgroup(*counts, reason=reason)
            continue
        given = None if ratios is None else ratios[rows]
        trials = TrialEstimates(values[rows], targets[rows], inside, p_targets, threshold, given)
        estimates = trials.estimates(replicates, method != "percentile")
        measured[name] = _Measured(speakers, estimates)
        intervals = {metric: estimate.interval(speakers.size, level, method) for metric, estimate in estimates.items()}
        by_name[name] = Subgroup(*counts, values=intervals)
    return Subgroups(by_name, _gaps(measured, level, method))


def _mask(name: str, mask: ArrayLike, size: int) -> NDArray[np.bool_]:
    inside = array(mask)
    if inside.dtype != np.bool_ or inside.shape != (size,):
        raise ValueError(
            f"group {name!r} must be a mask of {size} booleans, got {inside.dtype} of shape {inside.shape}"
        )
    return inside


def _too_small(trials: int, targets: int, speakers: int, least: int) -> str:
    """Reason why a group gets no number; empty when it gets one."""
    for count, what in ((targets, "target"), (trials - targets, "non-target")):
        if count < max(least, 1):
            return f"{count or 'no'} {what}{'' if count == 1 else 's'}, fewer than {max(least, 1)}"
    if speakers < LEAST_SPEAKERS:
        return f"{speakers} speaker{'' if speakers == 1 else 's'}, fewer than {LEAST_SPEAKERS}"
    return ""


def _gaps(measured: Mapping[str, _Measured], level: float, method: Method) -> dict[str, SubgroupGap]:
    if len(measured) < 2:
        return {}
    gaps = {}
    for metric in next(iter(measured.values())).estimates:
        ordered = sorted(measured, key=lambda name: measured[name].estimates[metric].value)
        best, worst = measured[ordered[0]], measured[ordered[-1]]
        speakers = np.union1d(worst.speakers, best.speakers).size
        difference = worst.estimates[metric] - best.estimates[metric]
        gaps[metric] = SubgroupGap(metric, ordered[-1], ordered[0], difference.interval(speakers, level, method))
    return gaps
