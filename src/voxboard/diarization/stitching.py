"""Decisions of windows and the cluster of every local speaker → who speaks when in the whole recording.

Windows number their speakers each in its own way; clusters say which are one. Where windows overlap they vote: how many
speak is the rounded mean of what they count, and who speaks are so many clusters of the most votes (Bredin,
pyannote.audio 2.1, Interspeech 2023, section 2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Decisions = NDArray[np.uint8]
Numbers = NDArray[np.int64]
NOBODY = -1  # the cluster of a local speaker who is left out


@dataclass(frozen=True)
class FrameGrid:
    """Positions of windows and frames in time, all in seconds."""

    window: float
    step: float
    frame_step: float
    frame_duration: float

    def first(self, number: int) -> int:
        """The frame of the recording with which a window begins."""
        return int(np.rint(number * self.step / self.frame_step))

    def frames(self, windows: int) -> int:
        """Number of frames that so many windows have together."""
        return int(np.rint((self.window + (windows - 1) * self.step) / self.frame_step)) + 1

    def middle(self, frame: int) -> float:
        """Time of the middle of a frame."""
        return frame * self.frame_step + self.frame_duration / 2


def counted(decisions: Decisions, grid: FrameGrid) -> Numbers:
    """Decisions [C, F, S] → how many speak at every frame [T]: the mean over windows, half to even, 0 outside them."""
    total, covering = np.zeros(grid.frames(len(decisions))), np.zeros(grid.frames(len(decisions)))
    for number, own in enumerate(decisions):
        place = slice(first := grid.first(number), first + len(own))
        total[place] += own[: len(total[place])].sum(axis=1)
        covering[place] += 1
    return np.rint(total / np.maximum(covering, 1)).astype(np.int64)


def tracks(
    decisions: Decisions, clusters: Numbers, grid: FrameGrid, *, most: int | None = None, heard: bool = False
) -> Decisions:
    """Decisions [C, F, S] and clusters [C, S] → who of the clusters speaks at every frame [T, K], 0 or 1.

    Local speakers who are silent in their window, or whose cluster is negative, are left out. `most` limits how many
    speak at a time. Of equal votes the lower number wins. Where local speakers of a window share a cluster, more may
    be counted than clusters have votes: with `heard` those without any stay silent, without it they speak too.
    """
    count = counted(decisions, grid)
    if most is not None:
        count = np.minimum(count, most)
    numbers = np.where(decisions.any(axis=1), clusters, NOBODY)
    size = max(int(numbers.max(initial=NOBODY)) + 1, int(count.max(initial=0)))
    votes = np.zeros((len(count), size), np.int64)
    for number, own in enumerate(decisions):
        first = grid.first(number)
        seen = own[: len(count) - first]
        for cluster in np.unique(numbers[number][numbers[number] >= 0]):
            votes[first : first + len(seen), cluster] += seen[:, numbers[number] == cluster].max(axis=1)
    ranks = np.argsort(np.argsort(-votes, axis=1, kind="stable"), axis=1, kind="stable")
    active = ranks < count[:, None]
    return (active & (votes > 0) if heard else active).astype(np.uint8)


def segments(
    tracks: Decisions, grid: FrameGrid, shortest: float = 0.0, gap: float = 0.0
) -> list[tuple[float, float, int]]:
    """Tracks [T, K] → (start, end, cluster), ascending; changes are in the middle of the frame where they happen.

    Gaps shorter than `gap` seconds in a track are filled first, then segments shorter than `shortest` dropped.
    """
    result = []
    for cluster in range(tracks.shape[1]):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], tracks[:, cluster], [0]]).astype(np.int8)))
        own: list[tuple[float, float]] = []
        for start, end in edges.reshape(-1, 2).tolist():
            region = grid.middle(start), grid.middle(min(end, len(tracks) - 1))
            if region[0] == region[1]:  # the last frame alone
                continue
            if own and region[0] - own[-1][1] < gap:
                own[-1] = own[-1][0], region[1]
            else:
                own.append(region)
        result += [(start, end, cluster) for start, end in own if end - start >= shortest]
    return sorted(result)
