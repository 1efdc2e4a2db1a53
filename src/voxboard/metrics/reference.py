"""Detection metrics as the ancestors compute them, for comparison with their numbers; ours are in `detection`.

Their rule accepts a score only above the threshold, they never try accepting everything, and they divide in float32,
whose rounding decides which of two equally good thresholds is reported.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxboard.metrics import detection
from voxboard.metrics.ranked import Ranked, rank


def unipool_eer(scores: ArrayLike, labels: ArrayLike) -> tuple[float, float]:
    """(EER, threshold) of UniPool-SV's and SpeechBrain's `EER`: (FAR + FRR) / 2 at the first smallest |FAR − FRR|."""
    far, frr, thresholds = _rejecting(rank(scores, labels))
    best = int(np.abs(far - frr).argmin())
    return (float(far[best]) + float(frr[best])) / 2, float(thresholds[best])


def unipool_min_dcf(
    scores: ArrayLike, labels: ArrayLike, p_target: float = 0.01, c_miss: float = 1.0, c_fa: float = 1.0
) -> tuple[float, float]:
    """(minDCF, threshold) of UniPool-SV's and SpeechBrain's `minDCF`: not normalised, the first minimum."""
    far, frr, thresholds = _rejecting(rank(scores, labels))
    costs = c_miss * frr * np.float32(p_target) + c_fa * far * np.float32(1 - p_target)
    best = int(costs.argmin())
    return float(costs[best]), float(thresholds[best])


def unipool_far_frr(scores: ArrayLike, labels: ArrayLike, threshold: float) -> tuple[float, float]:
    """(FAR, FRR) when a score equal to the threshold is rejected."""
    ranked = rank(scores, labels)
    limit = np.float64(threshold)
    rejected = np.searchsorted(ranked.others, limit, side="right")
    missed = np.searchsorted(ranked.targets, limit, side="right")
    return float(1 - rejected / ranked.others.size), float(missed / ranked.targets.size)


def double_mha_eer(scores: ArrayLike, labels: ArrayLike) -> float:
    """The EER of Double-MHA's trainer, in percent: (FAR + FRR) / 2 at the last of 200 thresholds with FAR > FRR.

    The thresholds run from −1 to 0.99 in steps of 0.01, so that perfectly separated scores can get more than 0 %.
    """
    ranked = rank(scores, labels)
    far, frr = np.array([_at(ranked, step / 100 - 1) for step in range(200)]).T
    above = np.flatnonzero(far > frr)
    return float((far[above[-1]] + frr[above[-1]]) * 50) if above.size else float("nan")


def ge2e_eer(scores: ArrayLike, labels: ArrayLike) -> tuple[float, float]:
    """(EER, cutoff) of the GE2E reference: its EER is ours; the cutoff is the threshold with |FRR − FAR| smallest.

    Of all thresholds it sees the ROC's corners only, as scikit-learn's `roc_curve` leaves out points between two others
    in equal steps; a cutoff of inf rejects everything.
    """
    ranked = rank(scores, labels)
    distinct = ranked.distinct()[::-1]
    accepted = ranked.targets.size - np.searchsorted(ranked.targets, distinct, side="left")
    alarms = ranked.others.size - np.searchsorted(ranked.others, distinct, side="left")
    if distinct.size > 2:
        corner = np.r_[True, (np.diff(alarms, 2) != 0) | (np.diff(accepted, 2) != 0), True]
        distinct, accepted, alarms = distinct[corner], accepted[corner], alarms[corner]
    tpr, fpr = (np.r_[0.0, count / count[-1]] for count in (accepted, alarms))
    best = int(np.abs(tpr - (1.0 - fpr)).argmin())
    return detection.eer(scores, labels)[0], float(np.r_[np.inf, distinct][best])


def _at(ranked: Ranked, threshold: float) -> tuple[float, float]:
    missed, alarms = ranked.counts(np.float64(threshold))
    return alarms / ranked.others.size, missed / ranked.targets.size


def _rejecting(ranked: Ranked) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.floating]]:
    """(FAR, FRR, threshold) when each distinct score in turn is the highest that is rejected, ascending."""
    distinct = ranked.distinct()
    missed = np.searchsorted(ranked.targets, distinct, side="right")
    alarms = ranked.others.size - np.searchsorted(ranked.others, distinct, side="right")
    far = alarms.astype(np.float32) / np.float32(ranked.others.size)
    frr = missed.astype(np.float32) / np.float32(ranked.targets.size)
    return far, frr, distinct
