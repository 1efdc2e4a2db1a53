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
from voxboard.grids.plan import How, Job
from voxboard.grids.remote_workspace import Shared
from voxboard.grids.workspace import Place
from voxboard.storage import Store
from voxboard.training.checkpoint import load
from voxboard.training.trainee import Trainee

Turn = Callable[[str], None]
HOW = How("tiny", "cpu")
RUN = ["g.toml", "--device", "cpu", "--jobs", "1", "--out"]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Turn:
    """Called with a name, goes on as a machine that has nothing yet but what it has cached earlier."""

    def turn(name: str) -> None:
        monkeypatch.setenv("VOXBOARD_CACHE", str(tmp_path / "machines" / name))

    turn("first")
    return turn


@pytest.fixture(params=["file", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"file://{tmp_path}/store/tiny" if request.param == "file" else f"{request.getfixturevalue('s3')}/tiny"


def jobs(place: Place, *states: str) -> list[Job]:
    found = plan.make(Grid.load("g.toml").cells(), place)
    return plan.jobs([cell for cell in found.cells if not states or found.state(cell) in states], place, HOW)


def done(jobs: list[Job], place: Place) -> list[bool]:
    return [result.well for job in jobs for result in go_on(job, place, HOW)]


def board(place: Place) -> tuple[dict[str, str], dict[str, object]]:
    """The board without times, and the digests of all weights and inputs."""
    found = records.scan(place.records)
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


def test_a_grid_whose_machine_died_goes_on_on_another_and_ends_as_one_in_a_folder(
    grid: Path, s3: str, machine: Turn, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{s3}/grids/tiny"
    start_and_kill(url, grid)
    machine("second")
    # Whose lease has not run out keeps others off.
    assert main(["grid", "run", *RUN, url]) == 2
    assert "its lease runs until" in capsys.readouterr().err
    plain = Place(grid / "plain")
    assert all(done(jobs(plain), plain))
    run_out(Store(url))
    place = Place.at(url)
    with place.locked():
        place.take_over()
        filed = len(list(place.records.glob("*/*/*.json")))
        assert 0 < filed < 4
        missing = jobs(place, "missing")
        assert sum(len(job.cells) for job in missing) == 4 - filed
        assert all(done(missing, place))
    machine("third")
    assert main(["grid", "run", *RUN, url]) == 0
    assert "0 of 4 cells to do" in capsys.readouterr().err
    assert board(Place.at(url)) == board(plain)
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


def test_a_second_night_changes_nothing_on_whatever_machine(grid: Path, url: str, machine: Turn) -> None:
    place = Place.at(url)
    assert all(done(jobs(place), place))
    night = ["nightly", *RUN, url]
    machine("second")
    assert main(night) == 0
    first = lasting(url)
    assert {"board/changes.md", "last-night.json"} < set(first)
    machine("third")
    assert main(night) == 0
    assert lasting(url) == first


def test_a_place_that_travels_has_its_copy_where_it_arrives(grid: Path, machine: Turn) -> None:
    place = Place.at("s3://bucket/tiny/")
    packed = pickle.dumps(place)
    machine("second")
    there = pickle.loads(packed)
    assert isinstance(there, Shared)
    assert (there.url, str(there)) == ("s3://bucket/tiny", "s3://bucket/tiny")
    assert there.root != place.root
    assert there == Place.at("s3://bucket/tiny")
    plain = Place.at("some/folder")
    assert type(plain) is Place
    assert pickle.loads(pickle.dumps(plain)) == Place(Path("some/folder"))


def test_a_worker_on_another_machine_needs_nothing_but_the_url(grid: Path, url: str, machine: Turn) -> None:
    place = Place.at(url)
    job = jobs(place)[0]
    order = worker.Orders(place).order(job, 1)
    machine("second")
    there = pickle.loads(pickle.dumps(place))
    assert order.counts(there)
    assert [result.well for result in worker.work(job, there, HOW, order)] == [True]
    machine("first")
    place.pull()
    assert place.record(job.cells[0].id) == there.record(job.cells[0].id)
    worker.Orders(place)
    assert not order.counts(there)


def test_a_run_that_was_interrupted_goes_on_on_another_machine(
    grid: Path, url: str, machine: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, place = Place(grid / "plain"), Place.at(url)
    (job,) = [job for job in jobs(place) if job.bank]
    assert all(done([job], plain))
    steps: list[int] = []
    take = Trainee.take

    def preempted(self: Trainee, *args: object) -> None:
        """After the first validation, waits for both checkpoints to be in the store; then the machine goes."""
        until = time.monotonic() + 30
        while self.step == 2 and time.monotonic() < until:
            sent = [name for name in place.store.names("runs/") if name.endswith("/last.safetensors")]
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
        go_on(job, place, HOW)
    assert place.store.names("records/") == {}
    machine("second")
    monkeypatch.setattr(Trainee, "take", counted)
    place = Place.at(url)
    assert all(done([job], place))
    assert steps == [2, 2, 3, 3]
    cells = [named.id for named in job.cells]
    expected = {cell: plain.record(cell).provenance.digests for cell in cells}
    assert {cell: place.record(cell).provenance.digests for cell in cells} == expected
    assert not any("last." in name for name in place.store.names())


def test_the_run_of_a_base_comes_when_it_is_needed_whatever_an_earlier_attempt_left(
    grid: Path, url: str, machine: Turn
) -> None:
    place = Place.at(url)
    (job,) = [job for job in jobs(place) if job.bank]
    assert all(done([job], place))
    base, other = (named.id for named in job.cells)
    machine("second")
    there = Place.at(url)
    stale = there.runs / base
    stale.mkdir(parents=True)
    best = place.runs / base / "best.safetensors"
    (stale / "best.safetensors").write_bytes(bytes(best.stat().st_size))
    with there.at_hand([], [base]):
        assert (stale / "best.safetensors").read_bytes() == best.read_bytes()
        assert load(stale / "best.safetensors")[1]["step"]
        assert there.record(base) == place.record(base)
        assert not (there.runs / other).exists()


def test_of_two_machines_that_do_the_same_cell_the_first_counts(grid: Path, url: str, machine: Turn) -> None:
    job = jobs(Place.at(url))[0]
    for name in ("first", "second"):
        machine(name)
        place = Place.at(url)
        found = records.load(place.root) if place.root.is_dir() else []
        assert found == []
        assert done([job], place) == [True]
    machine("first")
    assert len(Store(url).names("records/")) == 1
    assert board(place) == board(Place.at(url))


def test_a_success_takes_the_place_of_a_failure_that_another_machine_had(grid: Path, url: str, machine: Turn) -> None:
    place = Place.at(url)
    (named,) = jobs(place)[0].cells
    record_failure(replace(named, id=f"{named.key}-00000000"), place, HOW, "no luck with older code")
    record_failure(named, place, HOW, "no luck")
    assert len(Store(url).names("records/")) == 1
    machine("second")
    assert done([Job((named,))], Place.at(url)) == [True]
    machine("first")
    place.pull()
    assert [record.status for record in records.load(place.records)] == ["ok"]
    assert len(Store(url).names("records/")) == 1


def test_commands_that_read_a_grid_take_its_url(
    grid: Path, s3: str, machine: Turn, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{s3}/tiny"
    assert main(["grid", "status", "g.toml", "--out", url]) == 3
    assert main(["grid", "run", "g.toml", "--device", "cpu", "--dry_run", "--out", url]) == 0
    assert "4 of 4 cells to do" in capsys.readouterr().out
    assert Store(url).names() == {}
    place = Place.at(url)
    assert all(done(jobs(place), place))
    machine("second")
    assert main(["grid", "status", "g.toml", "--out", url]) == 0
    assert "4 cells: 4 done" in capsys.readouterr().out
    assert main(["board", "--records", f"{url}/records", "--out", "board", "--json"]) == 0
    assert "ecapa" in capsys.readouterr().out
    assert (grid / "board/index.html").is_file()
    assert main(["compare", f"{url}/records", str(place.records), "--replicates", "100", "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert compared["vanished"] == []
    assert {row["difference"]["value"] for row in compared["rows"]} == {0.0}
    assert all(row["paired"] for row in compared["rows"])
    run = next(name.split("/")[1] for name in place.store.names("runs/"))
    cross = ["grid", "cross", run, "--runs_dir", f"{url}/runs", "--on", "c", "--device", "cpu", "--replicates", "50"]
    assert main([*cross, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["numbers"][0]["run"] == run


def test_a_plain_folder_needs_no_store(grid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: object) -> None:
        raise AssertionError

    monkeypatch.setattr(storage.Store, "__init__", refused)
    monkeypatch.setattr(lease, "held", refused)
    place = Place.at("results/grids/tiny")
    with place.locked():
        assert all(done(jobs(place)[:1], place))
        place.pull()
        place.publish(place.records)
        place.fetch(place.records)
    assert len(records.load(place.records)) == 1
