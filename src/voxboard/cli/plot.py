"""`voxboard plot`: DET curves, score histograms, calibration, groups, confusion matrices and diarization errors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from voxboard.cli.parse import parse
from voxboard.errors import printable
from voxboard.limits import NotNegative
from voxboard.screen import print

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from voxboard.plots.sources import Plotted
    from voxboard.records import Record, Unread

Kind = Literal["det", "histogram", "calibration", "groups", "confusion", "timeline"]
DESCRIPTION = """Draw records or score files as PNG or SVG.

  voxboard plot det UniPool ECAPA-TDNN --corpus Vox1 --out det.svg     two systems by name, from results/records
  voxboard plot det results/records --corpus VCTK --out det.svg        all systems that were evaluated on VCTK
  voxboard plot histogram results/runs/RUN/scores-vox1-1a2b3c4d.txt.gz --out scores.png
  voxboard plot groups UniPool --corpus VCTK --out groups.svg          speaker groups, the worst one, the gap
  voxboard plot confusion results/records --corpus Voices --out mixed.svg   which class is taken for which
  voxboard plot timeline turns.rttm --reference reference.rttm --out call.svg   where a diarization goes wrong

Systems share a DET plot only under the same protocol. Lines are thinned to what is seen; the operating points on them
are exact. The same input gives the same bytes. A file in a folder of records that is no valid record is left out and
named on stderr; the exit code is 3 then."""
PARTIAL = 3  # records could not be read


@dataclass(frozen=True)
class PlotArgs:
    """Picture and output file."""

    kind: tyro.conf.Positional[Kind]
    """det: errors of several systems; histogram: scores of both classes; calibration: Bayes error rate over priors,
    reading the scores of a file as natural-log likelihood ratios; groups: forest plot of speaker groups;
    confusion: which class is taken for which, of the records that have classes; timeline: the errors of a diarization
    over time, from the RTTM file of a system, such as the turns-*.rttm of a run, and --reference."""
    sources: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE ...")]
    """Records (.json), folders of records, score files (label enrol test score, .gz or not), or names of systems.
    For a timeline one RTTM file, or a folder of them."""
    out: Path
    """The file to write, .svg or .png."""
    records: Path = Path("results/records")
    """Where systems are looked for by name."""
    corpus: str = ""
    """Only records that were tested on this corpus."""
    protocol: str = ""
    """Only records of this protocol id; its first characters are enough."""
    metric: str = ""
    """Metric id of the groups, such as min_dcf@p=0.01. Default: the benchmark's main metric."""
    threshold: float | None = None
    """A score to mark: in histograms, and on the DET curves of score files. Default: that of the record."""
    reference: Path | None = None
    """RTTM file or folder of the reference; this and the following are for timelines."""
    uem: Path | None = None
    """UEM file or folder of what is scored. Default: from the first to the last turn of either side."""
    recording: str = ""
    """Which recording is drawn. Default: the one with the most seconds of errors."""
    collar: NotNegative = 0.25
    """Seconds on each side of every turn of the reference that are not scored."""
    skip_overlap: bool = False
    """Leave out where several people speak."""
    title: str = ""
    """Above the plot. Default: the benchmark."""


def main(argv: Sequence[str]) -> int:
    """Draw what the flags ask for. Returns 0, or 3 when a file among the records could not be read."""
    return run(parse(PlotArgs, argv, prog="plot", description=DESCRIPTION))


def run(args: PlotArgs) -> int:
    """Draw, write, and names the written file on stdout. Returns as `main` does."""
    from voxboard.errors import UserError
    from voxboard.plots import save
    from voxboard.plots.sources import collect

    if not args.sources:
        raise UserError("There is nothing to plot.", "Name a record, a score file, a folder of records, or a system.")
    if args.kind == "timeline":
        print(save(_timeline(args), args.out))
        return 0
    left_out: list[tuple[Path, Unread]] = []
    subjects: Sequence[Plotted] = collect(args.sources, args.records, args.corpus, args.protocol, left_out)
    if args.kind == "confusion":
        subjects = _with_classes(subjects)
    elif args.kind in CURVED:
        subjects = _with_curves(subjects)
    try:
        figure = _DRAWN[args.kind](args, subjects)
    except ValueError as error:  # of the metrics: NaN, a class that is missing
        raise UserError(f"{', '.join(args.sources)}: {error}.") from error
    print(save(figure, args.out))
    print(f"Drew {len(subjects)} system{'s' if len(subjects) > 1 else ''}.", file=sys.stderr)
    for folder, one in left_out:
        print(f"voxboard: left out: {printable(f'{folder / one.path}: {one.reason}')}", file=sys.stderr)
    return PARTIAL if left_out else 0


def _det(args: PlotArgs, subjects: Sequence[Plotted]) -> Figure:
    from voxboard.plots import det
    from voxboard.plots.sources import same_protocol

    same_protocol(subjects)
    points = {subject.name: subject.operating_point(args.threshold) for subject in subjects}
    drawn = {name: point for name, point in points.items() if point}
    return det({subject.name: subject.source for subject in subjects}, thresholds=drawn, title=_title(args, subjects))


def _histogram(args: PlotArgs, subjects: Sequence[Plotted]) -> Figure:
    from voxboard.plots import histogram

    marks = {s.name: s.threshold() if args.threshold is None else args.threshold for s in subjects}
    drawn = {name: mark for name, mark in marks.items() if mark is not None}
    return histogram({subject.name: subject.source for subject in subjects}, drawn, _title(args, subjects))


def _calibration(args: PlotArgs, subjects: Sequence[Plotted]) -> Figure:
    from voxboard.plots import calibration

    return calibration({subject.name: subject.likelihood_ratios for subject in subjects}, _title(args, subjects))


def _groups(args: PlotArgs, subjects: Sequence[Plotted]) -> Figure:
    from voxboard.plots import forest

    return forest(_records(subjects, "groups"), args.metric or None, _title(args, subjects))


def _confusion(args: PlotArgs, subjects: Sequence[Plotted]) -> Figure:
    from voxboard.plots import confusion

    return confusion(_records(subjects, "classes"), _title(args, subjects))


def _timeline(args: PlotArgs) -> Figure:
    from voxboard.diarization.error_timeline import error_timeline
    from voxboard.errors import UserError, unknown
    from voxboard.metrics import diarization, rttm
    from voxboard.plots import timeline

    if args.reference is None or len(args.sources) != 1:
        raise UserError("A timeline is of one system and a reference.", "Write: plot timeline HYP.rttm --reference REF")
    reference, hypothesis = rttm.read_rttm(args.reference), rttm.read_rttm(args.sources[0])
    uem = rttm.read_uem(args.uem) if args.uem else None
    if args.recording and args.recording not in reference:
        raise unknown("recording", args.recording, reference)
    try:
        scores = diarization.score(reference, hypothesis, args.collar, args.skip_overlap, uem).files
        wrong = {name: one.miss + one.false_alarm + one.confusion for name, one in scores.items() if name in reference}
        name = args.recording or max(wrong, key=lambda name: wrong[name])
        errors = error_timeline(
            name,
            reference[name],
            hypothesis.get(name, []),
            collar=args.collar,
            skip_overlap=args.skip_overlap,
            uem=(uem or {}).get(name),
        )
    except ValueError as error:
        raise UserError(f"{args.sources[0]}: {error}.") from error
    return timeline(errors, args.title)


def _with_classes(subjects: Sequence[Plotted]) -> Sequence[Plotted]:
    """Of several tasks those whose matrix can be drawn; all, where that is none."""
    from voxboard.charts.confusion import LARGEST

    def size(subject: Plotted) -> int:
        mixed = subject.record.confusion if subject.record else None
        return len(mixed.classes) if mixed else 0

    return [subject for subject in subjects if 0 < size(subject) <= LARGEST] or subjects


def _with_curves(subjects: Sequence[Plotted]) -> Sequence[Plotted]:
    """Of several tasks those with scores of trials; all, where that is none."""
    return [one for one in subjects if one.record is None or one.record.curves is not None] or subjects


def _records(subjects: Sequence[Plotted], what: str) -> dict[str, Record]:
    from voxboard.errors import UserError

    for subject in subjects:
        if subject.record is None:
            raise UserError(f"{subject.origin} holds scores, which know no {what}.", "Pass a record.")
    return {subject.name: subject.record for subject in subjects if subject.record}


def _title(args: PlotArgs, subjects: Sequence[Plotted]) -> str:
    """The title asked for, else the benchmark that all systems share."""
    benchmarks = {subject.record.benchmark.name if subject.record else "" for subject in subjects}
    return args.title or (benchmarks.pop() if len(benchmarks) == 1 else "")


CURVED = ("det", "histogram", "calibration")
_DRAWN = {
    "det": _det,
    "histogram": _histogram,
    "calibration": _calibration,
    "groups": _groups,
    "confusion": _confusion,
}
