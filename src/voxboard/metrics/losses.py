"""Metrics that are a mean over the targets plus a mean over the non-targets, of what each trial costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxboard.metrics.detection import weights
from voxboard.metrics.ranked import Floats


class Loss(NamedTuple):
    """`targets` · (mean loss of targets) + `others` · (mean loss of non-targets)."""

    targets: float
    others: float
    losses: NDArray[Any]  # [n], boolean where a trial is right or wrong

    def value(self, targets: NDArray[np.bool_]) -> float:
        """The metric of all trials."""
        return float(self.targets * self.losses[targets].mean() + self.others * self.losses[~targets].mean())


def at_threshold(frr: float, far: float, scores: Floats, targets: NDArray[np.bool_], threshold: float) -> Loss:
    """`frr` · FRR + `far` · FAR at a threshold."""
    return Loss(frr, far, (scores >= np.float64(threshold)) != targets)


def calibrated(ratios: Floats, targets: NDArray[np.bool_], p_targets: Sequence[float]) -> dict[str, Loss]:
    """`cllr` and `act_dcf_<p>` of natural-log likelihood ratios [n]; see `detection` for what they are.

    Raises `ValueError` for ratios that are not finite: a certainty that is wrong has no finite cost.
    """
    if not np.isfinite(ratios).all():
        raise ValueError(f"{int((~np.isfinite(ratios)).sum())} calibrated scores are not finite")
    bits = np.logaddexp(0.0, np.where(targets, -1.0, 1.0) * ratios) / np.log(2)
    losses = {"cllr": Loss(0.5, 0.5, bits)}
    for prior in p_targets:
        misses, alarms, divisor = weights(prior, 1.0, 1.0, True)
        bayes = float(np.log(alarms / misses))
        losses[f"act_dcf_{prior:g}"] = at_threshold(misses / divisor, alarms / divisor, ratios, targets, bayes)
    return losses
