"""Engines that carry out the jobs of a grid (local processes, a Ray cluster, Slurm), and the one loop around them."""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from voxboard.errors import UserError
from voxboard.limits import Count, NotNegative

if TYPE_CHECKING:
    from voxboard.grids.job import Result
    from voxboard.grids.plan import Job

ATTEMPTS = 3  # at a job whose process vanishes
Say = Callable[[str], None]


@dataclass(frozen=True)
class Resources:
    """Place where jobs are carried out, and the resources of each job there."""

    cluster: str = ""
    """Who carries out the jobs: nobody else (default), a Ray cluster, started here for it (local) or running (auto,
    HOST:PORT, ray://HOST:PORT), Slurm (slurm), or submitit's stand-in for Slurm on this machine (slurm-local)."""
    cpus: Count = 1
    """CPU cores that a job asks a cluster for. A job computes on one; more are for --workers."""
    gpus: NotNegative = 0.0
    """GPUs that a job asks a cluster for. Ray shares one among jobs that ask for a part, such as 0.25."""
    memory_gb: NotNegative = 0.0
    """Memory that a job asks a cluster for; 0 leaves it to the cluster."""
    slurm: tuple[str, ...] = ()
    """Options of sbatch as KEY=VALUE, such as partition=gpu account=voice. time=MINUTES is the limit of a job (default:
    1440); what needs longer is queued again and goes on from its last checkpoint."""

    def check(self, device: str) -> None:
        """Raise `UserError` for what no cluster can give."""
        if self.cluster and device.isdecimal():
            raise UserError(
                f"--device {device} is a GPU of this machine.", "On a cluster say --device cuda with --gpus 1."
            )
        if self.cluster and device == "cuda" and not self.gpus:
            raise UserError("--device cuda on a cluster needs GPUs.", "Ask for them: --gpus 1.")


class WorkerVanished(Exception):
    """The process that had a job ended without its results: killed, out of memory, or with its machine."""


class Engine(Protocol):
    """Carries out jobs somewhere, several at a time."""

    about: str  # for the log: "2 at a time"
    at_once: int  # jobs that it is given at a time; 0: all of them

    def submit(self, job: Job, attempt: int) -> Hashable:
        """Hand a job over. Returns a ticket for it."""

    def ended(self, tickets: Sequence[Any]) -> Sequence[Any]:
        """Wait a moment, and return the tickets of the jobs that have ended."""

    def results(self, ticket: Any) -> list[Result]:
        """Return the results of the cells of a job that has ended. Raises `Vanished`."""

    def close(self) -> None:
        """End what is still at work, and let go of everything."""


@dataclass(frozen=True)
class Done:
    """Outcome of a job: results, or the reason why there are none."""

    job: Job
    results: Sequence[Result] = ()
    lost: str = ""
    again: bool = False  # a lost job will be tried again


def work_off(engine: Engine, jobs: Sequence[Job]) -> Iterator[Done]:
    """Carry out jobs on an engine; a job whose process vanishes is tried again, at the end, a few times in all.

    The cluster's own repetition is not used: this one is the same everywhere, and is logged.
    """
    waiting = deque((job, 1) for job in jobs)
    under_way: dict[Hashable, tuple[Job, int]] = {}
    while waiting or under_way:
        while waiting and (not engine.at_once or len(under_way) < engine.at_once):
            job, attempt = waiting.popleft()
            under_way[engine.submit(job, attempt)] = job, attempt
        for ticket in engine.ended(list(under_way)):
            job, attempt = under_way.pop(ticket)
            try:
                done = Done(job, engine.results(ticket))
            except WorkerVanished as error:
                done = Done(job, lost=str(error), again=attempt < ATTEMPTS)
                if done.again:
                    waiting.append((job, attempt + 1))
            yield done


def package(name: str, extra: str) -> Any:
    """A package that an extra brings. Raises `UserError` where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"This cluster needs {name}, which is not installed.", f"Run: pip install 'voxboard[{extra}]'."
        ) from error
