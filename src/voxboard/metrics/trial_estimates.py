"""The detection metrics of one scored trial list, as it is and resampled, for intervals, differences and gaps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxboard.metrics import bounds, losses
from voxboard.metrics.bounds import Bounds
from voxboard.metrics.clusters import Clusters, totals
from voxboard.metrics.detection import eer, far_frr, min_dcf, roc_convex_hull, weights
from voxboard.metrics.estimates import Estimate, Influence, Scale
from voxboard.metrics.losses import Loss, at_threshold
from voxboard.metrics.ranked import Floats, Ranked, rank
from voxboard.metrics.resampled import Resampled

Sums = list[tuple[float, Any]]  # per class its weight, and what each pair of clusters adds up to
ENOUGH = 20_000  # scores of either class that tell the slope of the ROC


class TrialEstimates:
    """The metrics of scores [n] between clusters, by short names.

    `eer` and `min_dcf_<p>`; at a fixed threshold `far`, `frr` and `half_total`; of `calibrated` log-likelihood ratios
    [n] of the same trials `cllr` and `act_dcf_<p>`.
    """

    def __init__(
        self,
        scores: Floats,
        targets: NDArray[np.bool_],
        clusters: Clusters,
        p_targets: Sequence[float],
        threshold: float | None,
        calibrated: Floats | None = None,
    ) -> None:
        self.ranked = rank(scores, targets)
        self.scores, self.targets, self.clusters = scores, targets, clusters
        self.priors, self.threshold = list(p_targets), threshold
        self.costs = [weights(prior, 1.0, 1.0, True) for prior in self.priors]
        pairs = [(misses, alarms) for misses, alarms, _ in self.costs]
        self.resampled = Resampled(scores, targets, clusters, self.ranked, pairs, threshold)
        self.losses = {} if calibrated is None else losses.calibrated(calibrated, targets, p_targets)

    @cached_property
    def sides(self) -> list[tuple[NDArray[np.bool_], Any]]:
        """Per class its trials, and how many each pair of clusters has."""
        return [(chosen, self.clusters.pairs(chosen)) for chosen in (self.targets, ~self.targets)]

    @cached_property
    def sums(self) -> dict[str, Sums]:
        """Of every loss its sums over pairs of clusters: resamples and influences both follow from them."""
        return {name: self._sums(loss) for name, loss in self.losses.items()}

    def estimates(self, replicates: int, influence: bool = True) -> dict[str, Estimate]:
        """Every metric with its resamples and, unless only percentiles are wanted, its influence."""
        resampled = self.resamples(self.clusters.draws(replicates))
        influences = self.influences() if influence else {}
        limits, alarms = self.bounds(), self.false_alarms()
        digest = self.clusters.digest(replicates)
        return {
            name: Estimate(
                *(value, resampled[name], influences.get(name), limits.get(name), alarms.get(name)),
                *(_scale(name), _scale(name) == "logit", not _chosen(name), digest),
            )
            for name, value in self.values().items()
        }

    @cached_property
    def best(self) -> dict[str, tuple[float, float]]:
        """Of every cost the lowest value, and the threshold of it."""
        return {f"min_dcf_{prior:g}": min_dcf(self.ranked, None, prior) for prior in self.priors}

    def false_alarms(self) -> dict[str, int]:
        """Number of non-targets that the best threshold of each cost accepts."""
        return {name: self.ranked.counts(np.float64(threshold))[1] for name, (_, threshold) in self.best.items()}

    def bounds(self) -> dict[str, Bounds]:
        """The bounds of the metrics for which no error was seen, or nothing but errors."""
        worst = {name: (a + b) / divisor for name, (a, b, divisor) in zip(self.best, self.costs, strict=True)}
        fixed = self._fixed() | {name: loss for name, loss in self.losses.items() if loss.losses.dtype == np.bool_}
        decisions = {name: ((loss.targets, loss.others), loss.losses) for name, loss in fixed.items()}
        sides = [pairs for _, pairs in self.sides]
        return bounds.of_trials(eer(self.ranked)[0], worst, decisions, self.targets, sides)

    def values(self) -> dict[str, float]:
        """The metrics of the list as it is."""
        values = {"eer": eer(self.ranked)[0]} | {name: cost for name, (cost, _) in self.best.items()}
        if self.threshold is not None:
            far, frr = far_frr(self.ranked, None, self.threshold)
            values |= {"far": far, "frr": frr, "half_total": (far + frr) / 2}
        return values | {name: loss.value(self.targets) for name, loss in self.losses.items()}

    def resamples(self, draws: Iterable[NDArray[np.uint8]]) -> dict[str, NDArray[np.float64]]:
        """The same metrics of every resample, [replicates] each, from chunks of counts [clusters, r]."""
        chunks = [np.concatenate([self.resampled.evaluate(counts), self._means(counts)], axis=0) for counts in draws]
        table = np.concatenate(chunks, axis=1)
        values = {"eer": table[0]}
        for row, (prior, (_, _, divisor)) in enumerate(zip(self.priors, self.costs, strict=True), start=1):
            values[f"min_dcf_{prior:g}"] = table[row] / divisor
        rates = 1 + len(self.priors)
        if self.threshold is not None:
            far, frr = table[rates : rates + 2]
            values |= {"far": far, "frr": frr, "half_total": (far + frr) / 2}
        return values | dict(zip(self.losses, table[rates + 2 :], strict=True))

    def influences(self) -> dict[str, Influence]:
        """Influence of every pair of speakers on each metric, in O(n)."""
        slopes = {name: self._sums(loss) for name, loss in self._slopes().items()}
        return {name: self._influence(sums) for name, sums in (slopes | self.sums).items()}

    def _slopes(self) -> dict[str, Loss]:
        """The losses whose means move as the error rates do: exactly, or to first order."""
        scores, targets = self.scores, self.targets
        slopes = {"eer": at_threshold(*_slope(self.ranked), scores, targets, eer(self.ranked)[1])}
        for (name, (_, threshold)), (misses, alarms, divisor) in zip(self.best.items(), self.costs, strict=True):
            slopes[name] = at_threshold(misses / divisor, alarms / divisor, scores, targets, threshold)
        return slopes | self._fixed()

    def _fixed(self) -> dict[str, Loss]:
        """The losses at a threshold that was fixed before."""
        if self.threshold is None:
            return {}
        shares = {"far": (0.0, 1.0), "frr": (1.0, 0.0), "half_total": (0.5, 0.5)}
        return {name: at_threshold(*share, self.scores, self.targets, self.threshold) for name, share in shares.items()}

    def _sums(self, loss: Loss) -> Sums:
        """Per class its weight, and the losses of each pair of clusters."""
        if loss.losses.dtype == np.bool_:  # what costs nothing need not be added up
            costs = [self.clusters.pairs(side & loss.losses) for side, _ in self.sides]
        else:
            costs = [self.clusters.pairs(side, loss.losses) for side, _ in self.sides]
        return list(zip(loss[:2], costs, strict=True))

    def _means(self, counts: NDArray[np.uint8]) -> NDArray[np.float64]:
        """The mean losses of resamples with counts [clusters, r]: [losses, r], NaN where a class has no trials."""
        means = np.zeros((len(self.sums), counts.shape[1]))
        if not self.sums:
            return means
        drawn = counts.astype(np.float64)
        sizes = [totals(trials, drawn) for _, trials in self.sides]
        with np.errstate(divide="ignore", invalid="ignore"):
            for place, sides in enumerate(self.sums.values()):
                for (weight, costs), size in zip(sides, sizes, strict=True):
                    means[place] += weight * (totals(costs, drawn) / size)
        return means

    def _influence(self, sums: Sums) -> Influence:
        """Of a mean e / n with pair sums of losses E and of trials N: (E − e/n · N) / n."""
        moves = []
        for (weight, costs), (_, trials) in zip(sums, self.sides, strict=True):
            size = trials.sum()
            moves.append(weight / size * (costs - costs.sum() / size * trials))
        return Influence(moves[0] + moves[1])


def _chosen(name: str) -> bool:
    """True if the metric's threshold is chosen on the list itself."""
    return name == "eer" or name.startswith("min_dcf_")


def _scale(name: str) -> Scale:
    """On which scale a metric's errors are nearly normal: costs at the best threshold have none."""
    if name.startswith("min_dcf_"):
        return ""
    return "log" if name == "cllr" or name.startswith("act_dcf_") else "logit"


def _slope(ranked: Ranked) -> tuple[float, float]:
    """The weights of FRR and FAR in a small move of the EER: those of the cost whose optimum is the hull's segment at
    the crossing, as the EER of the hull is the highest of all minimal costs (Brümmer 2010).
    """
    step = max(1, min(ranked.targets.size, ranked.others.size) // ENOUGH)
    hull = roc_convex_hull(Ranked(ranked.targets[::step], ranked.others[::step]))
    after = int(np.argmax(hull.frr >= hull.far))
    falls, rises = hull.far[after - 1] - hull.far[after], hull.frr[after] - hull.frr[after - 1]
    return float(falls / (falls + rises)), float(rises / (falls + rises))
