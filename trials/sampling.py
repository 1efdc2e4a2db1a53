"""How balanced trials are drawn without ever listing the pairs that could be: cost grows with the trials only.

Three ideas. Pairs of speakers (or of a speaker's utterances) are numbered along circles: number r of n members is the
pair (i, i + d) with i = r mod n and d = r // n + 1: any run of numbers uses all members equally often. A speaker deals
out its utterances like a deck, round and round, so that their use differs by one at most. And two decks of n and m
cards dealt in step repeat a pair only after lcm(n, m) deals; shifting one after each such lap visits all n · m pairs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def ragged(counts: Ints) -> Ints:
    """0 … c − 1 for every count c, one after another."""
    ends = np.cumsum(counts)
    return np.arange(int(ends[-1]) if counts.size else 0) - np.repeat(ends - counts, counts)


def spread(quota: int, capacity: Ints, rng: np.random.Generator) -> Ints:
    """How many of `quota` each member gets: equal up to one, except that none exceeds its capacity."""
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


def speaker_pairs(
    quota: int, cells: list[tuple[Ints, Ints]], sizes: Ints, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints]:
    """Pairs of speakers and how many trials each gets, `quota` in all: (first, second, trials > 0).

    `cells` holds (speakers, partners) whose pairs are eligible, the same array twice for pairs inside one group;
    `sizes` are the utterances of every speaker. Counts differ by one at most, unless a pair has no more utterances.
    """
    totals = np.array([pairs_of(one, other) for one, other in cells], np.int64)
    total = int(totals.sum())
    if quota < total:
        chosen = _chosen(quota, totals, cells, rng)
        return (*chosen, np.ones(chosen[0].size, np.int64))
    runs = [_run(one, other, 0, int(size)) for (one, other), size in zip(cells, totals, strict=True)]
    first, second = (np.concatenate([run[side] for run in runs] or [np.empty(0, np.int64)]) for side in (0, 1))
    capacity = sizes[first] * sizes[second]
    base = quota // total if total else 0
    if (capacity > base).all():  # the usual case: a regular choice of those that get one more
        extra = np.zeros(total, bool)
        runs_of = _runs(quota - base * total, totals, rng)
        for offset, size, start, length in zip(np.cumsum(totals) - totals, totals, *runs_of, strict=True):
            extra[offset + (start + np.arange(length)) % size] = True
        counts = base + extra
    else:
        counts = spread(quota, capacity, rng)
    used = counts > 0
    return first[used], second[used], counts[used]


def pairs_of(one: Ints, other: Ints) -> int:
    return one.size * (one.size - 1) // 2 if one is other else one.size * other.size


def _chosen(quota: int, totals: Ints, cells: list[tuple[Ints, Ints]], rng: np.random.Generator) -> tuple[Ints, Ints]:
    starts, lengths = _runs(quota, totals, rng)
    runs = [
        _run(one, other, int(start), int(length))
        for (one, other), start, length in zip(cells, starts, lengths, strict=True)
        if length
    ]
    first, second = (np.concatenate([run[side] for run in runs] or [np.empty(0, np.int64)]) for side in (0, 1))
    return first, second


def _runs(quota: int, totals: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Where a run of pair numbers starts in every cell, and its length: in proportion to the cell, `quota` in all."""
    total = int(totals.sum())
    if total == 0:
        return np.zeros_like(totals), np.zeros_like(totals)
    ends = np.concatenate([[0], np.cumsum(totals)])
    # One random phase for all: every cell's share is rounded to a neighbour, and the sum is exact.
    shares = np.floor(ends * (quota / total) + rng.random()).astype(np.int64)
    shares[-1] = shares[0] + quota
    lengths = np.minimum(np.diff(np.minimum(shares, shares[-1])), totals)
    return rng.integers(0, np.maximum(totals, 1)), lengths


def _run(one: Ints, other: Ints, start: int, length: int) -> tuple[Ints, Ints]:
    """A run of pair numbers of one cell, decoded."""
    total = pairs_of(one, other)
    number = (start + np.arange(length)) % max(total, 1)
    distance, place = np.divmod(number, max(one.size, 1))
    partner = (place + distance + 1) % one.size if one is other else (place + distance) % other.size
    return one[place], other[partner]


def deal(first: Ints, second: Ints, counts: Ints, sizes: Ints, decks: Ints, offsets: Ints) -> tuple[Ints, Ints]:
    """The utterances of every trial of every speaker pair; none repeats, and a speaker's are used equally often.

    `decks` holds the utterances of all speakers, speaker s from `offsets[s]` on, in the order to deal them.
    """
    speakers = np.concatenate([first, second])
    twice = np.concatenate([counts, counts])
    order = np.argsort(speakers, kind="stable")
    dealt = np.cumsum(twice[order]) - twice[order]  # before this pair, by any speaker up to this one
    begins = np.searchsorted(speakers[order], speakers[order], side="left")
    position = np.empty_like(dealt)
    position[order] = dealt - dealt[begins]
    start, start_second = np.split(position, 2)
    pair = np.repeat(np.arange(counts.size), counts)
    turn = ragged(counts)
    lap = np.lcm(sizes[first], sizes[second])
    # The last lap is the one without a shift, so that the next pair continues where this one stopped.
    shift = ((counts - 1) // lap)[pair] - turn // lap[pair]
    one = (start[pair] + turn) % sizes[first][pair]
    other = (start_second[pair] + turn + shift) % sizes[second][pair]
    return decks[offsets[first][pair] + one], decks[offsets[second][pair] + other]


def own_pairs(sessions: Ints, count: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """`count` distinct pairs of one speaker's utterances [n], of different sessions while there are any.

    The utterances sit on a circle, sessions side by side; pairs at a distance no session spans are all of two sessions.
    """
    size = sessions.size
    circle, longest = _circle(sessions, rng)
    half = size // 2
    apart = rng.permutation(np.arange(longest, half + 1))
    distances = np.concatenate([apart, np.arange(min(longest - 1, half), 0, -1)])
    rows = min(count // size + 2, distances.size)
    while True:
        one, other = _rows(distances[:rows], size, count)
        turn = int(rng.integers(size))
        one, other = circle[(one + turn) % size], circle[(other + turn) % size]
        if rows <= apart.size:  # all of two sessions, and enough: `rows` counts half a row too many
            return one[:count], other[:count]
        differ = sessions[one] != sessions[other]
        if rows == distances.size or int(differ.sum()) >= count:
            break
        rows = min(2 * rows, distances.size)
    order = np.argsort(~differ, kind="stable")[:count]
    return one[order], other[order]


def _circle(sessions: Ints, rng: np.random.Generator) -> tuple[Ints, int]:
    """A random order of utterances [n] that keeps sessions together, and the size of the longest session."""
    drawn = rng.permutation(sessions.size)
    if sessions.min() < 0 and np.unique(sessions).size == sessions.size:
        return drawn, 1
    _, inverse, lengths = np.unique(sessions, return_inverse=True, return_counts=True)
    return drawn[np.argsort(rng.permutation(lengths.size)[inverse[drawn]], kind="stable")], int(lengths.max())


def _rows(distances: Ints, size: int, count: int) -> tuple[Ints, Ints]:
    """All pairs on a circle at these distances, row by row. The row in which pair `count` lies is only partly needed:
    there come first the pairs that have no place in common."""
    lengths = np.where(2 * distances == size, distances, size)
    distance, place = np.repeat(distances, lengths), ragged(lengths)
    ends = np.cumsum(lengths)
    cut = int(np.searchsorted(ends, count, side="right"))
    if cut < distances.size:
        row = slice(int(ends[cut] - lengths[cut]), int(ends[cut]))
        place[row] = place[row][np.argsort(place[row] // distances[cut] % 2, kind="stable")]
    return place, (place + distance) % size
