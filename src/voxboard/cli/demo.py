"""`voxboard demo`: the whole way on synthetic voices, in minutes."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxboard.cli.parse import parse
from voxboard.errors import UserError

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from voxboard.grid import Cell, Grid
    from voxboard.records import Record
    from voxboard.training.config import RunConfig

DESCRIPTION = """Make the synthetic corpus Voices, train and evaluate a small grid on it, and write the leaderboard.

Nothing is downloaded. Every cell is also evaluated untrained, on speakers and voices that training never saw. Run again
after an interruption: cells with a record are not repeated."""

PARTIAL = 3  # exit code: some cells failed
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
    """Runs the demo and prints its board. Returns 0, or 3 when cells failed."""
    args = parse(Demo, argv, prog="demo", description=DESCRIPTION)
    from voxboard.cli import board
    from voxboard.grid import Grid
    from voxboard.training.config import training_of

    started = time.perf_counter()
    grid = Grid.load(args.grid)
    cells = grid.cells()
    _voices(grid)
    known = _known(args.out / "records")
    wanted = [(cell, trained) for trained in (False, True) for cell in cells]
    missing = [
        (cell, trained)
        for cell, trained in wanted
        if _key(cell.system.name, cell.seed, asdict(training_of(cell.system)) if trained else None) not in known
    ]
    jobs = args.jobs or _jobs(args.device)
    _say(f"{time.perf_counter() - started:4.0f} s  {len(missing)} of {len(wanted)} cells to do, {jobs} at a time")
    failures = 0
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_settle) as pool:
        running = [pool.submit(_run, cell, grid, args, trained) for cell, trained in missing]
        for done in as_completed(running):
            well, line = done.result()
            failures += not well
            _say(f"{time.perf_counter() - started:4.0f} s  {line}")
    board.run(board.BoardArgs(records=args.out / "records", out=args.out / "board", json=args.json))
    return PARTIAL if failures else 0


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

    try:
        prepare.find_corpus(grid.data)
    except UserError:
        _say(f"   0 s  corpus {grid.data}: synthesised once, then reused")
        prepare.prepare(grid.data)


def _known(records: Path) -> set[str]:
    """The cells that have a record already."""
    from voxboard.records import load

    found = load(records) if records.is_dir() else []
    known = set()
    for record in found:
        if record.status == "ok":
            settings = record.system.training.hyperparameters if record.system.training else None
            known.add(_key(record.system.name, record.provenance.seed, settings))
    return known


def _key(system: str, seed: int, training: Mapping[str, Any] | None) -> str:
    """What makes two cells of a grid the same."""
    settings = {name: value for name, value in (training or {}).items() if name != "speakers"}
    return json.dumps([system, seed, settings], sort_keys=True)


def _run(cell: Cell, grid: Grid, args: Demo, trained: bool) -> tuple[bool, str]:
    """Evaluates one cell in a process of its own, after training it or not: whether it went well, a line for the log.

    A cell that fails is recorded with its reason and does not stop the others.
    """
    from voxboard.benchmarks import DEFAULT_TASK
    from voxboard.systems import Part
    from voxboard.training.config import Evaluation, General, RunConfig, training_of

    general = General(
        seed=cell.seed,
        device=args.device,
        workers=0,
        runs=args.out / "runs",
        records=args.out / "records",
        description=f"{grid.name} grid",
    )
    config = RunConfig(grid.data, Part(DEFAULT_TASK), cell.system, general, training_of(cell.system), Evaluation())
    word = "trained  " if trained else "untrained"
    try:
        record = _evaluated(config, trained)
    except Exception as error:
        reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        _record_failure(config, trained, reason)
        return False, f"failed       {word}  {cell.system.name}: {reason}"
    error_rate = 100 * (record.values[record.benchmark.main_metric].value or 0.0)
    return True, f"EER {error_rate:5.2f} %  {word}  {cell.system.name}"


def _evaluated(config: RunConfig, trained: bool) -> Record:
    from voxboard.cli.eval import Eval
    from voxboard.training import run

    if trained:
        _, record = run.train(config, show_progress=False)
        assert record is not None
        return record
    general = config.general
    options = Eval(device=general.device, seed=general.seed, records=general.records)
    return run.evaluate_untrained(
        config.data, config.benchmark, config.system, options, config.evaluation, show_progress=False
    )


def _record_failure(config: RunConfig, trained: bool, reason: str) -> None:
    from voxboard import benchmarks, model
    from voxboard.data.prepare import find_corpus
    from voxboard.records import Training
    from voxboard.training import evaluate

    corpus = find_corpus(config.data)
    training = Training(corpus.name, hyperparameters=asdict(config.training)) if trained else None
    network = model.build(config.system, None, config.general.seed)
    subject = evaluate.Subject(network, config.system, config.general.seed, training=training)
    benchmark = benchmarks.create(config.benchmark.name, **config.benchmark.options)
    setting = evaluate.Setting(benchmark, config.evaluation, config.general.records, arguments=config.command())
    evaluate.failed(subject, corpus, reason, setting)
