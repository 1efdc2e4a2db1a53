"""The detection metrics of one scored trial list, as it is and resampled, for intervals, differences and gaps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxboard.metrics.clusters import Clusters
from voxboard.metrics.detection import eer, far_frr, min_dcf, roc_convex_hull, weights
from voxboard.metrics.estimates import Estimate, Influence
from voxboard.metrics.ranked import Floats, Ranked, rank
from voxboard.metrics.resampled import Resampled

ENOUGH = 20_000  # scores of either class that tell the slope of the ROC


class _Point(NamedTuple):
    """A metric as a weighted sum of both error rates at a threshold: exact, or how it moves to first order."""

    frr: float  # weight of FRR
    far: float  # weight of FAR
    threshold: float


class TrialEstimates:
    """EER, `min_dcf_<p>` and, at a fixed threshold, `far`, `frr` and `half_total` of scores [n] between clusters."""

    def __init__(
        self,
        scores: Floats,
        targets: NDArray[np.bool_],
        clusters: Clusters,
        p_targets: Sequence[float],
        threshold: float | None,
    ) -> None:
        self.ranked = rank(scores, targets)
        self.scores, self.targets, self.clusters = scores, targets, clusters
        self.priors, self.threshold = list(p_targets), threshold
        self.costs = [weights(prior, 1.0, 1.0, True) for prior in self.priors]
        pairs = [(misses, alarms) for misses, alarms, _ in self.costs]
        self.resampled = Resampled(scores, targets, clusters, self.ranked, pairs, threshold)

    def estimates(self, replicates: int, seed: int, influence: bool = True) -> dict[str, Estimate]:
        """Every metric with its resamples and, unless only percentiles are wanted, its influence."""
        resampled = self.resamples(self.clusters.draws(replicates, seed))
        influences = self.influences() if influence else {}
        return {name: Estimate(value, resampled[name], influences.get(name)) for name, value in self.values().items()}

    def values(self) -> dict[str, float]:
        """The metrics of the list as it is."""
        found = {"eer": eer(self.ranked)[0]}
        for prior in self.priors:
            found[f"min_dcf_{prior:g}"] = min_dcf(self.ranked, None, prior)[0]
        if self.threshold is not None:
            far, frr = far_frr(self.ranked, None, self.threshold)
            found |= {"far": far, "frr": frr, "half_total": (far + frr) / 2}
        return found

    def resamples(self, draws: Iterable[NDArray[np.uint8]]) -> dict[str, NDArray[np.float64]]:
        """The same metrics of every resample, [replicates] each, from chunks of counts [clusters, r]."""
        table = np.concatenate([self.resampled.evaluate(counts) for counts in draws], axis=1)
        found = {"eer": table[0]}
        for row, (prior, (_, _, divisor)) in enumerate(zip(self.priors, self.costs, strict=True), start=1):
            found[f"min_dcf_{prior:g}"] = table[row] / divisor
        if self.threshold is not None:
            far, frr = table[-2], table[-1]
            found |= {"far": far, "frr": frr, "half_total": (far + frr) / 2}
        return found

    def influences(self) -> dict[str, Influence]:
        """How far every pair of speakers moves each metric, in O(n)."""
        sides = [(chosen, self._pairs(chosen)) for chosen in (self.targets, ~self.targets)]
        return {name: self._influence(point, sides) for name, point in self._points().items()}

    def _points(self) -> dict[str, _Point]:
        found = {"eer": _Point(*_slope(self.ranked), eer(self.ranked)[1])}
        for prior, (misses, alarms, divisor) in zip(self.priors, self.costs, strict=True):
            threshold = min_dcf(self.ranked, None, prior)[1]
            found[f"min_dcf_{prior:g}"] = _Point(misses / divisor, alarms / divisor, threshold)
        if self.threshold is not None:
            shares = {"far": (0.0, 1.0), "frr": (1.0, 0.0), "half_total": (0.5, 0.5)}
            found |= {name: _Point(*share, self.threshold) for name, share in shares.items()}
        return found

    def _influence(self, point: _Point, sides: Sequence[tuple[NDArray[np.bool_], Any]]) -> Influence:
        """Of a rate e / n with pair counts of errors E and of trials N: (E − e/n · N) / n."""
        accepted = self.scores >= np.float64(point.threshold)
        moves = []
        for weight, (chosen, trials), wrong in zip(point[:2], sides, (~accepted, accepted), strict=True):
            errors, total = self._pairs(chosen & wrong), trials.sum()
            moves.append(weight / total * (errors - errors.sum() / total * trials))
        return Influence(moves[0] + moves[1])

    def _pairs(self, chosen: NDArray[np.bool_]) -> Any:
        """How many of the chosen trials each pair of clusters has: a sparse upper triangle [S, S]."""
        from scipy.sparse import csr_array

        first, second = self.clusters.first[chosen], self.clusters.second[chosen]
        places = np.minimum(first, second), np.maximum(first, second)
        return csr_array((np.ones(first.size), places), shape=(self.clusters.size, self.clusters.size))


def _slope(ranked: Ranked) -> tuple[float, float]:
    """The weights of FRR and FAR in a small move of the EER: those of the cost whose optimum is the hull's segment at
    the crossing, as the EER of the hull is the highest of all minimal costs (Brümmer 2010)."""
    step = max(1, min(ranked.targets.size, ranked.others.size) // ENOUGH)
    hull = roc_convex_hull(Ranked(ranked.targets[::step], ranked.others[::step]))
    after = int(np.argmax(hull.frr >= hull.far))
    falls, rises = hull.far[after - 1] - hull.far[after], hull.frr[after] - hull.frr[after - 1]
    return float(falls / (falls + rises)), float(rises / (falls + rises))
