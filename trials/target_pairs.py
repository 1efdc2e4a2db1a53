"""Sampling of target trials: distinct pairs of a speaker's utterances, of two sessions, of one, or of any.

A speaker's utterances sit on a circle, sessions side by side: at a distance that no session spans, all pairs are of two
sessions, and going once around uses every utterance twice.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from voxboard.trials.sampling import BLOCK, Ints, in_proportion, ragged


def pairs(sizes: Ints) -> Ints:
    """Number of pairs of so many utterances."""
    return sizes * (sizes - 1) // 2


def pairs_of_one_session(sessions: Ints, sizes: Ints) -> Ints:
    """[S] how many pairs of one session every speaker has; `sessions` [U] stand by speaker."""
    owner, lengths, _ = _sessions(sessions, sizes)
    counts: Ints = np.bincount(owner, weights=pairs(lengths), minlength=sizes.size).astype(np.int64)
    return counts


def of_two_sessions(
    sessions: Ints, counts: Ints, sizes: Ints, offsets: Ints, rng: np.random.Generator
) -> Iterator[tuple[Ints, Ints]]:
    """`counts` [S] distinct pairs of every speaker's own utterances, of different sessions while there are any.

    `sessions` [U] of the utterances, those of speaker s from `offsets[s]` on; without sessions, number them all apart.
    """
    if not sizes.size:
        return
    owner, lengths, session = _sessions(sessions, sizes)
    place = np.empty(lengths.size, np.int64)
    place[np.argsort(owner + rng.random(lengths.size))] = np.arange(lengths.size)
    circle = np.argsort(place[session] + rng.random(sessions.size))  # sessions and their utterances in random order
    longest = np.maximum.reduceat(lengths[session], offsets)
    # Distances from `longest` to less than half the circle pass every place once as first and once as second.
    apart = (sizes - 1) // 2 - longest + 1
    easy = counts <= np.maximum(apart, 0) * sizes
    for chosen in _blocks(np.flatnonzero(easy & (counts > 0)), counts):
        first, second = _easy(chosen, counts, sizes, longest, apart, offsets, rng)
        yield circle[first], circle[second]
    for hard in np.flatnonzero(~easy):
        places = circle[offsets[hard] : offsets[hard] + sizes[hard]]
        one, other = _hard(sessions[places], int(counts[hard]))
        yield places[one], places[other]


def of_one_session(sessions: Ints, counts: Ints, sizes: Ints, rng: np.random.Generator) -> Iterator[tuple[Ints, Ints]]:
    """`counts` [S] distinct pairs of utterances of one session; a speaker's long sessions give more of them.

    No count may exceed `pairs_of_one_session`.
    """
    owner, lengths, session = _sessions(sessions, sizes)
    order = np.argsort(session, kind="stable")
    each = in_proportion(counts, owner, np.where(lengths > 1, lengths, 0), pairs(lengths), rng)
    alone = np.arange(sessions.size)
    for first, second in of_two_sessions(alone, each, lengths, np.cumsum(lengths) - lengths, rng):
        yield order[first], order[second]


def _sessions(sessions: Ints, sizes: Ints) -> tuple[Ints, Ints, Ints]:
    """The sessions of all speakers, a speaker's side by side: (speaker, length) [K], and their number [U]."""
    speaker = np.repeat(np.arange(sizes.size), sizes)
    base = int(sessions.max(initial=0)) + 1
    keys, numbers, lengths = np.unique(speaker * base + sessions, return_inverse=True, return_counts=True)
    return keys // base, lengths, numbers


def _blocks(speakers: Ints, counts: Ints) -> Iterator[Ints]:
    """The speakers in runs of about `BLOCK` trials, one speaker at least."""
    ends = np.cumsum(counts[speakers])
    cuts = np.flatnonzero(np.diff(ends // BLOCK)) + 1
    yield from (block for block in np.split(speakers, cuts) if block.size)


def _easy(
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


def _hard(sessions: Ints, count: int) -> tuple[Ints, Ints]:
    """Places on the circle of one speaker with few sessions or few utterances: wide distances first, which have most
    pairs of two sessions, and pairs of one session last.
    """
    size = sessions.size
    distances = np.arange(size // 2, 0, -1)
    rows = min(count // max(size, 1) + 2, distances.size)
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
