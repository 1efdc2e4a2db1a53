"""Regions of speech as windows of samples, which is what gets embedded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxboard.diarization.config import Diarization
from voxboard.metrics.rttm import Region

if TYPE_CHECKING:
    from lhotse.cut import Cut


class Window(NamedTuple):
    """`samples` from `start` on, at the recording's own rate, that speak for a part of region number `region`."""

    region: int
    start: int
    samples: int


def windows(regions: Sequence[Region], rate: int, total: int, settings: Diarization) -> list[Window]:
    """Windows over regions (seconds) of a recording of `total` samples at `rate`; every region has one or more.

    The last window of a region ends with it, so that all of equal length can be batched. A region that is shorter than
    a window has one, widened to `settings.shortest` on both sides where the recording allows.
    """
    if total <= 0:
        return []
    length, hop = max(1, round(settings.window * rate)), max(1, round(settings.hop * rate))
    shortest = min(round(settings.shortest * rate), length)
    windows: list[Window] = []
    for number, (start, end) in enumerate(regions):
        first, last = min(round(start * rate), total - 1), min(round(end * rate), total)
        if last - first <= length:
            size = min(max(last - first, shortest, 1), total)
            middle = (first + last - size) // 2
            windows.append(Window(number, min(max(middle, 0), total - size), size))
            continue
        starts = [*range(first, last - length, hop), last - length]
        windows += [Window(number, place, length) for place in starts]
    return windows


def founders(windows: Sequence[Window], rate: int, settings: Diarization) -> NDArray[np.bool_]:
    """Mask of the windows [W] that are long enough to found a speaker; all, where none is."""
    long = np.array([window.samples >= round(settings.founding * rate) for window in windows], np.bool_)
    return long if long.any() else ~long


def cuts(cut: Cut, windows: Sequence[Window]) -> list[Cut]:
    """A cut per window, named by its number, without supervisions."""
    from lhotse.utils import fastcopy

    bare = cut.drop_supervisions()
    rate = int(cut.sampling_rate)
    return [
        fastcopy(bare, id=f"{number:07}", start=cut.start + window.start / rate, duration=window.samples / rate)
        for number, window in enumerate(windows)
    ]
