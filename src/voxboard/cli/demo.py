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
from typing import TYPE_CHECKING, Literal

from voxboard.cli.parse import parse
from voxboard.errors import UserError

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from voxboard.cli.demo_work import Work

DESCRIPTION = """Make the synthetic corpus Voices, train and evaluate a small grid on it, and write the leaderboard.

Nothing is downloaded. Every cell is also evaluated untrained, on speakers and voices that training never saw. Run again
after an interruption: cells with a record are not repeated. --tasks all adds the other tasks."""

PARTIAL = 3  # exit code: some cells failed
MOST_JOBS = 4  # a cell needs less than a gigabyte


@dataclass(frozen=True)
class Demo:
    """What the demo runs and where it writes."""

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
    jobs: int = 0
    """Cells at a time, each on one core (default: one per core, at most 4; one on a GPU)."""
    json: bool = False
    """Print the board as JSON instead of a table."""


def main(argv: Sequence[str]) -> int:
    """Runs the demo and prints its board. Returns 0, or 3 when something failed."""
    args = parse(Demo, argv, prog="demo", description=DESCRIPTION)
    from voxboard.cli import board
    from voxboard.cli.demo_work import corpora, of_grid, of_tasks
    from voxboard.grid import Grid, Tasks

    clock = _Clock(time.perf_counter())
    grid = Grid.load(args.grid)
    works = of_grid(grid)
    more: list[Work] = []
    if args.tasks == "all":
        given = {"lm": args.lm, "sentence_encoder": args.sentence_encoder}
        more, skipped = of_tasks(Tasks.load(args.task_grid), grid, given)
        for line in skipped:
            clock.say(line)
    _prepare(corpora([*works, *more]))
    # The rest takes weights from the grid's runs.
    failures = sum(_carried_out(part, args, grid.name, clock) for part in (works, more) if part)
    board.run(board.BoardArgs(records=args.out / "records", out=args.out / "board", json=args.json))
    return PARTIAL if failures else 0


@dataclass(frozen=True)
class _Clock:
    started: float

    def say(self, text: str) -> None:
        _say(f"{time.perf_counter() - self.started:4.0f} s  {text}")


def _carried_out(works: Sequence[Work], args: Demo, name: str, clock: _Clock) -> int:
    """Carries out what has no record yet, several at a time; returns how many failed."""
    from voxboard.cli.demo_work import known

    done_before = known(args.out / "records")
    missing = [work for work in works if work.key not in done_before]
    jobs = args.jobs or _jobs(args.device)
    clock.say(f"{len(missing)} of {len(works)} cells to do, {jobs} at a time")
    failures = 0
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_settle) as pool:
        running = [pool.submit(_run, work, args, name) for work in missing]
        for done in as_completed(running):
            well, line = done.result()
            failures += not well
            clock.say(line)
    return failures


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


def _prepare(names: Sequence[str]) -> None:
    """Makes corpora unless they are there."""
    from voxboard.data import prepare

    for name in names:
        try:
            prepare.find_corpus(name)
        except UserError:
            _say(f"   0 s  corpus {name}: made once, then reused")
            prepare.prepare(name)


def _run(work: Work, args: Demo, name: str) -> tuple[bool, str]:
    """Carries out one work in a process of its own: whether it went well, a line for the log.

    One that fails is recorded with its reason and does not stop the others.
    """
    from voxboard.board.names import label
    from voxboard.board.numbers import show
    from voxboard.cli.demo_work import carry_out, record_failure

    word = "untrained" if work.weights == "untrained" else "trained  "
    about = f"{word}  {work.title}: {work.system.name}"
    try:
        record = carry_out(work, args.out, args.device, name)
    except Exception as error:
        reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        record_failure(work, args.out, args.device, name, reason)
        return False, f"{'failed':28}{about}: {reason}"
    main = record.benchmark.main_metric
    return True, f"{label(main)} {show(record.values[main], 2)}".ljust(28) + about
