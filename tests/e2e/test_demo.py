"""The demo: every cell untrained and trained, failures recorded, nothing done twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxboard import records
from voxboard.cli import main

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
