"""`voxboard demo`: the whole way on synthetic voices, in minutes."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from voxboard.cli.parse import parse

if TYPE_CHECKING:
    from voxboard.grid import Cell, Grid
    from voxboard.records import Record

DESCRIPTION = """Make the synthetic corpus Voices, train and evaluate a small grid on it, and write the leaderboard.

Nothing is downloaded. Every cell is also evaluated untrained, on speakers and voices that training never saw. Run again
after an interruption: cells with a record are not repeated."""


@dataclass(frozen=True)
class Demo:
    """What the demo runs and where it writes."""

    grid: str = "demo"
    """Grid: a name from benchmarks/grids, or a TOML file."""
    out: Path = Path("results/demo")
    """Folder for records, runs and the board."""
    device: str = "auto"
    """auto, cpu, cuda, mps, or the number of a GPU."""
    workers: int = 0
    """Processes that read audio while a cell trains."""
    json: bool = False
    """Print the board as JSON instead of a table."""


def main(argv: Sequence[str]) -> int:
    """Runs the demo and prints its board. Returns 0."""
    args = parse(Demo, argv, prog="demo", description=DESCRIPTION)
    from voxboard.cli import board
    from voxboard.grid import Grid

    started = time.perf_counter()
    grid = Grid.load(args.grid)
    cells = grid.cells()
    _voices(grid)
    _say(f"{time.perf_counter() - started:3.0f} s  {len(cells)} cells, each untrained and trained:")
    known = _known(args.out / "records")
    for cell in cells:
        for trained in (False, True):
            if (cell.system.spec, cell.seed, trained) in known:
                continue
            record = _run(cell, grid, args, trained)
            error = 100 * (record.values[record.benchmark.main_metric].value or 0.0)
            word = "trained" if trained else "untrained"
            _say(f"{time.perf_counter() - started:3.0f} s  {cell.system.spec:<60} {word:<9}  EER {error:5.2f} %")
    board.run(board.Board(records=args.out / "records", out=args.out / "board", json=args.json))
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _voices(grid: Grid) -> None:
    """Makes the grid's corpus unless it is there."""
    from voxboard.data import prepare

    _say(f"  0 s  corpus {grid.data}: synthesised once, then reused")
    prepare.prepare(grid.data)


def _known(records: Path) -> set[tuple[str, int, bool]]:
    """The cells that have a record already."""
    from voxboard.records import load

    found = load(records) if records.is_dir() else []
    return {(record.system.name, record.provenance.seed, record.system.trained) for record in found}


def _run(cell: Cell, grid: Grid, args: Demo, trained: bool) -> Record:
    from voxboard.cli.eval import Eval
    from voxboard.training import run
    from voxboard.training.config import Evaluation, General, RunConfig, training_of

    system, evaluation = cell.system, Evaluation()
    if not trained:
        options = Eval(device=args.device, seed=cell.seed, records=args.out / "records")
        return run.evaluate_untrained(grid.data, system, options, evaluation)
    general = General(
        seed=cell.seed,
        device=args.device,
        workers=args.workers,
        runs=args.out / "runs",
        records=args.out / "records",
        description=f"{grid.name} grid",
    )
    _, record = run.train(RunConfig(grid.data, system, general, training_of(system), evaluation), show_progress=False)
    assert record is not None
    return record
