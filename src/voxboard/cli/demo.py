"""`voxboard demo`: the whole way on synthetic voices, in minutes."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from voxboard.cli.parse import parse
from voxboard.errors import UserError
from voxboard.limits import Limit
from voxboard.screen import print

if TYPE_CHECKING:
    from voxboard.grids import Cell

DESCRIPTION = """Make the synthetic corpus Voices, train and evaluate a small grid on it, and write the leaderboard.

Nothing is downloaded. Every cell is also evaluated untrained, on speakers and voices that training never saw. Run again
after an interruption: cells with a record are not repeated. --tasks all adds the other tasks."""

PARTIAL = 3  # exit code: some cells failed


@dataclass(frozen=True)
class Demo:
    """Extent and folders of the demo."""

    grid: str = "demo"
    """Grid of verification: a name from benchmarks/grids, or a TOML file."""
    tasks: Literal["verification", "all"] = "verification"
    """all adds a few rows of every other task: attributes, identification, transcription, intensity, diarization, and
    what the next flags make possible."""
    task_grid: str = "demo-tasks"
    """The rows of the other tasks: a name from benchmarks/grids, or a TOML file."""
    lm: str = ""
    """Folder with a chat model of transformers, for questions about the speaker."""
    sentence_encoder: str = ""
    """Folder with a sentence encoder of sentence-transformers, for retrieval by captions."""
    out: Path = Path("results/demo")
    """Folder for records, runs and the board."""
    device: str = "auto"
    """auto, cpu, cuda, mps, or the number of a GPU."""
    jobs: Annotated[int, Limit(0, 1_024)] = 0
    """Cells at a time, each on one core (default: one per core, at most 4; one on a GPU)."""
    json: bool = False
    """Print the board as JSON instead of a table."""


def main(argv: Sequence[str]) -> int:
    """Run the demo and print its board. Returns 0, or 3 when something failed."""
    args = parse(Demo, argv, prog="demo", description=DESCRIPTION)
    from voxboard.cli import board
    from voxboard.cli.demo_work import corpora, of_tasks
    from voxboard.devices import device_of
    from voxboard.grids import Grid, Tasks, scheduler
    from voxboard.grids.plan import RunSettings
    from voxboard.grids.workspace import Workspace

    clock = _Clock(time.perf_counter())
    grid, workspace = Grid.load(args.grid), Workspace(args.out)
    cells = grid.cells()
    more: list[Cell] = []
    if args.tasks == "all":
        given = {"lm": args.lm, "sentence_encoder": args.sentence_encoder}
        more, skipped = of_tasks(Tasks.load(args.task_grid), grid, given)
        for line in skipped:
            clock.say(line)
    device_of(args.device)  # before every cell fails for want of it
    _prepare(corpora([*cells, *more]))
    how, failures = RunSettings(grid.name, args.device), 0
    with workspace.locked():
        # The rest takes weights from the grid's runs.
        for part in (cells, more):
            if part:
                plan = scheduler.run(part, workspace, how, args.jobs, clock.say, retry=True)
                failures += len(plan.having("missing", "failed"))
        board.run(board.BoardArgs(records=str(workspace.records), out=workspace.board, json=args.json))
    return PARTIAL if failures else 0


@dataclass(frozen=True)
class _Clock:
    started: float

    def say(self, text: str) -> None:
        _say(f"{time.perf_counter() - self.started:4.0f} s  {text}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _prepare(names: Sequence[str]) -> None:
    """Make corpora unless they are there."""
    from voxboard.data.catalogue import find_corpus
    from voxboard.preparation import prepare

    for name in names:
        try:
            find_corpus(name)
        except UserError:
            _say(f"   0 s  corpus {name}: made once, then reused")
            prepare(name)
