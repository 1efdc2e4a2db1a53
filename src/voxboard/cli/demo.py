"""`voxboard demo`: the whole way on synthetic voices, in minutes."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TYPE_CHECKING

from voxboard.cli.parse import parse

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from voxboard.grid import Cell, Grid

DESCRIPTION = """Make the synthetic corpus Voices, train and evaluate a small grid on it, and write the leaderboard.

Nothing is downloaded. Every cell is also evaluated untrained, on speakers and voices that training never saw. Run again
after an interruption: cells with a record are not repeated."""

MOST_JOBS = 4  # a cell needs less than a gigabyte


@dataclass(frozen=True)
class Demo:
    """What the demo runs and where it writes."""

    grid: str = "demo"
    """Grid: a name from benchmarks/grids, or a TOML file."""
    out: Path = Path("results/demo")
    """Folder for records, runs and the board."""
    device: str = "auto"
    """auto, cpu, cuda, mps, or the number of a GPU."""
    jobs: int = 0
    """Cells at a time, each on one core (default: one per core, at most 4; one on a GPU)."""
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
    known = _known(args.out / "records")
    wanted = [(cell, trained) for trained in (False, True) for cell in cells]
    missing = [(cell, trained) for cell, trained in wanted if (cell.system.name, cell.seed, trained) not in known]
    jobs = args.jobs or _jobs(args.device)
    _say(f"{time.perf_counter() - started:4.0f} s  {len(missing)} of {len(wanted)} cells to do, {jobs} at a time")
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_settle) as pool:
        running = [pool.submit(_run, cell, grid, args, trained) for cell, trained in missing]
        for done in as_completed(running):
            _say(f"{time.perf_counter() - started:4.0f} s  {done.result()}")
    board.run(board.BoardArgs(records=args.out / "records", out=args.out / "board", json=args.json))
    return 0


def _jobs(device: str) -> int:
    import torch

    if device not in ("auto", "cpu") or (device == "auto" and torch.cuda.is_available()):
        return 1
    return max(1, min(torch.get_num_threads(), MOST_JOBS))


def _settle() -> None:
    """Readies a worker: one thread, which gives the same bits on every machine, and an end when the demo ends."""
    import torch

    torch.set_num_threads(1)
    parent = parent_process()
    assert parent is not None

    def end_with(other: BaseProcess) -> None:
        other.join()
        os._exit(1)

    threading.Thread(target=end_with, args=(parent,), daemon=True).start()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _voices(grid: Grid) -> None:
    """Makes the grid's corpus unless it is there."""
    from voxboard.data import prepare

    _say(f"   0 s  corpus {grid.data}: synthesised once, then reused")
    prepare.prepare(grid.data)


def _known(records: Path) -> set[tuple[str, int, bool]]:
    """The cells that have a record already."""
    from voxboard.records import load

    found = load(records) if records.is_dir() else []
    return {
        (record.system.name, record.provenance.seed, record.system.trained) for record in found if record.status == "ok"
    }


def _run(cell: Cell, grid: Grid, args: Demo, trained: bool) -> str:
    """Evaluates one cell in a process of its own, after training it or not; the value is a line for the log."""
    from voxboard.cli.eval import Eval
    from voxboard.training import run
    from voxboard.training.config import Evaluation, General, RunConfig, training_of

    system, evaluation, records = cell.system, Evaluation(), args.out / "records"
    if trained:
        general = General(
            seed=cell.seed,
            device=args.device,
            workers=0,
            runs=args.out / "runs",
            records=records,
            description=f"{grid.name} grid",
        )
        config = RunConfig(grid.data, system, general, training_of(system), evaluation)
        _, record = run.train(config, show_progress=False)
        assert record is not None
    else:
        options = Eval(device=args.device, seed=cell.seed, records=records)
        record = run.evaluate_untrained(grid.data, system, options, evaluation, show_progress=False)
    error = 100 * (record.values[record.benchmark.main_metric].value or 0.0)
    return f"EER {error:5.2f} %  {'trained  ' if trained else 'untrained'}  {system.name}"
