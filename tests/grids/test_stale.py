"""A number is never stale: code that it comes out of makes it anew, as little as possible of it, and only such code."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from voxboard import records
from voxboard.cli import main
from voxboard.code_digest import module_file
from voxboard.grids import Grid, again, plan
from voxboard.grids.job import carry_out
from voxboard.grids.plan import RunSettings
from voxboard.grids.workspace import Workspace
from voxboard.training.trainee import Trainee

OUT = Path("results/grids/tiny")
HOW = RunSettings("tiny", "cpu")
MINE = "from voxboard.poolers.mean import Mean\n{imports}\nclass Mine(Mean):\n    pass\n"


@dataclass
class Work:
    """What was done: cells that were missing, and steps of training."""

    cells: int = 0
    steps: list[int] = field(default_factory=list)


@pytest.fixture
def work(grid: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Carries out in this process what a grid lacks, and counts."""
    done = Work()
    take = Trainee.take

    def counted(self: Trainee, *args: Any) -> None:
        done.steps.append(self.step)
        take(self, *args)

    monkeypatch.setattr(Trainee, "take", counted)

    def carried(how: RunSettings = HOW) -> tuple[int, int]:
        done.steps.clear()
        workspace = Workspace(OUT)
        planned = plan.make(Grid.load("g.toml").cells(), workspace)
        cells = planned.todo(retry=False, strict=how.strict)
        if how.strict:
            again.set_aside(planned, workspace)
        results = [result for job in plan.jobs(cells, workspace, how) for result in carry_out(job, workspace, how)]
        assert all(result.well for result in results)
        return len(cells), len(done.steps)

    return carried


@pytest.fixture
def edit(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Appends to the source of a module, as digests see it."""
    read = Path.read_bytes

    def edited(name: str, added: bytes = b"\nADDED = 1\n") -> None:
        file = module_file(f"voxboard.{name}")
        monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + (added if path == file else b""))

    return edited


def values() -> dict[str, Any]:
    """The newest values of every row."""
    filed = sorted(records.load(OUT / "records"), key=lambda record: record.provenance.created)
    return {record.row: record.values for record in filed}


def test_only_what_an_edit_reaches_is_done_again(work: Any, edit: Any) -> None:
    assert work() == (4, 8)  # two untrained, and a bank of two for 4 steps each
    before = values()
    edit("board.page")
    assert work() == (0, 0)
    edit("training.loop", b"\n# a comment\n")
    assert work() == (0, 0)
    edit("training.loop")
    assert work() == (2, 8)  # trained again; what is not trained is left
    edit("metrics.bootstrap")
    assert work() == (4, 0)  # measured again
    edit("poolers.statistics")
    assert work() == (2, 4)
    edit("poolers.mean")  # which the embedding layer of all of them names, as its default
    assert work() == (3, 8)
    assert values() == before  # nothing was changed in truth


def test_measured_again_is_as_trained_again(work: Any, edit: Any) -> None:
    work()
    first = {record.row: record for record in records.load(OUT / "records") if record.system.trained}
    edit("metrics.bootstrap")
    assert work() == (4, 0)
    homes = sorted((OUT / "runs").iterdir())
    assert len(homes) == 4
    assert not list(OUT.rglob(".adopted"))
    for record in records.load(OUT / "records"):
        if not record.system.trained or record.id == first[record.row].id:
            continue
        before = first[record.row]
        assert record.values == before.values
        assert record.groups == before.groups
        assert record.provenance.command == before.provenance.command
        assert record.system == before.system
        changed = {
            name for name, digest in record.provenance.digests.items() if digest != before.provenance.digests.get(name)
        }
        assert changed == {"measuring_code"}
    best = [home / "best.safetensors" for home in homes]
    assert len({os.stat(file).st_ino for file in best}) == 2  # weights are there once


def test_other_errors_of_validation_would_choose_other_weights(
    work: Any, edit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voxboard.benchmarks.verification import OperatingPoint, Verification

    work()
    fix = Verification.fix

    def wrong(self: Verification, outputs: Any) -> OperatingPoint:
        return replace(fix(self, outputs), error=0.123)

    monkeypatch.setattr(Verification, "fix", wrong)
    edit("metrics.detection")
    assert work() == (4, 8)
    assert not list(OUT.rglob(".adopted"))


def test_what_was_killed_before_it_was_measured_is_measured_later(
    work: Any, edit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voxboard.training import run

    work()
    edit("metrics.bootstrap")

    def killed(*args: Any) -> None:
        raise KeyboardInterrupt

    cells = plan.make(Grid.load("g.toml").cells(), Workspace(OUT)).having("missing")
    bank = plan.jobs([cell for cell in cells if cell.cell.trained], Workspace(OUT), HOW)[0]
    with monkeypatch.context() as patch:
        patch.setattr(run.evaluate, "evaluate", killed)
        with pytest.raises(KeyboardInterrupt):
            carry_out(bank, Workspace(OUT), HOW)
    assert list(OUT.rglob(".adopted"))
    assert work() == (4, 0)


def test_status_tells_cells_made_with_other_packages(
    work: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    work()
    assert main(["grid", "status", "g.toml"]) == 0
    assert "made with" not in capsys.readouterr().out
    monkeypatch.setattr(plan, "_installed", lambda: {"numpy": "99.0"})
    assert main(["grid", "status", "g.toml"]) == 0
    said = capsys.readouterr().out
    assert said.count("made with numpy ") == 4
    assert "4 done with other versions" in said


def fake_version(package: str) -> None:
    """Let all records say that another version of a package was installed."""
    for path in (OUT / "records").rglob("*.json"):
        content = json.loads(path.read_text())
        assert content["provenance"]["packages"][package]
        content["provenance"]["packages"][package] = "0.1"
        path.write_text(json.dumps(content))


@pytest.mark.parametrize(("package", "steps"), [("numpy", 8), ("scipy", 0)])
def test_strict_redoes_cells_made_with_other_packages(
    package: str, steps: int, work: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    work()
    before, kept = values(), {home.name for home in (OUT / "records").iterdir()}
    fake_version(package)
    assert work() == (0, 0)
    strict = replace(HOW, strict=True)
    assert work(strict) == (4, steps)  # two untrained, and a bank of two: trained again only where weights may differ
    assert work(strict) == (0, 0)
    assert values() == before
    assert {home.name for home in (OUT / "records").iterdir()} == kept
    assert {home.name for home in (OUT / "outdated" / "records").iterdir()} == kept
    assert not list(OUT.rglob(".adopted"))


def test_strict_is_a_flag_of_grid_run(work: Any, capsys: pytest.CaptureFixture[str]) -> None:
    work()
    fake_version("torch")
    run = ["grid", "run", "g.toml", "--dry_run"]
    for words, count in ((run, 0), ([*run, "--strict"], 4)):
        assert main(words) == 0
        assert f"{count} of 4 cells to do" in capsys.readouterr().out


def test_an_older_run_made_with_other_packages_is_not_measured_again_strictly(work: Any, edit: Any) -> None:
    work()
    fake_version("torch")
    edit("metrics.bootstrap")
    assert work(replace(HOW, strict=True)) == (4, 8)


@pytest.mark.parametrize("file", ["helper.py", "mine.py"])
def test_a_users_file_or_its_helper_makes_the_cell_missing(
    file: str, grid: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (grid / "helper.py").write_text("SCALE = 1.0\n")
    (grid / "mine.py").write_text(MINE.format(imports="import helper"))
    text = (grid / "g.toml").read_text().replace('["mean", "statistics"]', '["mine.py:Mine"]')
    (grid / "g.toml").write_text(text)

    def missing() -> str:
        main(["grid", "status", "g.toml"])
        return capsys.readouterr().out

    def ids() -> list[str]:
        return re.findall(r"^[0-9a-f]{12}-[0-9a-f]{8}", missing(), re.MULTILINE)

    before = ids()
    assert len(before) == 2
    path = grid / file
    path.write_text(f"# {path.read_text()}".replace("# ", "# a comment\n\n", 1))
    assert ids() == before
    path.write_text(path.read_text() + "MORE = 2\n")
    assert not set(ids()) & set(before)


def test_the_cache_is_not_used_across_an_edit_of_a_helper(grid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    helper = grid / "helper.py"
    part = """
import importlib.util, sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent))
import helper
from voxboard.poolers.mean import Mean
class Mine(Mean):
    def forward(self, frames):
        return helper.changed(super().forward(frames))
"""
    (grid / "mine.py").write_text(part)
    words = ["eval", "c", "ecapa(channels=8, frame_size=16)+mine.py:Mine", "--cache", "cache", "--device", "cpu"]
    eers = []
    for body in ("x", "x", "x[:, :2]", "x[:, :2]  # as before"):
        helper.write_text(f"def changed(x):\n    return {body}\n")
        assert main([*words, "--replicates", "20", "--records", f"r{len(eers)}"]) == 0
        (record,) = records.load(f"r{len(eers)}")
        eers.append((record.values["eer@interpolated"].value, "cache" in record.provenance.batching))
    capsys.readouterr()
    (plain, first), (same, second), (changed, third), (commented, fourth) = eers
    assert (first, second, third, fourth) == (False, True, False, True)
    assert same == plain
    assert changed == commented
    assert changed != plain
