"""A grid is carried out once, whatever interrupts it; one that was interrupted ends as one that was not."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from torch import Tensor

from voxboard import records
from voxboard.backbones.ecapa import Ecapa
from voxboard.cli import main
from voxboard.grids import Grid, plan, reproducible_board
from voxboard.grids.job import carry_out, record_failure
from voxboard.grids.plan import Job, RunSettings
from voxboard.grids.workspace import Workspace
from voxboard.records import provenance

OUT = Path("results/grids/tiny")
HOW = RunSettings("tiny", "cpu")
CROP = 3200  # samples of a training crop
RUN = ["grid", "run", "g.toml", "--device", "cpu", "--jobs", "1"]


def start(folder: Path) -> subprocess.Popen[str]:
    code = "import sys; from voxboard.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *RUN]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def board() -> tuple[dict[str, str], dict[str, object]]:
    """The board without times, and the digests of all weights and inputs."""
    found = records.scan(OUT / "records")
    return reproducible_board.files(found), {
        filed.path.partition("/")[0]: filed.record.provenance.digests for filed in found
    }


def planned(*states: str) -> list[Job]:
    workspace = Workspace(OUT)
    found = plan.make(Grid.load("g.toml").cells(), workspace)
    return plan.jobs([cell for cell in found.cells if not states or found.state(cell) in states], workspace, HOW)


def done(jobs: list[Job]) -> list[bool]:
    """Carries jobs out in this process; says which cells went well."""
    return [result.well for job in jobs for result in carry_out(job, Workspace(OUT), HOW)]


def test_a_killed_grid_goes_on_and_ends_with_the_board_of_one_that_was_not_killed(
    grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all(done(planned()))
    whole = board()
    again = tmp_path / "again"
    again.mkdir()
    (again / "g.toml").write_text((grid / "g.toml").read_text())
    monkeypatch.chdir(again)
    process = start(again)
    until = time.monotonic() + 300
    while not list(OUT.glob("records/*/*/*.json")) and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with Workspace(OUT).locked():  # the workers have ended
        Workspace(OUT).take_over()
        filed = len(list(OUT.glob("records/*/*/*.json")))
        assert 0 < filed < 4
        missing = planned("missing")
        assert sum(len(job.cells) for job in missing) == 4 - filed
        assert all(done(missing))
    assert board() == whole
    assert os.listdir(OUT / "runs") == os.listdir(grid / OUT / "runs")


def test_what_is_left_of_a_bank_gives_the_board_of_the_whole_bank(grid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = planned()
    assert all(done(jobs))
    whole, before = board(), records.load(OUT / "records")
    last = jobs[-1].cells[-1].id
    shutil.rmtree(OUT / "records" / last)  # as if it had been killed between the tests of the two
    monkeypatch.setattr(provenance, "git_facts", lambda root: ("another revision", True))
    (left,) = planned("missing")
    assert done([left]) == [True]
    (again,) = records.load(OUT / "records" / last)
    assert again.provenance.batching not in {record.provenance.batching for record in before if record.system.trained}
    assert board() == whole


def test_cells_on_one_frozen_backbone_are_a_bank_that_hears_a_batch_once(
    grid: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = planned()
    assert [len(job.cells) for job in jobs] == [1, 1, 2]
    assert jobs[-1].forwards_saved == 4
    heard = []
    encode = Ecapa.encode

    def counted(self: Ecapa, waveforms: Tensor, lengths: Tensor) -> object:
        # The crops of training are shorter than the utterances of validation and test.
        if waveforms.shape[1] == CROP:
            heard.append(1)
        return encode(self, waveforms, lengths)

    monkeypatch.setattr(Ecapa, "encode", counted)
    assert done([jobs[-1]]) == [True, True]
    assert len(heard) == 4
    alone = [Job((replace(named, id=f"x-{number}"),)) for number, named in enumerate(jobs[-1].cells)]
    heard.clear()
    assert done(alone) == [True, True]
    assert len(heard) == 8


def test_the_command_of_a_cell_makes_its_numbers_again_outside_the_grid(grid: Path) -> None:
    jobs = planned()
    assert all(done(jobs))
    for record in records.load(OUT / "records"):
        assert str(OUT) not in record.provenance.command
        assert main(shlex.split(record.provenance.command)[1:]) == 0
    again = {record.row: record.values for record in records.load("results/records")}
    assert again == {record.row: record.values for record in records.load(OUT / "records")}
    assert len(again) == 4


def test_a_failing_cell_is_recorded_once_and_stops_no_other(grid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Heads of 64 do not divide what the backbone makes: the network cannot be built.
    text = (grid / "g.toml").read_text().replace('["mean", "statistics"]', '["mean", "double-mha(heads=7)"]')
    (grid / "g.toml").write_text(text)
    assert sorted(done(planned())) == [False, False, True, True]
    failed = [filed for filed in records.scan(OUT / "records") if filed.record.status == "failed"]
    assert len(failed) == 2
    assert all("heads" in filed.record.reason for filed in failed)
    assert planned("missing") == []
    assert main(RUN) == 3
    assert main(["grid", "status", "g.toml"]) == 3
    said = capsys.readouterr().out
    assert "4 cells: 2 done, 0 missing, 2 failed" in said
    assert "heads" in said
    # The same failure again is no other record.
    assert done(planned("failed")) == [False, False]
    assert [filed.path for filed in records.scan(OUT / "records") if filed.record.status == "failed"] == [
        filed.path for filed in failed
    ]


def test_a_success_takes_the_place_of_a_failure(grid: Path) -> None:
    (job, *_) = planned()
    (named,) = job.cells
    workspace = Workspace(OUT)
    record_failure(replace(named, id=f"{named.key}-00000000"), workspace, HOW, "no luck with older code")
    record_failure(named, workspace, HOW, "no luck")
    assert [record.reason for record in records.load(OUT / "records")] == ["no luck"]
    assert done([job]) == [True]
    assert [record.status for record in records.load(OUT / "records")] == ["ok"]


def test_what_an_interruption_left_in_staging_is_taken_over(grid: Path) -> None:
    (job, *_) = planned()
    (named,) = job.cells
    assert done([job]) == [True]
    workspace = Workspace(OUT)
    workspace.staging.mkdir(exist_ok=True)
    (workspace.records / named.id).rename(workspace.staging / named.id)
    assert workspace.record(named.id) is None
    workspace.take_over()
    assert workspace.record(named.id) is not None
    assert not workspace.staging.exists()


def test_two_starts_exclude_each_other(grid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = (
        "import sys, time; from pathlib import Path; from voxboard.grids.workspace import Workspace\n"
        f"with Workspace(Path({str(OUT)!r})).locked(): print('in', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code], cwd=grid, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    other.stdout.readline()
    assert main(RUN) == 2
    assert "Another voxboard is at work" in capsys.readouterr().err
    other.kill()
    other.wait()
    with Workspace(OUT).locked():
        pass


def test_another_version_of_a_part_makes_other_cells(grid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [named for job in planned() for named in job.cells]
    file = Path(str(sys.modules[Ecapa.__module__].__file__))
    read = Path.read_bytes
    added = b"# a comment"
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + (added if path == file else b""))
    assert [named.id for named in before] == [named.id for job in planned() for named in job.cells]
    added = b"MORE = 1"
    after = [named for job in planned() for named in job.cells]
    assert [named.key for named in before] == [named.key for named in after]
    assert not {named.id for named in before} & {named.id for named in after}


def test_a_second_night_changes_no_byte(grid: Path) -> None:
    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in sorted(OUT.rglob("*")) if path.is_file()}

    night = ["nightly", *RUN[2:], "--jobs", "1"]
    assert main(night) == 0
    first = files()
    assert not (OUT / "staging").exists()  # equal outputs of two cells are one folder: nothing of the other stays
    assert main(night) == 0
    assert files() == first


def test_a_dry_run_says_what_it_takes_and_refuses_above_a_limit(grid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*RUN, "--dry_run"]) == 0
    said = capsys.readouterr().out
    assert "bank of 2, saves 4 forwards" in said
    assert "4 of 4 cells to do, 1 banks, 4 backbone forwards saved" in said
    assert main([*RUN, "--dry_run", "--max_disk_gb", "0.000001"]) == 2
    assert main([*RUN, "--dry_run", "--max_memory_gb", "0.1"]) == 2
    assert main([*RUN, "--max_hours", "1e-9"]) == 2
    assert "more than --max_hours" in capsys.readouterr().err
    assert not list(OUT.glob("records/*"))
