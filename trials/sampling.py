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


def own_pairs(sessions: Ints, counts: Ints, sizes: Ints, offsets: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """`counts` [S] distinct pairs of every speaker's own utterances, of different sessions while there are any.

    `sessions` [U] of the utterances, those of speaker s from `offsets[s]` on. A speaker's utterances sit on a circle,
    sessions side by side: at a distance that no session spans, all pairs are of two sessions.
    """
    speaker = np.repeat(np.arange(sizes.size), sizes)
    _, session, lengths = np.unique(
        speaker * (int(sessions.max(initial=0)) + 1) + sessions, return_inverse=True, return_counts=True
    )
    drawn = rng.permutation(sessions.size)
    circle = drawn[np.argsort((speaker + rng.random(lengths.size)[session])[drawn], kind="stable")]
    longest = np.maximum.reduceat(lengths[session], offsets) if sizes.size else sizes
    # Distances from `longest` to less than half the circle pass every place once as first and once as second.
    apart = (sizes - 1) // 2 - longest + 1
    easy = counts <= np.maximum(apart, 0) * sizes
    found = [_easy_pairs(np.flatnonzero(easy & (counts > 0)), counts, sizes, longest, apart, offsets, rng)]
    for hard in np.flatnonzero(~easy):
        places = np.arange(offsets[hard], offsets[hard] + sizes[hard])
        one, other = _hard_pairs(sessions[circle[places]], int(counts[hard]))
        found.append((one + offsets[hard], other + offsets[hard]))
    first, second = (circle[np.concatenate([pairs[side] for pairs in found])] for side in (0, 1))
    return first, second


def _easy_pairs(
    speakers: Ints, counts: Ints, sizes: Ints, longest: Ints, apart: Ints, offsets: Ints, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Places on the circles of speakers for whom distances that no session spans suffice."""
    count, size = counts[speakers], sizes[speakers]
    each = np.repeat(np.arange(speakers.size), count)
    turn, size_of = ragged(count), size[each]
    begin, choices = rng.integers(0, apart[speakers])[each], apart[speakers][each]
    distance = longest[speakers][each] + (begin + turn // size_of) % choices
    # Within a round, every other stretch of `distance` places first: these pairs have no place in common.
    rank, stretch = turn % size_of, 2 * distance
    even: Ints = (size_of // stretch * distance + np.minimum(size_of % stretch, distance)).astype(np.int64)
    late = (rank >= even).astype(np.int64)
    rank -= late * even
    place = rank // distance * stretch + rank % distance + late * distance + rng.integers(0, size)[each]
    begins = offsets[speakers][each]
    first, second = begins + place % size_of, begins + (place + distance) % size_of
    return first.astype(np.int64), second.astype(np.int64)


def _hard_pairs(sessions: Ints, count: int) -> tuple[Ints, Ints]:
    """Places on the circle of one speaker with few sessions or few utterances: wide distances first, which have most
    pairs of two sessions, and pairs of one session last."""
    size = sessions.size
    distances = np.arange(size // 2, 0, -1)
    rows = min(count // size + 2, distances.size)
    while True:
        lengths = np.where(2 * distances[:rows] == size, distances[:rows], size)
        distance, one = np.repeat(distances[:rows], lengths), ragged(lengths)
        other = (one + distance) % size
        same = sessions[one] == sessions[other]
        if rows == distances.size or int(np.count_nonzero(~same)) >= count:
            break
        rows = min(2 * rows, distances.size)
    order = np.argsort(same, kind="stable")[:count]
    return one[order], other[order]
