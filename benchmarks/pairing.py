"""Pairing: the difference of two systems from raw outputs, row by row, so that items are resampled in pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Statistic:
    """A metric as a function of columns of the rows."""

    of: Callable[..., float]  # columns [U], one array each → the metric's value
    columns: tuple[str, ...]  # keys of the rows, in the function's order


@dataclass(frozen=True)
class Pairing:
    """The metrics that follow from `<kind>-<stem>.jsonl` as `Benchmark.save` writes it: an object per utterance.

    Each has the utterance's `id` and the columns of the statistics.
    """

    kind: str  # no other task's
    statistics: Mapping[str, Statistic]  # metric id → how it follows
    same: tuple[str, ...] = ()  # keys that must agree for two files to be of the same items: "truth"
