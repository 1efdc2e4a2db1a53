"""`voxboard grid run | status | cross`: whole grids of cells, resumable, and runs crossed with test sets."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from voxboard import trust
from voxboard.cli.parse import parse
from voxboard.errors import printable, unknown
from voxboard.grids.engine import Resources
from voxboard.limits import Limit, NotNegative, Replicates
from voxboard.screen import dumps, print

if TYPE_CHECKING:
    from voxboard.grids.cross import Crossed
    from voxboard.grids.estimate import GridEstimate
    from voxboard.grids.identity import Named
    from voxboard.grids.plan import Job, Plan
    from voxboard.grids.workspace import Workspace

PARTIAL = 3  # exit code: some cells have no number
USAGE = """\
usage: voxboard grid run|status|cross …

  run GRID               carry out the cells that are missing, and write the board
  status GRID            which cells are done, missing, or failed, and why
  cross RUNS --on DATA   evaluate runs on test sets, as a table of runs × test sets

GRID is a name from benchmarks/grids, or a TOML file.

`voxboard grid run --help` explains a command."""
RUN = """Carry out a grid: every backbone × pooler × head × seed on every benchmark, and its board.

A cell is named by all that its number depends on, the code of its parts included. Killed and started again, a grid goes
on with what is missing. Cells that share a frozen backbone are trained together: it hears every batch once. A cell that
fails is recorded with the reason and stops no other; the exit code is 3 then.

On a cluster, cells and banks are tasks that ask for --cpus, --gpus and --memory_gb; those on a machine that dies are
done again on another. Ray: --cluster ray://head:10001 --gpus 1. Slurm: --cluster slurm --gpus 1 --slurm partition=gpu
time=240. All machines need the same voxboard and corpora, and this folder or an --out that is a URL."""
STATUS = """Which cells of a grid are done, which are missing, and which failed and why.

Carries nothing out, and runs no code of yours: parts in a file are read, not imported."""
CROSS = """Evaluate every run on every test set, write the records, print train × test with its gaps, rebuild the board.

A test set is a corpus, which is measured by the run's own task, or a card. What cannot be done, such as a test set with
speakers of the training, is named below the table; the exit code is 3 then."""


@dataclass(frozen=True)
class GridArgs:
    """The grid, and its folder."""

    grid: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="GRID")]
    """A name from benchmarks/grids, or a TOML file."""
    out: str = ""
    """Folder for records, runs and the board, or the URL of one that machines share, such as s3://bucket/grids/NAME
    (default: results/grids/NAME)."""
    json: bool = False
    """Print JSON instead of a table."""


@dataclass(frozen=True)
class RunArgs(Resources, GridArgs):
    """Cells to be carried out, and limits."""

    jobs: Annotated[int, Limit(0, 1_024)] = 0
    """Cells or banks at a time, each on one core (default: one per core, at most 4; one on a GPU; on a cluster as many
    as it has room for, and hours are estimated for one after another)."""
    device: str = "auto"
    """auto, cpu, cuda, mps, or the number of a GPU."""
    workers: Annotated[int, Limit(0, 1_024)] = 0
    """Processes per job that read audio; 0 reads where it is trained."""
    retry: bool = False
    """Try the cells again that failed."""
    strict: bool = False
    """Redo cells that were made with other versions of packages than are installed."""
    dry_run: bool = False
    """Only say what would be done, and what it would take."""
    max_hours: NotNegative = 0.0
    """Refuse a grid that is estimated to take longer; 0 sets no limit."""
    max_memory_gb: NotNegative = 0.0
    """Refuse a grid whose jobs are estimated to need more memory at the same time; 0 sets no limit."""
    max_disk_gb: NotNegative = 0.0
    """Refuse a grid whose checkpoints are estimated to take more; 0 sets no limit."""


@dataclass(frozen=True)
class CrossArgs:
    """Runs to be evaluated, and the benchmarks."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUNS")]
    """Run folders (paths, URLs, or names below --runs_dir)."""
    on: tuple[str, ...]
    """Corpora and cards."""
    runs_dir: str = "results/runs"
    """Where run folders are: a folder, or a URL such as s3://bucket/grids/NAME/runs."""
    records: Path = Path("results/records")
    """Where the records are written."""
    out: Path | None = None
    """Folder of the board of all those records (default: board, beside them)."""
    device: str = "auto"
    """auto, cpu, cuda, mps, or the number of a GPU."""
    replicates: Replicates = 1_000
    """Bootstrap replicates behind the 95 % intervals."""
    trust_code: bool = False
    """Run code that the run names in a file, though nothing shows that it is yours."""
    json: bool = False
    """Print the numbers as JSON."""


def main(argv: Sequence[str]) -> int:
    """Run one of the commands. Returns 0, or 3 when some cells have no number."""
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE)
        return 0
    words = argv[1:]
    if argv[0] == "run":
        return run(parse(RunArgs, words, prog="grid run", description=RUN))
    if argv[0] == "status":
        return _status(parse(GridArgs, words, prog="grid status", description=STATUS))
    if argv[0] == "cross":
        return _cross(parse(CrossArgs, words, prog="grid cross", description=CROSS))
    raise unknown("command", f"grid {argv[0]}", ["grid run", "grid status", "grid cross"])


def run(args: RunArgs) -> int:
    """Carry a grid out and print its board. Returns 0, or 3 when some cells have no number."""
    from voxboard.boards import FILES
    from voxboard.cli import board
    from voxboard.grids import Grid, reproducible_board, scheduler
    from voxboard.grids.plan import RunSettings
    from voxboard.grids.remote_workspace import workspace_at
    from voxboard.grids.workspace import Workspace
    from voxboard.records import survey

    grid = Grid.load(args.grid)
    word = args.out or folder_of(grid.name)
    workspace = Workspace.seen(word) if args.dry_run else workspace_at(word)
    how = RunSettings(grid.name, args.device, args.workers, args.strict)
    if args.dry_run and (files := sorted(trust.locations((part, {}) for part in grid.parts))):
        say(f"The dry run runs {', '.join(map(printable, files))} to tell what can be trained together.")
    cells = grid.cells()
    if args.dry_run:
        return _planned(args, workspace, how, cells)
    if not args.cluster:  # before every cell fails for want of it
        from voxboard.devices import device_of

        device_of(args.device)
    with workspace.locked():
        if args.max_hours or args.max_disk_gb or args.max_memory_gb:
            _check(args, workspace, how, cells)
        plan = scheduler.run(cells, workspace, how, args.jobs, say, args.retry, args)
        lacking = board.run(board.BoardArgs(records=str(workspace.records), out=workspace.board, json=args.json))
        workspace.publish(*(workspace.board / name for name in FILES))
        say(f"without times: {reproducible_board.digest(survey(workspace.records).filed)}")
    return PARTIAL if lacking or plan.having("missing", "failed") else 0


def folder_of(name: str) -> str:
    """Default folder of the grid of a name."""
    from voxboard.records import slug

    return f"results/grids/{slug(name)}"


def say(text: str) -> None:
    """A line of the log."""
    print(text, file=sys.stderr, flush=True)


def _check(args: RunArgs, workspace: Workspace, how: Any, cells: Sequence[Any]) -> tuple[Plan, list[Job], GridEstimate]:
    """The plan, and what it takes. Raises `UserError` where that is more than the limits."""
    from voxboard.grids import estimate, plan, processes

    planned = plan.make(cells, workspace)
    jobs = plan.jobs(planned.todo(args.retry, args.strict), workspace, how)
    # A cluster's room and its devices are not known here.
    at_once = args.jobs or (1 if args.cluster else processes.default_at_once(args.device))
    speed = estimate.measured_speed("auto" if args.cluster else args.device)
    expected = estimate.estimate(jobs, min(at_once, len(jobs)), planned.records.values(), speed)
    expected.check(args.max_hours, args.max_disk_gb, args.max_memory_gb, workspace)
    return planned, jobs, expected


def _planned(args: RunArgs, workspace: Workspace, how: Any, cells: Sequence[Any]) -> int:
    """Say what a grid would do. Raises `UserError` above a limit."""
    from voxboard.grids.job import describe

    plan, jobs, estimate = _check(args, workspace, how, cells)
    saved = sum(job.forwards_saved for job in jobs)
    banks = [job for job in jobs if job.bank]
    if args.json:
        content = asdict(estimate) | {
            "cells": len(plan.cells),
            "todo": [[named.id for named in job.cells] for job in jobs],
            "forwards_saved": saved,
        }
        print(dumps(content, indent=1))
        return 0
    for job in jobs:
        if job.bank:
            print(f"bank of {len(job.cells)}, saves {job.forwards_saved:,} forwards")
        for named in job.cells:
            print(f"{'  ' if job.bank else ''}{named.id}  {describe(named.cell)}")
    todo = sum(len(job.cells) for job in jobs)
    print(f"{todo} of {len(plan.cells)} cells to do, {len(banks)} banks, {saved:,} backbone forwards saved")
    note = f", {estimate.from_records} cells as records tell" if estimate.from_records else ""
    note += f", without {estimate.unknown} cells of unknown cost" if estimate.unknown else ""
    print(f"about {estimate.hours:.2g} hours{note}, {estimate.disk_gb:.2g} GB of checkpoints")
    print(f"about {estimate.memory_gb:.2g} GB of memory for what runs at the same time")
    return 0


def _status(args: GridArgs) -> int:
    from voxboard.grids import Grid, plan
    from voxboard.grids.job import describe
    from voxboard.grids.workspace import Workspace

    grid = Grid.load(args.grid)
    with trust.inert("grid status"):
        planned = plan.make(grid.cells(), Workspace.seen(args.out or folder_of(grid.name)))
    rows = [
        {"cell": named.id, "state": planned.state(named), "what": describe(named.cell, planned.records.get(named.id)),
         "reason": _reason(planned, named)}
        for named in planned.cells
    ]  # fmt: skip
    if args.json:
        print(dumps(rows, indent=1))
    else:
        for row in rows:
            line = f"{row['cell']}  {row['state']:8}{row['what']}{': ' if row['reason'] else ''}{row['reason']}"
            print(printable(line))
        counts = [f"{len(planned.having(state))} {state}" for state in ("done", "missing", "failed")]
        print(f"{len(rows)} cells: {', '.join(counts)}")
        if aged := sum(bool(planned.aged(named)) for named in planned.cells):
            print(f"{aged} done with other versions of packages than are installed; grid run --strict redoes them")
    return PARTIAL if planned.having("missing", "failed") else 0


def _reason(planned: Plan, named: Named) -> str:
    """Reason of a cell's failure, or the packages it was made with where others are installed now."""
    if planned.state(named) == "failed":
        return planned.records[named.id].reason
    aged = planned.aged(named)
    return f"made with {aged}" if aged else ""


def _cross(args: CrossArgs) -> int:
    from voxboard import remote_results
    from voxboard.boards import FILES, build
    from voxboard.cli.board import tell_left_out
    from voxboard.cli.log import to_stderr
    from voxboard.grids.cross import cross
    from voxboard.settings import Eval, Evaluation
    from voxboard.storage import is_url

    to_stderr()
    home = remote_results.runs(args.runs_dir, args.runs) if is_url(args.runs_dir) else Path(args.runs_dir)
    runs = [str(remote_results.run(run)) if is_url(run) else run for run in args.runs]
    options = Eval(device=args.device, runs=home, records=args.records)
    crossed = cross(runs, args.on, options, Evaluation(replicates=args.replicates))
    _matrix(crossed, args.json)
    lacking = 0
    if any(each.record for each in crossed):
        out = args.out or args.records.parent / "board"
        lacking = tell_left_out(build(args.records, out), args.records)
        say(f"Wrote {out}/: {', '.join(FILES)}")
    return PARTIAL if lacking or any(each.record is None for each in crossed) else 0


def _matrix(crossed: Sequence[Crossed], as_json: bool) -> None:
    """Print the records as a board shows them: train × test, or a plain table where no system met two corpora."""
    from voxboard.boards import arrange, terminal
    from voxboard.boards.cross import crosses
    from voxboard.boards.cross_tables import entry
    from voxboard.console import Console
    from voxboard.records import Filed

    board = arrange([Filed(f"{workspace}.json", each.record) for workspace, each in enumerate(crossed) if each.record])
    matrices = crosses(board)
    if as_json:
        content = {"numbers": [_number(each) for each in crossed], "crosses": [entry(one) for one in matrices]}
        print(dumps(content, indent=1))
        return
    console = Console() if sys.stdout.isatty() else Console(width=400)
    for matrix in matrices:
        console.print(terminal.matrix(matrix, console.width))
    if board.panels and not matrices:
        console.print(terminal.overview(board, console.width))
    for each in crossed:
        if each.record is None:
            print(f"{each.run} on {each.on}: {each.reason}")


def _number(each: Crossed) -> Mapping[str, Any]:
    record = each.record
    value = record.values[record.benchmark.main_metric] if record else None
    return {
        "run": each.run,
        "trained_on": record.system.trained_on if record else "",
        "on": each.on,
        "metric": record.benchmark.main_metric if record else "",
        "value": value.value if value else None,
        "low": value.low if value else None,
        "high": value.high if value else None,
        "reason": each.reason,
    }
