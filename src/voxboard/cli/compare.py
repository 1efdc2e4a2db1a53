"""`voxboard compare A B`: what is better or worse, and whether that is more than chance."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from voxboard.cli.parse import parse
from voxboard.limits import Limit, Within
from voxboard.screen import dumps, print

if TYPE_CHECKING:
    from voxboard.comparison import Comparison
    from voxboard.comparison.sides import Side

REGRESSION = 4
DESCRIPTION = """Compare B with A: the difference of every metric, its interval, and p corrected for all of them (Holm),
half of the correction for the metrics that rank.

  voxboard compare HEAD~1 results/records --fail_on_regression    tonight's records with those of a git revision
  voxboard compare A.json B.json                                  two systems under one protocol
  voxboard compare results/runs/RUN1 results/runs/RUN2            raw outputs: scores, predictions, texts, recordings
  voxboard compare a/scores.txt b/scores.txt                      two score files of one list

Differences are paired (both systems on the same resampled speakers) by what the records themselves hold; those that are
too old for it by their raw outputs, which evaluations keep in the folder `outputs` beside the records. Else they follow
from the two stored intervals, as if the items were different ones, which finds less.

Exit code 4 with --fail_on_regression: a metric is significantly worse in B, or a cell or a number of A is gone. A file
that is no valid record ends it with exit code 2: what decides must not rest on a part of the records."""


@dataclass(frozen=True)
class CompareArgs:
    """The sides of a comparison, and the use of its answer."""

    a: tyro.conf.Positional[str]
    """Before: a record, a folder of records or its URL, a git revision, a run folder, or a file of raw outputs."""
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
    outputs: tuple[Path, ...] = ()
    """Further folders of raw outputs. Default: those beside the records of A and B."""
    runs: Path = Path("results/runs")
    """Where run folders and what was imported are, whose raw outputs count too."""
    level: Within = 0.95
    """Of intervals; p below one minus this is significant."""
    replicates: Annotated[int, Limit(100, 1_000_000)] = 1_000
    """Bootstrap replicates where raw outputs are paired. Records hold their own."""
    json: bool = False
    """Print JSON instead of a table."""


def main(argv: Sequence[str]) -> int:
    """Compare and print. Returns 0, or 4 for a regression where that is asked for."""
    return run(parse(CompareArgs, argv, prog="compare", description=DESCRIPTION))


def run(args: CompareArgs) -> int:
    """Like `main`, from parsed arguments."""
    from voxboard.comparison.compare import Settings, compare
    from voxboard.comparison.sides import side
    from voxboard.remote_results import local

    settings = Settings(
        args.runs,
        args.outputs,
        args.speakers,
        args.metric,
        args.main_only,
        args.level,
        args.replicates,
    )
    a, b = (replace(side(local(word), args.records), name=word) for word in (args.a, args.b))
    comparison = compare(a, b, settings)
    if args.json:
        content = {**asdict(comparison), "failed": comparison.failed}
        print(dumps(content))
    else:
        _show(comparison, a, b)
    for note in comparison.notes:
        print(f"voxboard: {note}", file=sys.stderr)
    return REGRESSION if args.fail_on_regression and comparison.failed else 0


def _show(comparison: Comparison, before: Side, after: Side) -> None:
    """Print a comparison of two sides."""
    from rich.text import Text

    from voxboard.console import Console

    console = Console(soft_wrap=True) if sys.stdout.isatty() else Console(width=200, soft_wrap=True)
    console.print(Text(f"A: {before.described}\nB: {after.described}"))
    for line, style in comparison.lines():
        console.print(Text(line, style))
