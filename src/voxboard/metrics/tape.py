"""All files of a corpus laid end to end on one tape, so that one sweep scores them together.

Positions are whole ticks; nothing reaches from one file into the next, collars included. Time that is not scored
(collars, overlap, what a UEM leaves out) is cut out of the tape, and what is left is counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from voxboard.metrics.turns import Given, Ints, Turns

_LONGEST = 9e18  # ticks on a tape


@dataclass(frozen=True, eq=False)
class TapeSide:
    """Turns [n] of the reference or of the hypothesis, ascending by start; those of one speaker do not overlap."""

    speaker: Ints  # [n]
    start: Ints  # [n]
    end: Ints  # [n]
    file: Ints  # [speakers], ascending: the file that a speaker belongs to

    def spoken(self) -> Ints:
        """Speaking time of each speaker [speakers]."""
        return sums(self.speaker, self.end - self.start, self.file.size)

    def boundaries(self) -> Ints:
        """Starts and ends of turns [2n], ascending."""
        bounds = np.concatenate([self.start, self.end])
        bounds.sort()
        return bounds

    def depth(self, positions: Ints) -> Ints:
        """Number of speakers right after each position."""
        begun = np.searchsorted(self.start, positions, side="right")
        return begun - np.searchsorted(np.sort(self.end), positions, side="right")

    def overlap(self) -> tuple[Ints, Ints]:
        """Starts and ends of the intervals in which two or more speak."""
        positions = self.boundaries()
        several = np.flatnonzero(self.depth(positions) > 1)
        return positions[several], positions[several + 1]


@dataclass(frozen=True, eq=False)
class Tape:
    """Both sides of all files; file f lies between `edges[f]` and `edges[f + 1]`."""

    reference: TapeSide
    hypothesis: TapeSide
    edges: Ints  # [files + 1]

    def cut(self, start: Ints, end: Ints) -> Tape:
        """The tape without the intervals given, which may overlap: what lay inside is gone, the rest moves up."""
        _, first, last = union(start, end)
        gone = np.concatenate([[0], np.cumsum(last - first)])
        ends = np.concatenate([[np.iinfo(np.int64).min], last])

        def moved(positions: Ints) -> Ints:
            begun = np.searchsorted(first, positions, side="right")
            return np.maximum(positions, ends[begun]) - gone[begun]

        def rest(side: TapeSide) -> TapeSide:
            starts, stops = moved(side.start), moved(side.end)
            inside = stops > starts
            return replace(side, speaker=side.speaker[inside], start=starts[inside], end=stops[inside])

        return Tape(rest(self.reference), rest(self.hypothesis), moved(self.edges))

    def together(self) -> Ints:
        """Per file [files]: the integral over time of the smaller number of speakers of reference and hypothesis."""
        positions = np.concatenate([self.edges, self.reference.boundaries(), self.hypothesis.boundaries()])
        positions.sort()
        fewer = np.minimum(self.reference.depth(positions), self.hypothesis.depth(positions))
        until = np.concatenate([[0], np.cumsum(fewer[:-1] * np.diff(positions))])
        return np.diff(until[np.searchsorted(positions, self.edges)])

    def shared(self) -> list[Ints]:
        """Per file: how long its reference speaker i and its hypothesis speaker j speak at once, [speakers, speakers].

        Of two turns that overlap one starts within the other: all pairs are found in sorted starts, and only they.
        """
        one, other = self.reference, self.hypothesis
        left, right = _starting_within(other.start, one.start, one.end, "left")
        later, earlier = _starting_within(one.start, other.start, other.end, "right")
        left, right = np.concatenate([left, earlier]), np.concatenate([right, later])
        time = np.minimum(one.end[left], other.end[right]) - np.maximum(one.start[left], other.start[right])
        files = self.edges.size - 1
        rows, columns = np.bincount(one.file, minlength=files), np.bincount(other.file, minlength=files)
        cells, first_row, first_column = _starts(rows * columns), _starts(rows), _starts(columns)
        file = one.file[one.speaker[left]]
        row, column = one.speaker[left] - first_row[file], other.speaker[right] - first_column[file]
        flat = sums(cells[file] + row * columns[file] + column, time, int(cells[-1]))
        sizes = zip(cells.tolist(), rows.tolist(), columns.tolist(), strict=False)
        return [flat[cell : cell + height * width].reshape(height, width) for cell, height, width in sizes]


Intervals = tuple[Ints, Ints]  # starts and ends


def lay(given: Given, margin: int, merge_touching: bool) -> tuple[Tape, Intervals, Intervals]:
    """Lay files with a margin around each, and merge a speaker's turns; also say what is not evaluated (what no
    region covers, or is taken out), and what is not scored.

    Turns of a speaker that overlap become one; those that only touch do so in the reference if `merge_touching`.
    """
    sides = [side for side in (given.reference, given.hypothesis, given.regions) if side is not None]
    low, high = _extent(sides, len(given.files))
    edges = _starts(high - low + 2 * margin + 1)
    shift = edges[:-1] + margin - low
    tape = Tape(
        _merged(given.reference, low, high, shift, merge_touching),
        _merged(given.hypothesis, low, high, shift, True),
        edges,
    )
    out, unscored = (_placed(turns, low, high, shift) for turns in (given.unevaluated, given.unscored))
    if given.regions is None:
        return tape, out, unscored
    starts, ends = _placed(given.regions, low, high, shift)
    return tape, (np.concatenate([edges[:1], ends, out[0]]), np.concatenate([starts, edges[-1:], out[1]])), unscored


def _placed(turns: Turns, low: Ints, high: Ints, shift: Ints) -> Intervals:
    """Stretch of files on the tape, ascending; what lies beyond the ends of a file is cut off."""
    file = turns.file[turns.speaker]
    start, end = np.maximum(turns.start, low[file]), np.minimum(turns.end, high[file])
    inside = end > start
    cut = Turns(turns.speaker[inside], start[inside], end[inside], turns.file)
    side = _merged(cut, low, high, shift, True)
    return side.start, side.end


def union(start: Ints, end: Ints, touching: bool = True) -> tuple[Ints, Ints, Ints]:
    """Intervals [n] that overlap (or touch) become one: (index of its first interval, start, end), ascending."""
    order = np.argsort(start)
    starts, reached = start[order], np.maximum.accumulate(end[order])
    first = np.ones(start.size, np.bool_)
    first[1:] = starts[1:] > reached[:-1] if touching else starts[1:] >= reached[:-1]
    return order[first], starts[first], reached[np.roll(first, -1)]  # the last of each is before the next one's first


def sums(groups: Ints, values: NDArray[Any], size: int) -> Ints:
    """The sum of the values [n] of every group [size]; exact up to 2⁵³ ticks, ten days each."""
    return np.bincount(groups, weights=values, minlength=size).astype(np.int64)


def _extent(sides: list[Turns], files: int) -> tuple[Ints, Ints]:
    """The first and the last time [files] that anything in a file names; (0, 0) where nothing does."""
    low, high = np.full(files, np.iinfo(np.int64).max), np.full(files, np.iinfo(np.int64).min)
    for side in sides:
        file = side.file[side.speaker]
        np.minimum.at(low, file, side.start)
        np.maximum.at(high, file, side.end)
    empty = low > high
    low[empty] = high[empty] = 0
    return low, high


def _merged(turns: Turns, low: Ints, high: Ints, shift: Ints, touching: bool) -> TapeSide:
    # Every speaker gets a stretch of a tape of its own: then merging is one union, of all speakers at once.
    own = _starts((high - low + 1)[turns.file])[:-1] - low[turns.file]
    first, start, end = union(turns.start + own[turns.speaker], turns.end + own[turns.speaker], touching)
    speaker = turns.speaker[first]
    back = (shift[turns.file] - own)[speaker]
    start, end = start + back, end + back
    order = np.argsort(start)
    return TapeSide(speaker[order], start[order], end[order], turns.file)


def _starting_within(starts: Ints, begin: Ints, end: Ints, side: Literal["left", "right"]) -> tuple[Ints, Ints]:
    """All (interval, start) with begin ≤ start < end, or begin < start where `side` is right; starts ascend."""
    first = np.searchsorted(starts, begin, side=side)
    count = np.maximum(np.searchsorted(starts, end, side="left") - first, 0)
    interval = np.repeat(np.arange(begin.size), count)
    return interval, np.arange(interval.size) + np.repeat(first - (np.cumsum(count) - count), count)


def _starts(lengths: Ints) -> Ints:
    """Starts of the lengths [n] laid end to end, and the end of the last: [n + 1]."""
    if lengths.sum(dtype=np.float64) > _LONGEST:
        raise ValueError("the files and their speakers take more than 28 years: times must be seconds")
    return np.concatenate([[0], np.cumsum(lengths)])
