"""The bootstrap's kernels: EER and minDCF of thousands of reweighted copies of one sorted trial list.

A resample gives each trial an integer weight. Instead of rebuilding a ROC per resample, the sorted trials are cut into
blocks, the weights of all resamples are summed per block and class in one pass (the inner loop runs over resamples and
vectorises), and only the block that holds the answer is opened trial by trial. Results equal repeating every trial by
its weight and computing the metric anew.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

# A block's sums are flushed into 64 bits before 32 could overflow: 65,000 trials of weight 255 · 255 fit.
FLUSH = 65_000


@numba.njit(cache=True, nogil=True)
def block_sums(
    first: NDArray[np.int32], second: NDArray[np.int32], target: NDArray[np.bool_], cuts: NDArray[np.int64],
    counts: NDArray[np.uint8],
) -> NDArray[np.int64]:  # fmt: skip
    """Weight of non-targets and targets [blocks, 2, R] from the speakers of both sides and their counts [S, R]."""
    blocks, resamples = cuts.size - 1, counts.shape[1]
    sums = np.zeros((blocks, 2, resamples), np.int64)
    part = np.zeros((2, resamples), np.uint32)
    for block in range(blocks):
        start = cuts[block]
        while start < cuts[block + 1]:
            stop = min(start + FLUSH, cuts[block + 1])
            part[:] = 0
            for trial in range(start, stop):
                total = part[1 if target[trial] else 0]
                one, other = counts[first[trial]], counts[second[trial]]
                if first[trial] == second[trial]:
                    for r in range(resamples):
                        total[r] += np.uint32(one[r])
                else:
                    for r in range(resamples):
                        total[r] += np.uint32(np.uint32(one[r]) * np.uint32(other[r]))
            for side in range(2):
                for r in range(resamples):
                    sums[block, side, r] += part[side, r]
            start = stop
    return sums


@numba.njit(cache=True, nogil=True)
def _weight(counts: Any, one: int, other: int) -> int:
    weight = np.int64(counts[one])
    return weight if one == other else weight * np.int64(counts[other])


@numba.njit(cache=True, nogil=True)
def _crossing_in(
    start: int, stop: int, missed: int, alarms: int, positive: int, negative: int, first: Any, second: Any,
    target: Any, tied: Any, counts: Any,
) -> float:  # fmt: skip
    """The interpolated EER of one resample, whose FAR and FRR cross among the trials start … stop."""
    trial = start
    while trial < stop:
        missed_next, alarms_next = missed, alarms
        while True:  # one group of equal scores
            weight = _weight(counts, first[trial], second[trial])
            if target[trial]:
                missed_next += weight
            else:
                alarms_next -= weight
            trial += 1
            if trial == stop or not tied[trial]:
                break
        after = missed_next * negative - alarms_next * positive
        if after >= 0:
            before = alarms * positive - missed * negative
            share = before / (before + after)
            return (missed + share * (missed_next - missed)) / positive
        missed, alarms = missed_next, alarms_next
    return np.nan  # not reached: rejecting all crosses


@numba.njit(cache=True, nogil=True)
def _lowest_in(
    start: int, stop: int, missed: int, alarms: int, positive: int, negative: int, miss_weight: float,
    alarm_weight: float, best: float, first: Any, second: Any, target: Any, tied: Any, counts: Any,
) -> float:  # fmt: skip
    """The lowest detection cost among the thresholds inside a block, or `best` when that is lower."""
    for trial in range(start, stop):
        if not tied[trial]:
            cost = miss_weight * (missed / positive) + alarm_weight * (alarms / negative)
            best = min(best, cost)
        weight = _weight(counts, first[trial], second[trial])
        if target[trial]:
            missed += weight
        else:
            alarms -= weight
    return best


@numba.njit(cache=True, nogil=True)
def solve(
    sums: NDArray[np.int64], first: NDArray[np.int32], second: NDArray[np.int32], target: NDArray[np.bool_],
    tied: NDArray[np.bool_], cuts: NDArray[np.int64], counts: NDArray[np.uint8], costs: NDArray[np.float64],
    decided: int,
) -> NDArray[np.float64]:  # fmt: skip
    """EER, detection cost per row of `costs` (weights of FRR and FAR), FAR and FRR at block `decided`: [R, 3 + K].

    `tied[i]`: trial i has the score of trial i − 1; no cut lies between tied trials. A resample that lacks a class is
    a row of NaN. `counts` is [R, S] here.
    """
    resamples, blocks = counts.shape[0], cuts.size - 1
    results = np.full((resamples, 3 + costs.shape[0]), np.nan)
    missed, alarms = np.empty(blocks + 1, np.int64), np.empty(blocks + 1, np.int64)
    for r in range(resamples):
        missed[0] = 0
        alarms[blocks] = 0
        for block in range(blocks):
            missed[block + 1] = missed[block] + sums[block, 1, r]
        for block in range(blocks, 0, -1):
            alarms[block - 1] = alarms[block] + sums[block - 1, 0, r]
        positive, negative = missed[blocks], alarms[0]
        if positive == 0 or negative == 0:
            continue
        row = counts[r]
        block = 0
        while missed[block + 1] * negative < alarms[block + 1] * positive:
            block += 1
        results[r, 0] = _crossing_in(
            cuts[block], cuts[block + 1], missed[block], alarms[block], positive, negative, first, second, target,
            tied, row,
        )  # fmt: skip
        for k in range(costs.shape[0]):
            miss_weight, alarm_weight = costs[k, 0], costs[k, 1]
            best = np.inf
            for edge in range(blocks + 1):
                cost = miss_weight * (missed[edge] / positive) + alarm_weight * (alarms[edge] / negative)
                best = min(best, cost)
            for block in range(blocks):
                # Inside a block no threshold can miss less than its start or accept less than its end.
                bound = miss_weight * (missed[block] / positive) + alarm_weight * (alarms[block + 1] / negative)
                if bound < best:
                    best = _lowest_in(
                        cuts[block], cuts[block + 1], missed[block], alarms[block], positive, negative,
                        miss_weight, alarm_weight, best, first, second, target, tied, row,
                    )  # fmt: skip
            results[r, 1 + k] = best
        results[r, 1 + costs.shape[0]] = alarms[decided] / negative
        results[r, 2 + costs.shape[0]] = missed[decided] / positive
    return results
