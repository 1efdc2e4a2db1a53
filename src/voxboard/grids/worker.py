"""A job on another machine, or in a process that may outlive the start of the grid.

What a job writes is whole or not there, and named by what it is, so a job that is done twice ends as one that is done
once. Two that do it at the same time could still harm each other: one may test the best weights that the other, behind
it, has just put in their place. A lock of the file system does not keep them apart, because it does not reach across
machines everywhere. So the start says in the workspace which attempt at which job counts. A worker looks every other
second, and ends itself when it is not meant any more; whoever comes after it gives it time for that.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from voxboard.data import audio_roots
from voxboard.errors import UserError

if TYPE_CHECKING:
    from voxboard.grids.identity import Names
    from voxboard.grids.job import Result
    from voxboard.grids.plan import Job, RunSettings
    from voxboard.grids.workspace import Workspace

NAME = ".start"
LOOK = 2.0  # seconds between two looks
GRACE = 5.0  # seconds in which one that is not meant any more has looked, and ended
CARRIED = ("VOXBOARD_CORPORA",)  # environment variables that the workers need as the start has them


@dataclass(frozen=True)
class Order:
    """Context of a job on a worker: the start and attempt it works for, and the folder."""

    start: str
    job: str
    attempt: int
    folder: str  # where the start works: relative paths begin there
    environment: tuple[tuple[str, str], ...]
    wait: float = 0.0  # seconds for the one before to end

    def counts(self, workspace: Workspace) -> bool:
        """True if the attempt has not been replaced by another."""
        text = workspace.posted(NAME)
        if text is None:
            return False
        order = json.loads(text)
        return bool(order["start"] == self.start and order["again"].get(self.job, 1) == self.attempt)


class Orders:
    """Says which attempts count, for as long as the start is at work."""

    def __init__(self, workspace: Workspace) -> None:
        self.start = secrets.token_hex(8)
        self._workspace = workspace
        self._again: dict[str, int] = {}
        before = workspace.posted(NAME)
        # The workers of a start that was killed may be at work, or wait in a queue.
        self._free = time.monotonic() + (0.0 if before is None or _ended_well(before) else GRACE)
        self._say(self.start)

    def order(self, job: Job, attempt: int) -> Order:
        """Return the order for the worker of a job."""
        if attempt > 1:
            self._again[job.staging] = attempt
            self._say(self.start)
        environment = (
            *((key, os.environ[key]) for key in CARRIED if key in os.environ),
            (audio_roots.VARIABLE, os.pathsep.join(audio_roots.trusted())),  # another machine has another home
        )
        wait = GRACE if attempt > 1 else max(0.0, self._free - time.monotonic())
        return Order(self.start, job.staging, attempt, os.getcwd(), environment, wait)

    def close(self, well: bool) -> None:
        """Nothing counts any more; `well`: nothing is at work either."""
        self._say("", well)

    def _say(self, start: str, well: bool = False) -> None:
        self._workspace.post(NAME, json.dumps({"start": start, "again": self._again, "ended_well": well}))


def _ended_well(text: str) -> bool:
    try:
        return bool(json.loads(text)["ended_well"])
    except ValueError:  # killed as it was writing
        return False


def work(job: Job, workspace: Workspace, how: RunSettings, order: Order) -> list[Result]:
    """Carry out what is left of a job. Raises `UserError` where this machine would make other numbers."""
    os.environ.update(order.environment)
    with suppress(FileNotFoundError):  # machines with a workspace at a URL need not have it
        os.chdir(order.folder)
    if not order.counts(workspace):
        raise UserError(
            f"{platform.node()} does not see {workspace}, or another start works there now.",
            "Start the grid in a folder that all machines share, or give --out a URL.",
        )
    import torch

    from voxboard.grids.job import go_on

    torch.set_num_threads(1)
    with _while_it_counts(order, workspace):
        time.sleep(order.wait)
        _check(job)
        return go_on(job, workspace, how)


@contextmanager
def _while_it_counts(order: Order, workspace: Workspace) -> Iterator[None]:
    """End the process when another start or attempt has taken over."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK):
            # What is out of reach or just being written says nothing.
            with suppress(OSError, ValueError, UserError):
                if not order.counts(workspace):
                    os._exit(1)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _check(job: Job) -> None:
    """Raise `UserError` where the code or the corpus is not that of the machine that named the cells."""
    if any(_names().named(named.cell).id != named.id for named in job.cells):
        raise UserError(
            f"{platform.node()} has other code or another corpus than the machine that started the grid.",
            "Bring them up to date.",
        )


@cache
def _names() -> Names:
    from voxboard.grids.identity import Names

    return Names()
