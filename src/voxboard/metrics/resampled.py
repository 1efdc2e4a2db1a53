"""EER, minDCF, FAR and FRR of thousands of reweighted copies of one trial list, without rebuilding a ROC per copy.

A resample gives every trial an integer weight. The sorted trials are cut into blocks; the weights of all resamples are
summed per block and class; the sums tell in which block FAR and FRR cross, and below which costs a block cannot fall;
only such blocks are opened trial by trial. Where no answer can lie (the bulk of low non-targets), one block is enough,
and its weight comes from a product with the sparse speaker × speaker matrix. The results equal, bit by bit, repeating
every trial by its weight and computing the metric anew; a block that was cut too coarsely costs time, never exactness.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxboard.metrics.clusters import Clusters
from voxboard.metrics.detection import eer
from voxboard.metrics.ranked import Floats, Ranked

Counts = NDArray[np.float32]  # whole numbers; products and sums stay below 2^24 or are made in float64
# Weights of this many (trial, resample) pairs are held at a time.
CHUNK = 4_000_000


class Resampled:
    """A scored trial list, sorted and cut once, to be evaluated under many weightings.

    `costs` [K, 2]: weights of FRR and FAR per detection cost; `threshold` fixes where FAR and FRR are wanted.
    """

    def __init__(
        self,
        scores: Floats,
        targets: NDArray[np.bool_],
        clusters: Clusters,
        ranked: Ranked,
        costs: Sequence[tuple[float, float]],
        threshold: float | None,
    ) -> None:
        order = np.argsort(scores)
        ascending = scores[order]
        self.target, self.first, self.second = targets[order], clusters.first[order], clusters.second[order]
        self.same = self.first == self.second
        self.speakers = clusters.size
        self.costs = list(costs)
        tied = np.concatenate([[False], ascending[1:] == ascending[:-1]])
        self.starts = np.append(np.flatnonzero(~tied), tied.size)  # of the groups of equal scores, and the end
        limit = 0 if threshold is None else int(np.searchsorted(ascending, np.float64(threshold), side="left"))
        self.cuts = self._cut(_relevant(ranked, ascending, self.costs), limit)
        self.decided = int(np.searchsorted(self.cuts, limit))
        # A group is one step of the ROC: nothing lies inside it.
        self.single = np.diff(np.searchsorted(self.starts, self.cuts)) == 1

    def evaluate(self, counts: NDArray[np.uint8]) -> NDArray[np.float64]:
        """EER, each cost, FAR, FRR for counts [S, R]: [3 + K, R]; NaN where a class has no weight."""
        drawn = counts.astype(np.float32)
        missed, alarms = self._edges(drawn)
        positive, negative = missed[-1], alarms[0]
        results = np.full((3 + len(self.costs), counts.shape[1]), np.nan)
        valid = np.flatnonzero((positive > 0) & (negative > 0))
        if valid.size < counts.shape[1]:
            if valid.size:
                results[:, valid] = self.evaluate(np.ascontiguousarray(counts[:, valid]))
            return results
        results[0] = self._eer(drawn, missed, alarms)
        for row, (miss_weight, alarm_weight) in enumerate(self.costs, start=1):
            results[row] = self._min_cost(drawn, missed, alarms, miss_weight, alarm_weight)
        results[-2] = alarms[self.decided] / negative
        results[-1] = missed[self.decided] / positive
        return results

    def _cut(self, relevant: int, limit: int) -> NDArray[np.int64]:
        """Bounds of the blocks: one block up to `relevant`, about 1,000 from there on.

        Cuts never lie inside a group of equal scores; a group that would fill a block is one by itself.
        """
        starts, size = self.starts, int(self.starts[-1])
        step = max(32, (size - relevant) // 1000)
        group = np.searchsorted(starts, np.arange(relevant, size, step), side="right") - 1
        large = group[(starts[group + 1] - starts[group]) * 4 > step]
        return np.unique(np.concatenate([[0], starts[group], starts[large + 1], [limit, size]]))

    def _edges(self, counts: Counts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weight of targets below and of non-targets from each cut on: [blocks + 1, R] each."""
        missed, alarms = np.zeros((2, self.cuts.size, counts.shape[1]))
        np.cumsum(self._sums(self.target, counts), axis=0, out=missed[1:])
        others = self._sums(~self.target, counts)
        np.cumsum(others[::-1], axis=0, out=alarms[:-1][::-1])
        return missed, alarms

    def _sums(self, chosen: NDArray[np.bool_], counts: Counts) -> NDArray[np.float64]:
        """The weight of the chosen trials in every block: [blocks, R]."""
        from scipy.sparse import csr_array

        blocks = self.cuts.size - 1
        alone = np.flatnonzero(chosen & self.same)
        block = np.searchsorted(self.cuts, alone, side="right") - 1
        ones = np.ones(alone.size, np.float32)
        sums = (csr_array((ones, (block, self.first[alone])), shape=(blocks, self.speakers)) @ counts).astype(
            np.float64
        )
        mixed = np.flatnonzero(chosen & ~self.same)
        ends = np.searchsorted(mixed, self.cuts)
        for b in np.flatnonzero(np.diff(ends)):
            trials = mixed[ends[b] : ends[b + 1]]
            sums[b] += _pair_weight(self.first[trials], self.second[trials], counts)
        return sums

    def _inside(
        self, block: int, columns: NDArray[np.intp], counts: Counts, missed: NDArray[Any], alarms: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Targets below and non-targets above each group inside a block, its end included: [groups + 1, columns]."""
        inside = slice(self.cuts[block], self.cuts[block + 1])
        weight = _chosen(counts, self.first[inside], columns)
        mixed = np.flatnonzero(~self.same[inside])
        weight[mixed] *= _chosen(counts, self.second[inside][mixed], columns)
        first, last = np.searchsorted(self.starts, self.cuts[block : block + 2])
        ends = self.starts[first : last + 1] - self.cuts[block]  # before, between and after the groups
        target = self.target[inside][:, None]
        points = []
        for side, edge, sign in ((target, missed, 1), (~target, alarms, -1)):
            running = np.empty((weight.shape[0] + 1, columns.size))
            running[0] = edge[block, columns]
            np.cumsum(weight * (sign * side).astype(np.float32), axis=0, out=running[1:])
            running[1:] += running[0]
            points.append(running if ends.size == running.shape[0] else running[ends])
        return points[0], points[1]

    def _portions(self, block: int, columns: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """The columns in portions that keep the weights of a block's trials within CHUNK."""
        size = int(self.cuts[block + 1] - self.cuts[block])
        return np.array_split(columns, max(1, -(-size * columns.size // CHUNK)))

    def _eer(self, counts: Counts, missed: NDArray[np.float64], alarms: NDArray[np.float64]) -> NDArray[np.float64]:
        positive, negative = missed[-1], alarms[0]
        crossed = missed * negative >= alarms * positive
        home = crossed.argmax(axis=0) - 1  # the block that each resample crosses in
        rates = np.empty(home.size)
        for block in np.unique(home):
            for columns in self._portions(block, np.flatnonzero(home == block)):
                if self.single[block]:
                    below, above = missed[block : block + 2, columns], alarms[block : block + 2, columns]
                else:
                    below, above = self._inside(block, columns, counts, missed, alarms)
                rates[columns] = _interpolate(below, above, positive[columns], negative[columns])
        return rates

    def _min_cost(
        self,
        counts: Counts,
        missed: NDArray[np.float64],
        alarms: NDArray[np.float64],
        miss_weight: float,
        alarm_weight: float,
    ) -> NDArray[np.float64]:
        positive, negative = missed[-1], alarms[0]
        misses, accepts = miss_weight * (missed / positive), alarm_weight * (alarms / negative)
        best = (misses + accepts).min(axis=0)
        # Inside a block no threshold can miss less than at its start or accept less than at its end.
        bound = misses[:-1] + accepts[1:]
        promising = np.flatnonzero((bound < best).any(axis=1) & ~self.single)
        for block in promising[np.argsort(bound[promising].min(axis=1))]:
            for columns in self._portions(block, np.flatnonzero(bound[block] < best)):
                if columns.size:
                    below, above = self._inside(block, columns, counts, missed, alarms)
                    cost = miss_weight * (below / positive[columns]) + alarm_weight * (above / negative[columns])
                    best[columns] = np.minimum(best[columns], cost.min(axis=0))
        return best


def _relevant(ranked: Ranked, ascending: Floats, costs: Sequence[tuple[float, float]]) -> int:
    """Index of the first trial whose score may decide something: far beyond the crossing, and where costs exceed
    those of rejecting everything, thresholds lose under every likely resample.
    """
    share = max(4 * eer(ranked)[0], 2 * max((misses / alarms for misses, alarms in costs), default=0.0))
    most = int(share * ranked.others.size) + 50
    if most >= ranked.others.size:
        return 0
    return int(np.searchsorted(ascending, ranked.others[-most], side="left"))


def _chosen(counts: Counts, rows: NDArray[np.int32], columns: NDArray[np.intp]) -> Counts:
    """counts[rows][:, columns] by the quicker of two ways."""
    if 2 * columns.size > counts.shape[1]:
        chosen = counts[rows]
        return chosen if columns.size == counts.shape[1] else chosen[:, columns]
    return counts[rows[:, None], columns]


def _pair_weight(first: NDArray[np.int32], second: NDArray[np.int32], counts: Counts) -> NDArray[np.float64]:
    """Sum over pairs of the product of both counts: [R]."""
    if first.size < 2 * counts.shape[0]:
        return np.einsum("nr,nr->r", counts[first], counts[second], dtype=np.float64, casting="unsafe")
    from scipy.sparse import csr_array

    ones = np.ones(first.size, np.float32)
    pairs = csr_array((ones, (first, second)), shape=(counts.shape[0], counts.shape[0]))
    return np.einsum("sr,sr->r", counts, pairs @ counts, dtype=np.float64, casting="unsafe")


def _interpolate(
    missed: NDArray[np.float64],
    alarms: NDArray[np.float64],
    positive: NDArray[np.float64],
    negative: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The EER [R] between the last point with FAR > FRR and the next one, among points [k, R] that hold both."""
    gaps = missed * negative - alarms * positive
    after = (gaps >= 0).argmax(axis=0)
    columns = np.arange(after.size)
    low, high = missed[after - 1, columns], missed[after, columns]
    share = -gaps[after - 1, columns] / (gaps[after, columns] - gaps[after - 1, columns])
    return np.asarray((low + share * (high - low)) / positive)
