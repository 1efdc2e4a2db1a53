"""Jobs as jobs of Slurm, through submitit; or as processes that submitit starts on this machine."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voxboard.errors import UserError
from voxboard.grids import worker
from voxboard.grids.engine import Resources, WorkerVanished, package
from voxboard.grids.plan import Job, RunSettings
from voxboard.grids.workspace import Workspace

if TYPE_CHECKING:
    from voxboard.grids.job import Result

MINUTES = 1440  # of a job, unless the user says otherwise
PAUSE = 0.5  # seconds between two looks; sacct is asked at most every other second, then less and less
INTERRUPTIONS = 20  # of a job, by other jobs that come before it or by its time limit
FOLDER = "slurm"
RULE = "-" * 22  # around the traceback in what submitit says


class Slurm:
    """A Slurm job per job. The folder `slurm` beside the records holds its log until the next start."""

    def __init__(self, resources: Resources, workspace: Workspace, how: RunSettings, at_once: int) -> None:
        submitit = package("submitit", "slurm")
        self.at_once, self.about = at_once, "as Slurm jobs"
        self._errors = submitit.core.utils
        self._workspace, self._how = workspace, how
        self._given: set[Any] = set()
        options = _options(resources.slurm)
        local = resources.cluster == "slurm-local"
        if not local and not shutil.which("sbatch"):
            raise UserError("There is no sbatch on this machine.", "Start the grid on one that submits to Slurm.")
        if resources.gpus != int(resources.gpus):
            raise UserError("Slurm gives whole GPUs only.", "Say --gpus 1.")
        self._orders = worker.Orders(workspace)
        self._folder = workspace.root.absolute() / FOLDER
        shutil.rmtree(self._folder, ignore_errors=True)
        # In a folder of this start: on one machine, what an earlier process has left may have the number of a new one.
        self._executor = submitit.AutoExecutor(
            self._folder / self._orders.start / "%j", cluster="local" if local else "slurm"
        )
        self._executor.update_parameters(
            name=f"voxboard-{how.grid}",
            timeout_min=int(options.pop("time", MINUTES)),
            cpus_per_task=resources.cpus,
            gpus_per_node=int(resources.gpus),
            slurm_additional_parameters=options,
            **({"mem_gb": resources.memory_gb} if resources.memory_gb else {}),
        )

    def submit(self, job: Job, attempt: int) -> Any:
        task = SlurmTask(job, self._workspace, self._how, self._orders.order(job, attempt))
        try:
            ticket = self._executor.submit(task)
        except self._errors.FailedJobError as error:
            raise UserError(
                f"sbatch refused a job: {_last_line(str(error))}", "Look at --slurm and its options."
            ) from error
        self._given.add(ticket)
        return ticket

    def ended(self, tickets: Sequence[Any]) -> Sequence[Any]:
        done = [ticket for ticket in tickets if ticket.done()]
        if not done:
            time.sleep(PAUSE)
        return done

    def results(self, ticket: Any) -> list[Result]:
        self._given.discard(ticket)
        try:
            outcome = list(ticket.result())
        except self._errors.FailedJobError as error:
            # The cell's own failures are among the results: this is a trouble of the machine.
            raise WorkerVanished(_last_line(str(error).split(RULE)[1])) from error
        except self._errors.UncompletedJobError as error:
            state = ticket.state.lower()
            raise WorkerVanished(f"job {ticket.job_id} left no result ({state}, {ticket.paths.stderr})") from error
        shutil.rmtree(ticket.paths.folder, ignore_errors=True)
        return outcome

    def close(self) -> None:
        self._orders.close(not self._given)
        for ticket in self._given:
            with suppress(Exception):  # the others are to end all the same
                ticket.cancel(check=False)
        home = self._folder / self._orders.start
        for folder in (home / "%j", home, self._folder):
            with suppress(OSError):  # logs of jobs that did not end well stay
                folder.rmdir()


@dataclass
class SlurmTask:
    """A job for submitit, which calls it, and asks it what to do instead when Slurm takes the machine away."""

    job: Job
    workspace: Workspace
    how: RunSettings
    order: worker.Order
    left: int = INTERRUPTIONS

    def __call__(self) -> list[Result]:
        return worker.work(self.job, self.workspace, self.how, self.order)

    def checkpoint(self) -> Any:
        """The same again: it goes on from its last checkpoint. Ends the process when that was often enough."""
        import submitit

        self.left -= 1
        if self.left < 0:
            os._exit(1)
        return submitit.helpers.DelayedSubmission(self)


def _options(words: Sequence[str]) -> dict[str, Any]:
    """`partition=gpu exclusive` → options of sbatch. Raises `UserError` for a time that is not in minutes."""
    options: dict[str, Any] = {}
    for word in words:
        key, given, value = word.removeprefix("--").partition("=")
        options[key] = value if given else True
    if not str(options.get("time", MINUTES)).isdecimal():
        raise UserError(f"--slurm time={options['time']} is not a number of minutes.", "Say time=120, for two hours.")
    return options


def _last_line(text: str) -> str:
    """Last line of a traceback."""
    return text.strip().rpartition("\n")[2]
