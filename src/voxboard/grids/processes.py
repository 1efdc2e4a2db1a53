"""Jobs in processes of this machine."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, parent_process
from typing import TYPE_CHECKING

from voxboard.grids.engine import WorkerVanished
from voxboard.grids.plan import Job, RunSettings
from voxboard.grids.workspace import Workspace

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from voxboard.grids.job import Result

    Ticket = Future[list[Result]]

MOST_JOBS = 4  # a small cell needs less than a gigabyte


class Processes:
    """A pool of processes, which is made anew when one of them was killed."""

    def __init__(self, workspace: Workspace, how: RunSettings, at_once: int = 0) -> None:
        self.at_once = at_once or default_at_once(how.device)
        self.about = f"{self.at_once} at a time"
        self._workspace, self._how = workspace, how
        self._pool = self._new()
        self._given: set[Ticket] = set()

    def _new(self) -> ProcessPoolExecutor:
        context = get_context("spawn")
        return ProcessPoolExecutor(self.at_once, mp_context=context, initializer=_settle, initargs=(self._workspace,))

    def submit(self, job: Job, attempt: int) -> Ticket:
        try:
            ticket = self._pool.submit(_job, job, self._workspace, self._how)
        except BrokenProcessPool:
            self._pool = self._new()
            ticket = self._pool.submit(_job, job, self._workspace, self._how)
        self._given.add(ticket)
        return ticket

    def ended(self, tickets: Sequence[Ticket]) -> Sequence[Ticket]:
        return list(wait(tickets, return_when=FIRST_COMPLETED).done)

    def results(self, ticket: Ticket) -> list[Result]:
        self._given.discard(ticket)
        try:
            return ticket.result()
        except BrokenProcessPool:
            # The pool does not say which of its processes it was; the others' jobs end with it.
            raise WorkerVanished("a worker process was killed, for want of memory most likely") from None

    def close(self) -> None:
        self._pool.shutdown(wait=not self._given, cancel_futures=True)
        if self._given:  # what is at work would go on to its end
            for process in active_children():
                process.terminate()


def default_at_once(device: str) -> int:
    """One job per core, at most 4; one on a GPU."""
    import torch

    if device not in ("auto", "cpu") or (device == "auto" and torch.cuda.is_available()):
        return 1
    return max(1, min(torch.get_num_threads(), MOST_JOBS))


def _job(job: Job, workspace: Workspace, how: RunSettings) -> list[Result]:
    from voxboard.grids.job import go_on

    return go_on(job, workspace, how)


def _settle(workspace: Workspace) -> None:
    """Ready a worker: one thread, which gives the same bits on every machine, and an end when the start ends."""
    import torch

    torch.set_num_threads(1)
    workspace.join_workers()
    parent = parent_process()
    assert parent is not None

    def end_with(other: BaseProcess) -> None:
        other.join()
        os._exit(1)

    threading.Thread(target=end_with, args=(parent,), daemon=True).start()
