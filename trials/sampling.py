"""Sampling of non-target trials without listing the possible pairs: cost grows with the trials only.

Three ideas. Pairs of speakers (or of a speaker's utterances) are numbered along circles: number r of n members is the
pair (i, i + d) with i = r mod n and d = r // n + 1: any run of numbers uses all members equally often. A speaker deals
out its utterances like a deck, round and round, so that their use differs by one at most. And two decks of n and m
cards dealt in step repeat a pair only after lcm(n, m) deals; shifting one after each such lap visits all n · m pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.integer[Any]]
Cell = tuple[Ints, Ints]  # members and their partners; the same array twice: the pairs inside one group
BLOCK = 500_000  # trials that are drawn at a time: what bounds the memory beside the list itself


def ragged(counts: Ints) -> NDArray[np.int64]:
    """0 … c − 1 for every count c, one after another."""
    ends = np.cumsum(counts)
    return np.arange(int(ends[-1]) if counts.size else 0) - np.repeat(ends - counts, counts)


def spread(quota: int, capacity: Ints, rng: np.random.Generator) -> NDArray[np.int64]:
    """Shares of `quota` per member: equal up to one, except that none exceeds its capacity."""
    counts = np.zeros(capacity.size, np.int64)
    while (rest := quota - int(counts.sum())) > 0:
        room = np.flatnonzero(counts < capacity)
        if room.size == 0:
            break
        if rest < room.size:
            counts[rng.choice(room, rest, replace=False)] += 1
            break
        counts[room] = np.minimum(counts[room] + rest // room.size, capacity[room])
    return counts


def in_proportion(
    totals: Ints, group: Ints, weights: Ints, capacity: Ints, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Shares of each group's total per member [K]: in proportion to `weights` [K], none above its capacity.

    `group` [K] numbers the groups, whose members stand side by side. Shares are rounded so that a group's sum is exact;
    what a full member cannot take goes to the others of its group.
    """
    counts = np.zeros(group.size, np.int64)
    rest = np.array(totals, np.int64)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    lengths = np.diff(starts, append=group.size)
    while True:
        open_weights = np.where(counts < capacity, weights, 0).astype(np.float64)
        running = np.cumsum(open_weights)
        before = np.repeat(running[starts] - open_weights[starts], lengths)
        whole = np.repeat(running[starts + lengths - 1], lengths) - before
        if not (active := (rest[group] > 0) & (whole > 0)).any():
            return counts
        phase = np.repeat(rng.random(starts.size), lengths)
        share = np.divide(running - before, whole, out=np.zeros_like(running), where=whole > 0)
        ends = np.minimum(np.floor(share * rest[group] + phase), rest[group]).astype(np.int64)
        # Behind the last open member the running share is 1, whatever the rounding of sums says.
        ends[share >= 1 - 1e-12] = rest[group][share >= 1 - 1e-12]
        begins = np.where(np.diff(group, prepend=-1) != 0, 0, np.roll(ends, 1))
        counts += np.where(active, np.minimum(ends - begins, capacity - counts), 0)
        rest = np.array(totals - np.bincount(group, weights=counts, minlength=totals.size), np.int64)


def speaker_pairs(
    quota: int,
    cells: list[Cell],
    capacity_of: Callable[[Ints, Ints], Ints],
    rng: np.random.Generator,
    equal: bool = False,
) -> tuple[Ints, Ints, Ints, Ints | None]:
    """Pairs of speakers and how many trials each gets, `quota` in all: (first, second, trials > 0, capacity or None).

    `cells` hold the eligible pairs, `capacity_of` says how many trials pairs allow. Counts differ by one at most,
    unless a pair has no more; with `equal`, all get the quota's share rounded up, and nobody makes up for one who has
    not so many. Capacity is None where there are more pairs than trials: then each gets one.
    """
    totals = np.array([pairs_of(one, other) for one, other in cells], np.int64)
    total = int(totals.sum())
    if quota < total and not equal:
        first, second = _chosen(quota, totals, cells, rng)
        return first, second, np.ones(first.size, np.int32), None
    runs = [_run(one, other, 0, int(size)) for (one, other), size in zip(cells, totals, strict=True)]
    first, second = _joined(runs, 0), _joined(runs, 1)
    capacity = capacity_of(first, second)
    base = quota // total if total else 0
    if equal:
        counts = np.minimum(-(-quota // max(total, 1)), capacity)
    elif (capacity > base).all():  # the usual case: a regular choice of those that get one more
        extra = np.zeros(total, bool)
        runs_of = _runs(quota - base * total, totals, rng)
        for offset, size, start, length in zip(np.cumsum(totals) - totals, totals, *runs_of, strict=True):
            extra[offset + (start + np.arange(length)) % size] = True
        counts = base + extra
    else:
        counts = spread(quota, capacity, rng)
    used = counts > 0
    return first[used], second[used], counts[used], capacity[used]


def pairs_of(one: Ints, other: Ints) -> int:
    """Return how many pairs two sets make; of a set with itself, of unlike members."""
    return one.size * (one.size - 1) // 2 if one is other else one.size * other.size


def _chosen(quota: int, totals: Ints, cells: list[Cell], rng: np.random.Generator) -> tuple[Ints, Ints]:
    starts, lengths = _runs(quota, totals, rng)
    runs = [
        _run(one, other, int(start), int(length))
        for (one, other), start, length in zip(cells, starts, lengths, strict=True)
        if length
    ]
    return _joined(runs, 0), _joined(runs, 1)


def _joined(runs: list[Cell], side: int) -> Ints:
    return np.concatenate([run[side] for run in runs] or [np.empty(0, np.int32)])


def _runs(quota: int, totals: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Starts and lengths of a run of pair numbers in every cell: in proportion to the cell, `quota` in all."""
    total = int(totals.sum())
    if total == 0:
        return np.zeros_like(totals), np.zeros_like(totals)
    ends = np.concatenate([[0], np.cumsum(totals)])
    # One random phase for all: every cell's share is rounded to a neighbour, and the sum is exact.
    shares = np.floor(ends * (quota / total) + rng.random()).astype(np.int64)
    shares[-1] = shares[0] + quota
    lengths = np.minimum(np.diff(np.minimum(shares, shares[-1])), totals)
    return rng.integers(0, np.maximum(totals, 1)), lengths


def _run(one: Ints, other: Ints, start: int, length: int) -> Cell:
    """A run of pair numbers of one cell, decoded."""
    total = pairs_of(one, other)
    number = (start + np.arange(length)) % max(total, 1)
    distance, place = np.divmod(number, max(one.size, 1))
    partner = (place + distance + 1) % one.size if one is other else (place + distance) % other.size
    return one[place], other[partner]


class Dealer:
    """Deal the utterances of K decks to trials, round and round: a deck's are used equally often.

    `decks` holds the utterances of all decks, those of deck k from `offsets[k]` on, `sizes[k]` of them.
    """

    def __init__(self, decks: Ints, offsets: Ints, sizes: Ints) -> None:
        self.decks, self.offsets, self.sizes = decks, offsets, sizes
        self.dealt = np.zeros(sizes.size, np.int64)

    def deal(self, first: Ints, second: Ints, counts: Ints) -> Iterator[tuple[Ints, Ints]]:
        """The utterances of every trial of every pair of decks, block by block; none repeats within a pair."""
        ends = np.cumsum(counts, dtype=np.int64)
        start = 0
        while start < counts.size:
            before = ends[start - 1] if start else 0
            stop = max(int(np.searchsorted(ends, before + BLOCK, side="right")), start + 1)
            yield self._block(*(column[start:stop].astype(np.int64) for column in (first, second, counts)))
            start = stop

    def _block(self, first: Ints, second: Ints, counts: Ints) -> tuple[Ints, Ints]:
        decks = np.concatenate([first, second])
        twice = np.concatenate([counts, counts])
        order = np.argsort(decks, kind="stable")
        running = np.cumsum(twice[order]) - twice[order]
        begins = np.searchsorted(decks[order], decks[order], side="left")
        position = np.empty_like(running)
        position[order] = running - running[begins]  # dealt before this pair in this block
        start, start_second = np.split(position + self.dealt[decks], 2)
        np.add.at(self.dealt, decks, twice)
        pair = np.repeat(np.arange(counts.size), counts)
        turn = ragged(counts)
        sizes, sizes_second = self.sizes[first], self.sizes[second]
        lap = np.lcm(sizes, sizes_second)
        # The last lap is the one without a shift, so that the next pair continues where this one stopped.
        shift = ((counts - 1) // lap)[pair] - turn // lap[pair]
        one = (start[pair] + turn) % sizes[pair]
        other = (start_second[pair] + turn + shift) % sizes_second[pair]
        return self.decks[self.offsets[first][pair] + one], self.decks[self.offsets[second][pair] + other]
