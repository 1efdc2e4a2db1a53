"""Progress of long work, on stderr, for people: nothing where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from voxboard import parallel


@contextmanager
def bar(title: str, total: float, enabled: bool = True, unit: str = "it") -> Iterator[Callable[[float], None]]:
    """A progress bar; the value is a function that advances it."""
    if not enabled or not parallel.first() or not sys.stderr.isatty():
        yield lambda amount: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from voxboard.console import Console

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit, markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda amount: progress.advance(task, amount)
