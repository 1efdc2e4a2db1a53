"""A grid that is killed again and again, at any moment, loses nothing and ends with the board of one that was not."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from voxboard import records
from voxboard.grids import reproducible_board

KILLS = 30
LONGEST = 9.0  # seconds to a kill; an undisturbed grid takes about twice that, half of it to import torch twice
LIMIT = 300  # seconds for what is left at the end
MORE = 'seeds = [1, 2, 3]\nweights = ["trained", "untrained"]\n\n[training]'
START = "import sys; from voxboard.cli import main; sys.exit(main())"
COMMAND = [sys.executable, "-c", START, "grid", "run", "g.toml", "--device", "cpu", "--jobs", "2"]


def started(folder: Path) -> subprocess.Popen[bytes]:
    """Start the grid of a folder in a session of its own, so that a signal to it reaches its workers alone."""
    quiet = subprocess.DEVNULL
    return subprocess.Popen(COMMAND, cwd=folder, stdout=quiet, stderr=quiet, start_new_session=True)


def killed(process: subprocess.Popen[bytes], after: float, workers_too: bool) -> bool:
    """Whether the process was still at work after that many seconds, and was killed."""
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        (os.killpg if workers_too else os.kill)(process.pid, signal.SIGKILL)
        process.wait()
        return True
    assert process.returncode == 0
    return False


def board(folder: Path) -> dict[str, str]:
    """The files of the board, without what no two runs share."""
    return reproducible_board.files(records.scan(folder / "results/grids/tiny/records"))


def recorded(folder: Path) -> set[str]:
    return {str(path) for path in folder.glob("results/grids/tiny/records/*/*/*.json") if path.name[0] != "."}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_thirty_kills_lose_no_record_and_change_no_byte_of_the_board(grid: Path) -> None:
    text = (grid / "g.toml").read_text().replace("\n[training]", MORE)
    folders = [grid / name for name in ("undisturbed", "killed-1")]
    for folder in folders:
        folder.mkdir()
        (folder / "g.toml").write_text(text)
    undisturbed, folder = folders
    assert started(undisturbed).wait(LIMIT) == 0
    whole = board(undisturbed)
    assert len(recorded(undisturbed)) == 12

    moments = random.Random(20261130)
    kills, before = 0, set[str]()
    while kills < KILLS:
        if killed(started(folder), moments.uniform(0.0, LONGEST), moments.random() < 0.7):
            kills += 1
            assert before <= recorded(folder), "a record was lost"
            before = recorded(folder)
        else:  # it was done before the kill: once more from the start
            assert board(folder) == whole
            folder, before = grid / f"killed-{kills + 1}", set()
            folder.mkdir()
            (folder / "g.toml").write_text(text)
    assert started(folder).wait(LIMIT) == 0
    assert before <= recorded(folder)
    assert board(folder) == whole
    assert not list(folder.rglob("*.tmp"))
