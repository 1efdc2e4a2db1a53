"""Jobs in processes of their own, several at a time; each leaves its cells' records behind as it ends."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, parent_process
from typing import TYPE_CHECKING

from voxboard.grids import plan as planning
from voxboard.grids.place import Place
from voxboard.grids.plan import How, Job, Plan
from voxboard.grids.spec import Cell

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from voxboard.grids.work import Result

Say = Callable[[str], None]
MOST_JOBS = 4  # a small cell needs less than a gigabyte


def run(cells: Sequence[Cell], place: Place, how: How, at_once: int, say: Say, retry: bool = False) -> Plan:
    """Carries out what has no record yet, and with `retry` what failed. Returns what is known of the cells then.

    The caller holds the place's lock.
    """
    place.take_over()
    plan = planning.make(cells, place)
    todo = plan.having("missing", "failed") if retry else plan.having("missing")
    at_once = at_once or jobs_at_once(how.device)
    say(f"{len(todo)} of {len(plan.cells)} cells to do, {at_once} at a time")
    # Some take weights from the runs of others.
    for part in ([c for c in todo if not c.base], [c for c in todo if c.base]):
        _carried_out(planning.jobs(part, place, how), place, how, at_once, say)
    return planning.make(cells, place)


def jobs_at_once(device: str) -> int:
    """One job per core, at most 4; one on a GPU."""
    import torch

    if device not in ("auto", "cpu") or (device == "auto" and torch.cuda.is_available()):
        return 1
    return max(1, min(torch.get_num_threads(), MOST_JOBS))


def _carried_out(jobs: Sequence[Job], place: Place, how: How, at_once: int, say: Say) -> None:
    if not jobs:
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(at_once, mp_context=context, initializer=_settle, initargs=(place,)) as pool:
        running = {pool.submit(_job, job, place, how): job for job in jobs}
        try:
            for done in as_completed(running):
                _tell(done, running[done], say)
        except BaseException:
            # Interrupted: what is at work would go on to its end, and what waits would follow.
            pool.shutdown(wait=False, cancel_futures=True)
            for process in active_children():
                process.terminate()
            raise


def _tell(done: Future[list[Result]], job: Job, say: Say) -> None:
    try:
        for result in done.result():
            say(result.line)
    except BrokenProcessPool:
        # Out of memory, most likely: nothing is recorded, so that the next start tries again.
        say(f"{'not done':28}a worker process ended: {', '.join(cell.id for cell in job.cells)}")


def _job(job: Job, place: Place, how: How) -> list[Result]:
    from voxboard.grids.work import carry_out

    return carry_out(job, place, how)


def _settle(place: Place) -> None:
    """Readies a worker: one thread, which gives the same bits on every machine, and an end when the start ends."""
    import torch

    torch.set_num_threads(1)
    place.join_workers()
    parent = parent_process()
    assert parent is not None

    def end_with(other: BaseProcess) -> None:
        other.join()
        os._exit(1)

    threading.Thread(target=end_with, args=(parent,), daemon=True).start()
