"""A whole grid: plan the cells that are missing, hand them to an engine, and log each as it is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing

from voxboard.errors import unknown
from voxboard.grids import again
from voxboard.grids import plan as planning
from voxboard.grids.engine import Done, Engine, Resources, Say, work_off
from voxboard.grids.plan import Plan, RunSettings
from voxboard.grids.processes import Processes
from voxboard.grids.ray import Ray
from voxboard.grids.slurm import Slurm
from voxboard.grids.spec import Cell
from voxboard.grids.workspace import Workspace
from voxboard.progress import duration


def run(
    cells: Sequence[Cell],
    workspace: Workspace,
    how: RunSettings,
    at_once: int,
    say: Say,
    retry: bool = False,
    resources: Resources | None = None,
) -> Plan:
    """Carry out what has no record yet, and with `retry` what failed. Return the plan as it is then.

    With `how.strict`, also redo cells that were made with other versions of packages.

    `at_once` jobs at a time; 0: as many as this machine or the cluster has room for. The caller holds the lock of the
    workspace.
    """
    workspace.take_over()
    plan = planning.make(cells, workspace)
    todo = plan.todo(retry, how.strict)
    if not todo:
        say(f"0 of {len(plan.cells)} cells to do")
        return plan
    resources = resources or Resources()
    resources.check(how.device)
    with closing(engine_of(resources, workspace, how, at_once, say)) as engine:
        say(f"{len(todo)} of {len(plan.cells)} cells to do, {engine.about}")
        if how.strict:
            again.set_aside(plan, workspace)
        tally = Tally(len(todo))
        # Some take weights from the runs of others.
        for part in ([c for c in todo if not c.base], [c for c in todo if c.base]):
            for done in work_off(engine, planning.jobs(part, workspace, how)):
                _tell(done, tally, say)
    workspace.take_over()  # outputs that others had filed already, and their folder
    workspace.pull()
    return planning.make(cells, workspace)


def engine_of(resources: Resources, workspace: Workspace, how: RunSettings, at_once: int, say: Say) -> Engine:
    """Return the engine that `--cluster` names. Raises `UserError` for one unknown, absent or without its package."""
    word = resources.cluster
    if not word:
        return Processes(workspace, how, at_once)
    if word in ("slurm", "slurm-local"):
        return Slurm(resources, workspace, how, at_once)
    if word in ("local", "auto") or ":" in word:
        return Ray(resources, workspace, how, at_once, say)
    raise unknown("cluster", word, ["local", "auto", "ray://HOST:PORT", "slurm", "slurm-local"])


class Tally:
    """Count of the cells that are done, and the time left if the others take as long."""

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
