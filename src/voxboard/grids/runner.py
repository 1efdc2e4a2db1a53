"""A whole grid: what is missing of it is planned, handed to what carries jobs out, and told as it is done."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from voxboard.grids import engine
from voxboard.grids import plan as planning
from voxboard.grids.engine import Done, Resources, Say
from voxboard.grids.place import Place
from voxboard.grids.plan import How, Plan
from voxboard.grids.spec import Cell


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
        # Some take weights from the runs of others.
        for part in ([c for c in todo if not c.base], [c for c in todo if c.base]):
            for done in engine.work_off(engine_, planning.jobs(part, place, how)):
                _tell(done, say)
    place.take_over()  # outputs that others had filed already, and their folder
    place.pull()
    return planning.make(cells, place)


def _tell(done: Done, say: Say) -> None:
    for result in done.results:
        say(result.line)
    if done.lost:
        # Nothing is recorded, so that the next start tries again.
        word = "once more" if done.again else "not done"
        say(f"{word:28}{done.lost}: {', '.join(cell.id for cell in done.job.cells)}")
