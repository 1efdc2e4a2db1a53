"""The demo: every cell untrained and trained, failures recorded, nothing done twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxboard import records
from voxboard.cli import main

pytestmark = pytest.mark.slow

GRID = """
name = "tiny"
data = "Voices"
backbones = ["ecapa(channels=8, frame_size=16)"]
poolers = ["mean", "statistics"]

[training]
batch_size = 4
nb_total_step = {steps}
nb_steps_eval = 2
train_max_sec = 0.5
max_lr = {lr}
"""


@pytest.fixture
def grid(here: Path) -> Path:
    (here / "g.toml").write_text(GRID.format(steps=2, lr=0.01))
    return here


def _records(folder: Path) -> list[records.Record]:
    return records.load(folder / "results" / "demo" / "records")


def test_a_second_run_only_does_what_is_missing(grid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--grid", "g.toml", "--device", "cpu"]) == 0
    first = {record.id for record in _records(grid)}
    assert len(first) == 4
    board = grid / "results" / "demo" / "board"
    assert {"index.html", "leaderboard.md", "leaderboard.csv", "leaderboard.json"} == {p.name for p in board.iterdir()}
    page = (board / "index.html").read_bytes()
    next((grid / "results" / "demo" / "records").rglob("*untrained*.json")).unlink()
    capsys.readouterr()
    assert main(["demo", "--grid", "g.toml", "--device", "cpu"]) == 0
    assert "1 of 4 cells to do" in capsys.readouterr().err
    assert len(first & {record.id for record in _records(grid)}) == 3
    assert main(["demo", "--grid", "g.toml", "--device", "cpu"]) == 0
    assert "0 of 4 cells to do" in capsys.readouterr().err
    assert len(page) > 10_000


def test_a_failing_cell_is_recorded_and_stops_nothing(grid: Path) -> None:
    (grid / "g.toml").write_text(GRID.format(steps=4, lr=1e20))
    assert main(["demo", "--grid", "g.toml", "--device", "cpu", "--jobs", "1"]) == 3
    failed = [record for record in _records(grid) if record.status == "failed"]
    assert len(failed) == 2
    assert all("loss" in record.reason for record in failed)
    assert "loss" in (grid / "results" / "demo" / "board" / "leaderboard.md").read_text()


TASKS = """
name = "few"

[[entries]]
data = "Voices"
task = "attributes"
options = { label = "gender" }
system = "ecapa(channels=8, frame_size=16)+mean+aam"
weights = "verification"

[[entries]]
data = "Voices"
task = "questions"
system = "ecapa(channels=8, frame_size=16)+frames+question-answer"
asks = "lm"

[[entries]]
data = "Voices"
task = "retrieval"
system = "ecapa(channels=8, frame_size=16)+mean"
weights = "untrained"
package = "no_such_package"
install = "pip install 'voxboard[such]'"
"""


def test_all_tasks_take_the_runs_of_the_grid_and_say_what_is_skipped(
    grid: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (grid / "t.toml").write_text(TASKS)
    words = ["demo", "--grid", "g.toml", "--device", "cpu", "--jobs", "1", "--tasks", "all", "--task_grid", "t.toml"]
    assert main(words) == 0
    said = capsys.readouterr().err
    assert "Voices questions: skipped: the demo downloads nothing; name one with --lm" in said
    assert "Voices retrieval: skipped: pip install 'voxboard[such]'" in said
    (record,) = (record for record in _records(grid) if record.benchmark.task == "attributes")
    assert record.confusion is not None
    assert record.provenance.run in {other.provenance.run for other in _records(grid) if other is not record}
    assert main(words) == 0
    assert "0 of 1 cells to do" in capsys.readouterr().err
