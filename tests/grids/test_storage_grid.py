"""A grid in an object store, on which machines work that share no disk: each has a cache folder of its own here."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from voxboard import records, storage
from voxboard.cli import main
from voxboard.grids import Grid, lease, plan, remote_workspace, reproducible_board, worker
from voxboard.grids.job import go_on, record_failure
from voxboard.grids.plan import Job, RunSettings
from voxboard.grids.remote_workspace import RemoteWorkspace, workspace_at
from voxboard.grids.workspace import Workspace
from voxboard.storage import Store
from voxboard.training.checkpoint import load
from voxboard.training.trainee import Trainee

Turn = Callable[[str], None]
HOW = RunSettings("tiny", "cpu")
RUN = ["g.toml", "--device", "cpu", "--jobs", "1", "--out"]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Turn:
    """Called with a name, goes on as a machine that has nothing yet but what it has cached earlier."""

    def turn(name: str) -> None:
        monkeypatch.setenv("VOXBOARD_CACHE", str(tmp_path / "machines" / name))

    turn("first")
    return turn


@pytest.fixture(params=["file", pytest.param("s3", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"file://{tmp_path}/store/tiny" if request.param == "file" else f"{request.getfixturevalue('s3')}/tiny"


def jobs(workspace: Workspace, *states: str) -> list[Job]:
    found = plan.make(Grid.load("g.toml").cells(), workspace)
    return plan.jobs([cell for cell in found.cells if not states or found.state(cell) in states], workspace, HOW)


def done(jobs: list[Job], workspace: Workspace) -> list[bool]:
    return [result.well for job in jobs for result in go_on(job, workspace, HOW)]


def board(workspace: Workspace) -> tuple[dict[str, str], dict[str, object]]:
    """The board without times, and the digests of all weights and inputs."""
    found = records.scan(workspace.records)
    return reproducible_board.files(found), {
        filed.path.partition("/")[0]: filed.record.provenance.digests for filed in found
    }


def lasting(url: str) -> dict[str, str]:
    """What is in a store, but for its leases."""
    return {name: tag for name, tag in Store(url).names().items() if not name.startswith("lease/")}


def start_and_kill(url: str, folder: Path) -> None:
    """Starts a grid in another process, and kills it when its first cell is done."""
    code = "import sys; from voxboard.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "grid", "run", *RUN, url]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 600
    while not Store(url).names("records/") and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    said = process.communicate()[1]
    assert process.returncode == -signal.SIGKILL, said


def run_out(store: Store) -> None:
    """Lets the time of a lease pass that nobody keeps up any more."""
    held = json.loads(store.read("lease/00000001.json") or b"")
    assert held["until"] > time.time()
    store.write("lease/00000001.json", json.dumps({**held, "until": time.time() - 1}).encode())


@pytest.mark.slow
def test_a_grid_whose_machine_died_goes_on_on_another_and_ends_as_one_in_a_folder(
    grid: Path, s3: str, machine: Turn, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{s3}/grids/tiny"
    start_and_kill(url, grid)
    machine("second")
    # Whose lease has not run out keeps others off.
    assert main(["grid", "run", *RUN, url]) == 2
    assert "its lease runs until" in capsys.readouterr().err
    plain = Workspace(grid / "plain")
    assert all(done(jobs(plain), plain))
    run_out(Store(url))
    workspace = workspace_at(url)
    with workspace.locked():
        workspace.take_over()
        filed = len(list(workspace.records.glob("*/*/*.json")))
        assert 0 < filed < 4
        missing = jobs(workspace, "missing")
        assert sum(len(job.cells) for job in missing) == 4 - filed
        assert all(done(missing, workspace))
    machine("third")
    assert main(["grid", "run", *RUN, url]) == 0
    assert "0 of 4 cells to do" in capsys.readouterr().err
    assert board(workspace_at(url)) == board(plain)
    # All that others may need is there, and nothing that only going on would need.
    names = set(Store(url).names())
    assert {name.split("/")[1] for name in names if name.startswith("runs/")} == set(os.listdir(plain.runs))
    for run in os.listdir(plain.runs):
        assert {
            f"runs/{run}/{file}" for file in ("config.json", "labels.json", "speakers.json", "metrics.jsonl")
        } < names
        assert f"runs/{run}/best.safetensors" in names
    assert not any("last." in name for name in names)
    assert {f"board/{name}" for name in ("index.html", "leaderboard.json")} < names


def test_a_cell_set_aside_is_missing_on_every_machine(grid: Path, url: str, machine: Turn) -> None:
    first = workspace_at(url)
    (job,) = (job for job in jobs(first) if job.bank)
    assert all(done([job], first))
    cell, other = (named.id for named in job.cells)
    machine("second")
    second = workspace_at(url)
    with second.at_hand([], [cell, other]):
        assert second.record(cell) is not None
    first.set_aside(cell, run=True)
    assert first.record(cell) is None
    with second.at_hand([cell], [other]):
        assert second.record(cell) is None
        assert os.listdir(second.runs / other)
        assert not (second.runs / cell).exists()


def test_a_second_night_changes_nothing_on_whatever_machine(grid: Path, url: str, machine: Turn) -> None:
    workspace = workspace_at(url)
    assert all(done(jobs(workspace), workspace))
    night = ["nightly", *RUN, url]
    machine("second")
    assert main(night) == 0
    first = lasting(url)
    assert {"board/changes.md", "last-night.json"} < set(first)
    machine("third")
    assert main(night) == 0
    assert lasting(url) == first


def test_a_place_that_travels_has_its_copy_where_it_arrives(grid: Path, machine: Turn) -> None:
    workspace = workspace_at("s3://bucket/tiny/")
    packed = pickle.dumps(workspace)
    machine("second")
    there = pickle.loads(packed)
    assert isinstance(there, RemoteWorkspace)
    assert (there.url, str(there)) == ("s3://bucket/tiny", "s3://bucket/tiny")
    assert there.root != workspace.root
    assert there == workspace_at("s3://bucket/tiny")
    plain = workspace_at("some/folder")
    assert type(plain) is Workspace
    assert pickle.loads(pickle.dumps(plain)) == Workspace(Path("some/folder"))


def test_a_worker_on_another_machine_needs_nothing_but_the_url(grid: Path, url: str, machine: Turn) -> None:
    workspace = workspace_at(url)
    job = jobs(workspace)[0]
    order = worker.Orders(workspace).order(job, 1)
    machine("second")
    there = pickle.loads(pickle.dumps(workspace))
    assert order.counts(there)
    assert [result.well for result in worker.work(job, there, HOW, order)] == [True]
    machine("first")
    workspace.pull()
    assert workspace.record(job.cells[0].id) == there.record(job.cells[0].id)
    worker.Orders(workspace)
    assert not order.counts(there)


def test_a_run_that_was_interrupted_goes_on_on_another_machine(
    grid: Path, url: str, machine: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, workspace = Workspace(grid / "plain"), workspace_at(url)
    (job,) = [job for job in jobs(workspace) if job.bank]
    assert all(done([job], plain))
    steps: list[int] = []
    take = Trainee.take

    def preempted(self: Trainee, *args: object) -> None:
        """After the first validation, waits for both checkpoints to be in the store; then the machine goes."""
        until = time.monotonic() + 30
        while self.step == 2 and time.monotonic() < until:
            sent = [name for name in workspace.store.names("runs/") if name.endswith("/last.safetensors")]
            if len(sent) == 2:
                raise KeyboardInterrupt
            time.sleep(0.02)
        take(self, *args)

    def counted(self: Trainee, *args: object) -> None:
        steps.append(self.step)
        take(self, *args)

    monkeypatch.setattr(remote_workspace, "PUSH_SECONDS", 0.05)
    monkeypatch.setattr(Trainee, "take", preempted)
    with pytest.raises(KeyboardInterrupt):
        go_on(job, workspace, HOW)
    assert workspace.store.names("records/") == {}
    machine("second")
    monkeypatch.setattr(Trainee, "take", counted)
    workspace = workspace_at(url)
    assert all(done([job], workspace))
    assert steps == [2, 2, 3, 3]
    cells = [named.id for named in job.cells]
    expected = {cell: plain.record(cell).provenance.digests for cell in cells}
    assert {cell: workspace.record(cell).provenance.digests for cell in cells} == expected
    assert not any("last." in name for name in workspace.store.names())


def test_the_run_of_a_base_comes_when_it_is_needed_whatever_an_earlier_attempt_left(
    grid: Path, url: str, machine: Turn
) -> None:
    workspace = workspace_at(url)
    (job,) = [job for job in jobs(workspace) if job.bank]
    assert all(done([job], workspace))
    base, other = (named.id for named in job.cells)
    machine("second")
    there = workspace_at(url)
    stale = there.runs / base
    stale.mkdir(parents=True)
    best = workspace.runs / base / "best.safetensors"
    (stale / "best.safetensors").write_bytes(bytes(best.stat().st_size))
    with there.at_hand([], [base]):
        assert (stale / "best.safetensors").read_bytes() == best.read_bytes()
        assert load(stale / "best.safetensors")[1]["step"]
        assert there.record(base) == workspace.record(base)
        assert not (there.runs / other).exists()


def test_of_two_machines_that_do_the_same_cell_the_first_counts(grid: Path, url: str, machine: Turn) -> None:
    job = jobs(workspace_at(url))[0]
    for name in ("first", "second"):
        machine(name)
        workspace = workspace_at(url)
        found = records.load(workspace.root) if workspace.root.is_dir() else []
        assert found == []
        assert done([job], workspace) == [True]
    machine("first")
    assert len(Store(url).names("records/")) == 1
    assert board(workspace) == board(workspace_at(url))


def test_a_success_takes_the_place_of_a_failure_that_another_machine_had(grid: Path, url: str, machine: Turn) -> None:
    workspace = workspace_at(url)
    (named,) = jobs(workspace)[0].cells
    record_failure(replace(named, id=f"{named.key}-00000000"), workspace, HOW, "no luck with older code")
    record_failure(named, workspace, HOW, "no luck")
    assert len(Store(url).names("records/")) == 1
    machine("second")
    assert done([Job((named,))], workspace_at(url)) == [True]
    machine("first")
    workspace.pull()
    assert [record.status for record in records.load(workspace.records)] == ["ok"]
    assert len(Store(url).names("records/")) == 1


def test_commands_that_read_a_grid_take_its_url(
    grid: Path, s3: str, machine: Turn, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{s3}/tiny"
    assert main(["grid", "status", "g.toml", "--out", url]) == 3
    assert main(["grid", "run", "g.toml", "--device", "cpu", "--dry_run", "--out", url]) == 0
    assert "4 of 4 cells to do" in capsys.readouterr().out
    assert Store(url).names() == {}
    workspace = workspace_at(url)
    assert all(done(jobs(workspace), workspace))
    machine("second")
    assert main(["grid", "status", "g.toml", "--out", url]) == 0
    assert "4 cells: 4 done" in capsys.readouterr().out
    assert main(["board", "--records", f"{url}/records", "--out", "board", "--json"]) == 0
    assert "ecapa" in capsys.readouterr().out
    assert (grid / "board/index.html").is_file()
    assert main(["compare", f"{url}/records", str(workspace.records), "--replicates", "100", "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert compared["vanished"] == []
    assert {row["difference"]["value"] for row in compared["rows"]} == {0.0}
    assert all(row["paired"] for row in compared["rows"])
    run = next(name.split("/")[1] for name in workspace.store.names("runs/"))
    cross = ["grid", "cross", run, "--runs_dir", f"{url}/runs", "--on", "c", "--device", "cpu", "--replicates", "50"]
    assert main([*cross, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["numbers"][0]["run"] == run


def test_a_plain_folder_needs_no_store(grid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: object) -> None:
        raise AssertionError

    monkeypatch.setattr(storage.Store, "__init__", refused)
    monkeypatch.setattr(lease, "held", refused)
    workspace = workspace_at("results/grids/tiny")
    with workspace.locked():
        assert all(done(jobs(workspace)[:1], workspace))
        workspace.pull()
        workspace.publish(workspace.records)
        workspace.fetch(workspace.records)
    assert len(records.load(workspace.records)) == 1
