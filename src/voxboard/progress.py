"""Progress of long work, on stderr: a bar on a terminal, elsewhere a line a minute."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from voxboard import parallel

EVERY = 60.0  # seconds between two lines where there is no terminal
Note = Callable[[], str]


class Advance(Protocol):
    """Tells that so much more is done; `note` says how it stands, where somebody sees it."""

    def __call__(self, amount: float, note: Note | None = None) -> None: ...


_part: ContextVar[str] = ContextVar("part", default="")


@contextmanager
def part(title: str) -> Iterator[None]:
    """Name what the bars inside the block belong to, such as "validation"."""
    token = _part.set(title)
    try:
        yield
    finally:
        _part.reset(token)


@contextmanager
def bar(title: str, total: float, enabled: bool = True, unit: str = "it") -> Iterator[Advance]:
    """Show progress; the value is a function that advances it. The first call may tell what was done before."""
    title = ", ".join(filter(None, [_part.get(), title]))
    if not enabled or not parallel.first():
        yield lambda amount, note=None: None
    elif sys.stderr.isatty():
        with _terminal(title, total, unit) as advance:
            yield advance
    else:
        yield Lines(title, total, unit)


@contextmanager
def _terminal(title: str, total: float, unit: str) -> Iterator[Advance]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from voxboard.console import Console

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit, markup=False),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=total, note="")
        pace = Pace()

        def advance(amount: float, note: Note | None = None) -> None:
            pace.add(amount)
            progress.update(task, advance=amount, note=", ".join(filter(None, [note and note(), pace.shown(unit)])))

        yield advance


class Pace:
    """Speed of the work since its first step in this process."""

    def __init__(self) -> None:
        self.done, self._before, self._started = 0.0, 0.0, time.monotonic()

    def add(self, amount: float) -> None:
        """Count what was done; what comes before the clock has moved was done earlier."""
        self.done += amount
        if self._seconds() < 1e-3:
            self._before = self.done

    def rate(self) -> float:
        """Units a second."""
        return (self.done - self._before) / max(self._seconds(), 1e-9)

    def shown(self, unit: str) -> str:
        """The rate in words, once there is one."""
        rate = self.rate()
        return f"{rate:.3g} {unit}/s" if rate > 0 else ""

    def _seconds(self) -> float:
        return time.monotonic() - self._started


class Lines:
    """A line a minute for logs: how far, how it stands, how fast, how long still."""

    def __init__(self, title: str, total: float, unit: str, every: float = EVERY) -> None:
        self._title, self._total, self._unit, self._every = title, total, unit, every
        self._pace, self._last = Pace(), time.monotonic()

    def __call__(self, amount: float, note: Note | None = None) -> None:
        self._pace.add(amount)
        if time.monotonic() - self._last < self._every:
            return
        self._last = time.monotonic()
        print(self.line(note() if note else ""), file=sys.stderr, flush=True)

    def line(self, note: str) -> str:
        """Return the line to print now."""
        left = (self._total - self._pace.done) / max(self._pace.rate(), 1e-9)
        parts = [f"{self._title}: {self._pace.done:,.0f} of {self._total:,.0f} {self._unit}", note]
        return ", ".join(filter(None, [*parts, self._pace.shown(self._unit), f"{duration(left)} left"]))


def duration(seconds: float) -> str:
    """A time in words: "40 s", "12 min", "3 h 20 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60:,} h {minutes % 60} min"
