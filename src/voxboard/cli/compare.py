"""`voxboard compare A B`: what is better or worse, and whether that is more than chance."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from voxboard.cli.parse import parse

if TYPE_CHECKING:
    from voxboard.comparison import Comparison
    from voxboard.comparison.compare import Row

REGRESSION = 4
DESCRIPTION = """Compare B with A: the difference of every metric, its interval, and p corrected for all of them (Holm).

  voxboard compare HEAD~1 results/records --fail_on_regression    tonight's records with those of a git revision
  voxboard compare A.json B.json                                  two systems under one protocol
  voxboard compare results/runs/RUN1 results/runs/RUN2            raw outputs: scores, predictions, texts, recordings
  voxboard compare a/scores.txt b/scores.txt                      two score files of one list

Differences are paired (both systems on the same resampled speakers) where the raw outputs of both runs lie below
--runs; else they follow from the two stored intervals, as if the items were different ones, which finds less.

Exit code 4 with --fail_on_regression: a metric is significantly worse in B, or a cell or a number of A is gone."""


@dataclass(frozen=True)
class CompareArgs:
    """What is compared, and what becomes of the answer."""

    a: tyro.conf.Positional[str]
    """Before: a record, a folder of records, a git revision, a run folder, or a file of raw outputs."""
    b: tyro.conf.Positional[str]
    """After: the same."""
    fail_on_regression: bool = False
    """Exit with 4 when something is significantly worse, or gone."""
    metric: Annotated[tuple[str, ...], tyro.conf.arg(metavar="METRIC ...")] = ()
    """Only these metric ids, such as eer@interpolated. Fewer comparisons find smaller differences."""
    main_only: bool = False
    """Only the metric of each benchmark that ranks."""
    speakers: str = ""
    """Who speaks: a file of lines `utterance speaker`, or a prepared corpus. Default: the record's own corpus; for
    score files, utterances that target trials link count as one speaker."""
    records: Path = Path("results/records")
    """Folder of records inside a git revision."""
    runs: Path = Path("results/runs")
    """Where the raw outputs of records lie."""
    level: float = 0.95
    """Of intervals; p below one minus this is significant."""
    replicates: int = 1_000
    """Bootstrap replicates of paired differences."""
    seed: int = 0
    """Seed of the resamples."""
    json: bool = False
    """Print JSON instead of a table."""


def main(argv: Sequence[str]) -> int:
    """Compares and prints. Returns 0, or 4 for a regression where that is asked for."""
    return run(parse(CompareArgs, argv, prog="compare", description=DESCRIPTION))


def run(args: CompareArgs) -> int:
    """As `main`, from parsed arguments."""
    from voxboard.comparison.compare import Settings, compare
    from voxboard.comparison.sides import side
    from voxboard.errors import UserError

    if not 0 < args.level < 1 or args.replicates < 100:
        raise UserError("--level lies between 0 and 1, and --replicates is at least 100.", "Leave both out.")
    settings = Settings(args.runs, args.speakers, args.metric, args.main_only, args.level, args.replicates, args.seed)
    found = compare(side(args.a, args.records), side(args.b, args.records), settings)
    if args.json:
        content = {**asdict(found), "failed": found.failed}
        print(json.dumps(content, indent=2, ensure_ascii=False))
    else:
        _show(found)
    for note in found.notes:
        print(f"voxboard: {note}", file=sys.stderr)
    return REGRESSION if args.fail_on_regression and found.failed else 0


def _show(found: Comparison) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", "metric", box=None, pad_edge=False)
    for name in ("A", "B", "B − A", f"{100 * found.level:g} % interval", "p (Holm)"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    last = ""
    for row in found.rows:
        cell, last = "" if row.cell == last else row.cell, row.cell
        style = {"worse": "red", "better": "green"}.get(row.verdict, "")
        table.add_row(*map(Text, (cell, row.metric, *_numbers(row))), Text(_verdict(row), style))
    console = Console() if sys.stdout.isatty() else Console(width=200)
    if found.rows:
        console.print(table)
    for gone in found.vanished:
        console.print(Text(f"gone: {gone.cell}{f', {gone.metric}' if gone.metric else ''} ({gone.reason})", "red"))
    for cell in found.new:
        console.print(Text(f"new: {cell}"))
    better = sum(row.verdict == "better" for row in found.rows)
    summary = f"{len(found.rows)} comparisons: {better} better, {len(found.regressions)} worse"
    untested = sum(row.verdict == "untested" for row in found.rows)
    untested_text = f", {untested} without an interval" if untested else ""
    console.print(Text(f"{summary}, {len(found.vanished)} gone{untested_text}."))


def _numbers(row: Row) -> tuple[str, ...]:
    scale, digits = (100, 2) if row.unit == "fraction" else (1, 4)
    bounds = (row.difference.low, row.difference.high)
    interval = " … ".join(f"{scale * bound:+.{digits}f}" for bound in bounds if bound is not None)
    p = "–" if row.corrected is None else f"{row.corrected:.2g}" if row.corrected >= 1e-4 else "<0.0001"
    values = (f"{scale * value:.{digits}f}" for value in (row.before, row.after))
    return (*values, f"{scale * row.difference.value:+.{digits}f}", interval or "–", p)


def _verdict(row: Row) -> str:
    how = "paired" if row.paired else "unpaired"
    return "no interval" if row.verdict == "untested" else f"{row.verdict} ({how})"
