"""Grids on a Ray cluster and on Slurm: what is killed there is done again elsewhere, and the board is the same."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.grids.test_grid_run import HOW, OUT, board, done, planned
from voxboard.cli import main
from voxboard.errors import UserError
from voxboard.grids import scheduler, worker
from voxboard.grids.engine import ATTEMPTS, Resources, WorkerVanished, work_off
from voxboard.grids.job import Result, go_on
from voxboard.grids.plan import Job
from voxboard.grids.slurm import SlurmTask
from voxboard.grids.workspace import Workspace

LONG = {"nb_total_step = 4": "nb_total_step = 200", "nb_steps_eval = 2": "nb_steps_eval = 20"}
PATIENCE = 600.0  # seconds


class Flaky:
    """An engine whose processes vanish, the first few times."""

    about = ""

    def __init__(self, at_once: int, vanish: dict[str, int]) -> None:
        self.at_once, self._vanish = at_once, vanish
        self._jobs: dict[str, Job] = {}
        self.attempts: list[tuple[str, int]] = []
        self.most = 0

    def submit(self, job: Job, attempt: int) -> str:
        self.attempts.append((job.staging, attempt))
        self._jobs[job.staging] = job
        return job.staging

    def ended(self, tickets: Sequence[str]) -> Sequence[str]:
        self.most = max(self.most, len(tickets))
        return tickets[-1:]

    def results(self, ticket: str) -> list[Result]:
        left = self._vanish.get(ticket, 0)
        self._vanish[ticket] = left - 1
        if left > 0:
            raise WorkerVanished("gone")
        return [Result(named.id, True, named.id) for named in self._jobs[ticket].cells]

    def close(self) -> None:
        pass


def test_a_job_that_vanishes_is_tried_again_at_the_end_and_given_up_in_the_end(grid: Path) -> None:
    jobs = planned()
    first, second, bank = (job.staging for job in jobs)
    engine = Flaky(1, {first: 1, bank: ATTEMPTS})
    found = list(work_off(engine, jobs))
    assert engine.attempts == [(first, 1), (second, 1), (bank, 1), (first, 2), (bank, 2), (bank, 3)]
    assert [(each.job.staging, bool(each.results), each.again) for each in found] == [
        (first, False, True),
        (second, True, False),
        (bank, False, True),
        (first, True, False),
        (bank, False, True),
        (bank, False, False),
    ]
    assert engine.most == 1
    everything = Flaky(0, {})
    assert len(list(work_off(everything, jobs))) == everything.most == 3


def test_what_an_earlier_attempt_has_finished_is_not_done_again(grid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, job = Workspace(OUT), planned()[-1]
    assert [result.well for result in go_on(job, workspace, HOW)] == [True, True]
    first, other = (named.id for named in job.cells)
    # The attempt was killed after it had staged both records and filed the first.
    staged = workspace.staging / job.staging
    staged.parent.mkdir(exist_ok=True)
    (workspace.records / other).rename(staged)
    calls: list[Job] = []
    monkeypatch.setattr("voxboard.grids.job.carry_out", lambda job, workspace, how: calls.append(job) or [])
    assert {result.cell for result in go_on(job, workspace, HOW)} == {first, other}
    assert calls == []
    (workspace.records / other).rename(workspace.root / "away")
    assert [result.cell for result in go_on(job, workspace, HOW)] == [first]
    assert [[named.id for named in left.cells] for left in calls] == [[other]]


def test_an_order_counts_until_another_attempt_or_another_start(grid: Path) -> None:
    workspace, (job, other, _) = Workspace(OUT), planned()
    workspace.root.mkdir(parents=True)
    orders = worker.Orders(workspace)
    first, beside = orders.order(job, 1), orders.order(other, 1)
    assert first.wait == 0
    assert first.counts(workspace)
    second = orders.order(job, 2)
    assert second.wait == worker.GRACE
    assert (first.counts(workspace), second.counts(workspace), beside.counts(workspace)) == (False, True, True)
    # That start is killed: the next one gives its workers time to see that they are not meant.
    killed = worker.Orders(workspace).order(job, 1)
    assert 0 < killed.wait <= worker.GRACE
    assert not second.counts(workspace)
    assert not beside.counts(workspace)
    last = worker.Orders(workspace)
    last.close(well=True)
    assert not killed.counts(workspace)
    assert worker.Orders(workspace).order(job, 1).wait == 0
    workspace.post(worker.NAME, "{")
    assert worker.Orders(workspace).order(job, 1).wait > 0


def test_a_machine_that_would_make_other_numbers_refuses(grid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, job = Workspace(OUT), planned()[0]
    workspace.root.mkdir(parents=True)
    orders = worker.Orders(workspace)
    worker._names.cache_clear()
    monkeypatch.setattr("voxboard.grids.identity.Names.code", lambda names, cell: "0" * 64)
    with pytest.raises(UserError, match="other code or another corpus"):
        worker.work(job, workspace, HOW, orders.order(job, 1))
    with pytest.raises(UserError, match="does not see"):
        worker.work(job, Workspace(grid / "elsewhere"), HOW, orders.order(job, 1))
    worker._names.cache_clear()


def test_mistakes_are_named(grid: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", str(grid))
    words = ["grid", "run", "g.toml", "--cluster"]
    for more, said in (
        (["slrm"], "slurm"),
        (["slurm"], "no sbatch"),
        (["slurm-local", "--gpus", "0.5"], "whole GPUs"),
        (["slurm-local", "--slurm", "time=1-0"], "number of minutes"),
        (["local", "--device", "cuda"], "--gpus 1"),
        (["local", "--device", "0"], "GPU of this machine"),
    ):
        assert main([*words, *more]) == 2
        assert said in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert main([*words, "slurm-local"]) == 2
    assert "voxboard[slurm]" in capsys.readouterr().err


def test_slurm_is_asked_for_what_a_job_needs(grid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit", reason="submitit is an extra")
    commands = grid / "bin"
    commands.mkdir()
    for name, text in (
        ("sbatch", 'cp "$1" asked; echo Submitted batch job 7'),
        ("scancel", 'echo "$1" > cancelled'),
        ("srun", ""),
        ("sacct", ""),
    ):
        (commands / name).write_text(f"#!/bin/sh\n{text}\n")
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(commands), prepend=os.pathsep)
    words = ("partition=gpu", "time=240", "exclusive")
    job, workspace = planned()[0], Workspace(OUT)
    workspace.root.mkdir(parents=True)
    engine = scheduler.engine_of(Resources("slurm", 5, 1, 32, words), workspace, HOW, 0, print)
    engine.submit(job, 1)
    asked = (grid / "asked").read_text().splitlines()
    for word in ("cpus-per-task=5", "gpus-per-node=1", "mem=32GB", "partition=gpu", "time=240", "exclusive"):
        assert f"#SBATCH --{word}" in asked
    engine.close()
    assert (grid / "cancelled").read_text() == "7\n"
    assert not json.loads((OUT / worker.NAME).read_text())["ended_well"]


def test_a_slurm_job_that_is_interrupted_goes_on_a_number_of_times(grid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit", reason="submitit is an extra")
    workspace, job = Workspace(OUT), planned()[0]
    workspace.root.mkdir(parents=True)
    task = SlurmTask(job, workspace, HOW, worker.Orders(workspace).order(job, 1), left=1)
    again = task.checkpoint()
    assert (again.function, again.function.left) == (task, 0)
    monkeypatch.setattr(os, "_exit", sys.exit)
    with pytest.raises(SystemExit):
        task.checkpoint()


_WHOLE: list[Any] = []


@pytest.fixture
def whole(grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The board of a grid with longer runs that nobody disturbed; then the folder of another start of it."""
    text = (grid / "g.toml").read_text()
    for old, new in LONG.items():
        text = text.replace(old, new)
    (grid / "g.toml").write_text(text)
    if not _WHOLE:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # as workers have
        assert all(done(planned()))
        torch.set_num_threads(threads)
        _WHOLE.append(board())
    again = tmp_path / "again"
    again.mkdir()
    (again / "g.toml").write_text(text)
    monkeypatch.chdir(again)
    return _WHOLE[0]


def filed() -> int:
    """How many cells are done."""
    return len(list(OUT.glob("records/*/*/*.json")))


def under_way() -> bool:
    """Whether the runs are between two checkpoints, and nothing else is at work."""
    return filed() == 2 and bool(list(OUT.glob("runs/*/last.safetensors")))


def processes(title: str, parent: int = 0) -> list[int]:
    """Processes with a text in their command line, children of one."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                above = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # it has ended
                continue
            if title in command and parent in (0, above):
                found.append(int(folder.name))
    return found


def disturb(kill: Callable[[], bool]) -> threading.Thread:
    """Calls `kill` once there is something to disturb, until it says that it has."""

    def watch() -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and filed() < 4 and not (under_way() and kill()):
            time.sleep(0.01)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def killed(title: str, parent: int = 0) -> bool:
    """Kills the processes with a text in their command line; returns whether there were any."""
    found = processes(title, parent)
    for process in found:
        os.kill(process, signal.SIGKILL)
    return bool(found)


def run(cluster: str, said: list[str]) -> bool:
    """Carries the grid out on a cluster; returns whether all cells are done."""
    from voxboard.grids import Grid

    workspace = Workspace(OUT)
    with workspace.locked():
        plan = scheduler.run(Grid.load("g.toml").cells(), workspace, HOW, 0, said.append, resources=Resources(cluster))
    return not plan.having("missing", "failed")


def check(said: list[str], whole: Any) -> None:
    """Nothing is lost, nothing is done twice, and the run that was killed went on where it was."""
    assert [line.split()[:2] for line in said].count(["once", "more"]) == 1, said
    assert sum(line.startswith("EER") for line in said) == 4
    assert board() == whole
    steps = [json.loads(line)["step"] for line in next(OUT.glob("runs/*/metrics.jsonl")).read_text().splitlines()]
    assert steps == sorted(steps)


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A Ray cluster: a head on which nothing is carried out, and two nodes of one core."""
    pytest.importorskip("ray", reason="Ray is an extra")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    store = 80 * 2**20
    quick = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 6}
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": store, "_system_config": quick}
    made = Cluster()
    try:
        made.add_node(**head)
        for _ in range(2):
            made.add_node(wait=False, num_cpus=1, object_store_memory=store)
        made.wait_for_nodes(PATIENCE)
        yield made
    finally:
        made.shutdown()


@pytest.mark.slow
def test_cells_of_a_ray_node_that_dies_are_done_on_another(whole: Any, cluster: Any) -> None:
    def kill() -> bool:
        for node in cluster.worker_nodes:
            (raylet,) = node.all_processes["raylet"]
            if processes("ray::work", raylet.process.pid):
                cluster.remove_node(node, allow_graceful=False)
                return True
        return False

    said: list[str] = []
    thread = disturb(kill)
    assert run(cluster.address, said)
    thread.join()
    assert len(cluster.worker_nodes) == 1
    check(said, whole)
    assert json.loads((OUT / worker.NAME).read_text())["ended_well"]


@pytest.mark.slow
def test_a_slurm_job_that_is_killed_is_submitted_again(whole: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    submitit = pytest.importorskip("submitit", reason="submitit is an extra")
    # It waits for file systems that are slow to show the result of a job.
    monkeypatch.setattr(submitit.core.core.Job, "_results_timeout_s", 0.1)
    said: list[str] = []
    thread = disturb(lambda: killed(f"submitit.core._submit {Path.cwd()}"))
    assert run("slurm-local", said)
    thread.join()
    check(said, whole)
    assert json.loads((OUT / worker.NAME).read_text())["ended_well"]
    (log,) = (OUT / "slurm").glob("*/*/*.err")
    assert str(log.name) in " ".join(said)


@pytest.mark.slow
def test_the_job_of_a_process_that_is_killed_is_done_by_another(whole: Any) -> None:
    said: list[str] = []
    thread = disturb(lambda: killed("multiprocessing.spawn", os.getpid()))
    assert run("", said)
    thread.join()
    check(said, whole)
