"""Stretches of time, (start, end) in seconds: joined, clipped and cleaned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from voxboard.metrics.rttm import Region, Turn


def union(regions: Iterable[Region], gap: float = 0.0) -> list[Region]:
    """The same time as ascending regions, of which those up to `gap` seconds apart are one; empty ones vanish."""
    joined: list[Region] = []
    for start, end in sorted((start, end) for start, end in regions if end > start):
        if joined and start - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def clip(regions: Iterable[Region], within: Iterable[Region]) -> list[Region]:
    """Parts of `regions` within `within`, ascending."""
    one, other = union(regions), union(within)
    clipped: list[Region] = []
    place = 0
    for start, end in one:
        while place < len(other) and other[place][1] <= start:
            place += 1
        for low, high in other[place:]:
            if low >= end:
                break
            clipped.append((max(start, low), min(end, high)))
    return clipped


def clean(regions: Iterable[Region], min_speech: float, min_silence: float) -> list[Region]:
    """Short pauses filled first, then short speech dropped; both in seconds."""
    joined = union(regions, min_silence * (1 - 1e-9))
    return [(start, end) for start, end in joined if end - start >= min_speech]


def spoken(turns: Sequence[Turn]) -> list[Region]:
    """Regions in which anybody speaks."""
    return union((start, end) for _, start, end in turns)


def speakers(turns: Sequence[Turn], within: Sequence[Region] | None = None) -> int:
    """Number of speakers, within the regions if given."""
    by_name: dict[str, list[Region]] = {}
    for name, start, end in turns:
        by_name.setdefault(name, []).append((start, end))
    return sum(bool(union(own) if within is None else clip(own, within)) for own in by_name.values())
