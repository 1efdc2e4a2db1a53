"""Labelled windows as turns: where windows overlap they vote."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from voxboard.diarization.windows import Window
from voxboard.metrics.rttm import Region, Turn

STEP = 0.01  # seconds between two ballots


def turns(regions: Sequence[Region], windows: Sequence[Window], labels: NDArray[np.intp], rate: int) -> list[Turn]:
    """Every instant of the regions gets one speaker, `speaker00`, `speaker01`, … by label; ascending by start.

    A window's vote falls linearly from its middle to its edges, so that of two that overlap the nearer one wins and
    three can outvote one. Turns of one speaker that touch are one.
    """
    result: list[Turn] = []
    numbered = zip(windows, labels.tolist(), strict=True)
    for region, own in groupby(numbered, key=lambda pair: pair[0].region):
        result += _region(regions[region], list(own), rate)
    return result


def _region(region: Region, own: Sequence[tuple[Window, int]], rate: int) -> list[Turn]:
    start, end = region
    speakers, columns = np.unique([label for _, label in own], return_inverse=True)
    times = start + STEP * np.arange(max(1, round((end - start) / STEP)))
    middles = times + STEP / 2
    votes = np.zeros((len(times), len(speakers)), np.float32)
    for (window, _), column in zip(own, columns.tolist(), strict=True):
        half = window.samples / rate / 2
        center = window.start / rate + half
        first, last = np.searchsorted(middles, (center - half, center + half))
        votes[first:last, column] += 1.0 - np.abs(middles[first:last] - center) / half
    winners = votes.argmax(axis=1)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(winners)) + 1])
    edges = [start, *times[starts[1:]].tolist(), end]
    names = [f"speaker{speakers[winner]:02}" for winner in winners[starts]]
    return list(zip(names, edges[:-1], edges[1:], strict=True))
