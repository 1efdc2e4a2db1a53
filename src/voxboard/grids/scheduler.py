"""A whole grid: what is missing of it is planned, handed to what carries jobs out, and told as it is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing

from voxboard.grids import engine
from voxboard.grids import plan as planning
from voxboard.grids.engine import Done, Resources, Say
from voxboard.grids.plan import How, Plan
from voxboard.grids.spec import Cell
from voxboard.grids.workspace import Place
from voxboard.progress import duration


def run(
    cells: Sequence[Cell],
    place: Place,
    how: How,
    at_once: int,
    say: Say,
    retry: bool = False,
    resources: Resources | None = None,
) -> Plan:
    """Carries out what has no record yet, and with `retry` what failed. Returns what is known of the cells then.

    `at_once` jobs at a time; 0: as many as this machine or the cluster has room for. The caller holds the place's lock.
    """
    place.take_over()
    plan = planning.make(cells, place)
    todo = plan.having("missing", "failed") if retry else plan.having("missing")
    if not todo:
        say(f"0 of {len(plan.cells)} cells to do")
        return plan
    resources = resources or Resources()
    resources.check(how.device)
    with closing(engine.make(resources, place, how, at_once, say)) as engine_:
        say(f"{len(todo)} of {len(plan.cells)} cells to do, {engine_.about}")
        tally = Tally(len(todo))
        # Some take weights from the runs of others.
        for part in ([c for c in todo if not c.base], [c for c in todo if c.base]):
            for done in engine.work_off(engine_, planning.jobs(part, place, how)):
                _tell(done, tally, say)
    place.take_over()  # outputs that others had filed already, and their folder
    place.pull()
    return planning.make(cells, place)


class Tally:
    """How many cells are done, and how long the others will take if they are like these."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total, self._done = total, 0
        self._clock, self._started = clock, clock()

    def one_more(self) -> str:
        """Count a cell. Return `3/12`."""
        self._done += 1
        return f"{self._done}/{self._total}"

    def left(self) -> str:
        """Return `, about 4 min left`; nothing where nothing is left."""
        left = self._total - self._done
        if left <= 0 or not self._done:
            return ""
        return f", about {duration((self._clock() - self._started) / self._done * left)} left"


def _tell(done: Done, tally: Tally, say: Say) -> None:
    for result in done.results:
        say(f"{result.line} ({tally.one_more()}{tally.left()})")
    if done.lost:
        # Nothing is recorded, so that the next start tries again.
        word = "once more" if done.again else "not done"
        say(f"{word:28}{done.lost}: {', '.join(cell.id for cell in done.job.cells)}")
