"""Scoring of another toolkit's outputs: settings to a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from voxboard import trust
from voxboard.errors import UserError
from voxboard.limits import NotNegative, Replicates, Seed

if TYPE_CHECKING:
    from voxboard.imported.record import ImportSource
    from voxboard.records import Record


@dataclass(frozen=True)
class Score:
    """Outputs, references, and names in the record."""

    scores: Path | None = None
    """Scores of trials."""
    trials: Path | None = None
    """The trial list that was scored, in any format that voxboard reads; without it the labels are in --scores."""
    rttm: Path | None = None
    """Turns of a system: an RTTM file or a folder of them."""
    reference: Path | None = None
    """Turns of the reference: an RTTM file or a folder of them."""
    uem: Path | None = None
    """What is scored of each recording: a UEM file or a folder of them."""
    diarizer: str = ""
    """A diarizer that is run on the recordings of the prepared corpus --corpus: the name of an installed one, or
    file.py:Class, with options in brackets."""
    hypotheses: Path | None = None
    """Transcripts of a system."""
    references: Path | None = None
    """True transcripts."""
    format: str = ""
    """Format of --scores, or of both transcripts, where several fit: one of the names above."""
    hypothesis_format: str = ""
    """Format of --hypotheses alone."""
    reference_format: str = ""
    """Format of --references alone."""
    system: str = ""
    """Name of the system. Default: that of the file."""
    corpus: str = ""
    """The corpus that was tested on. Default: the name of the list or reference."""
    split: str = "test"
    """The part of the corpus."""
    trained_on: str = "unknown"
    """The corpus that the system was trained on."""
    origin: str = ""
    """Where the outputs come from: a URL or a citation."""
    speakers: str = ""
    """Whose the utterances are: a file of lines `utterance speaker`, or a prepared corpus."""
    normalizer: str = "none"
    """What is done to texts before they are compared: none, basic, basic-marks, whisper-en."""
    costs: Literal["minimal", "nist"] = "minimal"
    """How words are aligned: minimal is the fewest errors, nist sclite's costs (substitution 4, others 3)."""
    optional: bool = False
    """A word in brackets may be missing (TRN, STM; sclite's -D)."""
    fragments: bool = False
    """`wor-` matches every word that begins with `wor` (sclite's -F)."""
    fold_case: bool = False
    """Upper and lower case are the same (sclite's default)."""
    collar: NotNegative = 0.25
    """Seconds on each side of every turn of the reference that are not scored."""
    skip_overlap: bool = False
    """Leave out where several people speak."""
    mapping: Literal["scored", "all"] = "scored"
    """Speakers are mapped on the time that is scored, or on all of it as md-eval and dscore do."""
    span: Literal["both", "reference"] = "both"
    """Without --uem recordings are scored from first to last turn of either side, or of the reference (md-eval)."""
    merge_touching: bool = False
    """Turns of one speaker that touch are one, without a collar between (spy-der)."""
    replicates: Replicates = 1_000
    """Bootstrap replicates behind the 95 % intervals."""
    seed: Seed = 0
    """Seed of the system that made the outputs: its row on a board. Intervals do not depend on it."""
    records: Path = Path("results/records")
    """Where the record is written."""
    runs: Path = Path("results/runs")
    """Where a folder with the outputs is kept, so that voxboard compare can pair them."""


def record_of(args: Score, arguments: Sequence[str] | None = None) -> Record:
    """Return the record of what the settings name; `arguments` is the command that it keeps."""
    if sum(map(bool, (args.scores, args.rttm, args.diarizer, args.hypotheses))) != 1:
        raise UserError(
            "One of --scores, --rttm, --diarizer and --hypotheses says what is scored.", "See voxboard score --help."
        )
    from voxboard.imported import speakers

    owners = speakers.known(args.speakers) if args.speakers else None
    if args.scores:
        return _verification(args, arguments, args.scores, owners)
    if args.diarizer:
        return _diarizer(args, arguments)
    if args.rttm:
        return _diarization(args, arguments, args.rttm)
    assert args.hypotheses is not None
    return _transcription(args, arguments, args.hypotheses, owners)


def _verification(
    args: Score, arguments: Sequence[str] | None, scores: Path, owners: Mapping[str, str] | None
) -> Record:
    from voxboard import trials
    from voxboard.imported import tasks

    files = {"scores": _there(scores), **({"trials": args.trials} if args.trials else {})}
    listed = trials.read(_there(args.trials)) if args.trials else None
    return tasks.verification(_source(args, files, arguments), listed, scores, owners, args.format)


def _diarization(args: Score, arguments: Sequence[str] | None, rttm: Path) -> Record:
    from voxboard.imported import tasks

    pair = {"rttm": _there(rttm), "reference": _there(args.reference, "--reference")}
    pair |= {"uem": _there(args.uem)} if args.uem else {}
    scoring = (args.uem, args.collar, args.skip_overlap, args.mapping, args.merge_touching, args.span)
    return tasks.diarization(_source(args, pair, arguments), pair["rttm"], pair["reference"], *scoring)


def _diarizer(args: Score, arguments: Sequence[str] | None) -> Record:
    from voxboard.imported import tasks
    from voxboard.parts import Part

    if not args.corpus:
        raise UserError("--diarizer needs a prepared corpus of recordings.", "Pass --corpus NAME.")
    part = Part.parse(args.diarizer)
    source = replace(
        _source(args, {}, arguments),
        system=args.system or part.name.rpartition(trust.MARK)[2],
        origin=args.origin or f"the diarizer {part}",
    )
    return tasks.diarizer(source, part, args.collar, args.skip_overlap)


def _transcription(
    args: Score, arguments: Sequence[str] | None, hypotheses: Path, owners: Mapping[str, str] | None
) -> Record:
    from voxboard.imported import tasks, texts
    from voxboard.metrics.nist_text import Rules

    _there(hypotheses)
    both = hypotheses if args.references is None and texts.two_in_one(hypotheses) else args.references
    pair = {"hypotheses": hypotheses, "references": _there(both, "--references")}
    formats = (args.reference_format or args.format, args.hypothesis_format or args.format)
    rules = Rules(args.costs, optional=args.optional, fragments=args.fragments, fold_case=args.fold_case)
    source = _source(args, pair, arguments)
    return tasks.transcription(source, pair["hypotheses"], pair["references"], owners, args.normalizer, rules, formats)


def _there(path: Path | None, flag: str = "") -> Path:
    if path is None:
        raise UserError(f"{flag} is missing.", f"Pass {flag} PATH.")
    if not path.exists():
        raise UserError(f"There is no {path}.", "Check the path.")
    return path


def _source(args: Score, files: dict[str, Path], arguments: Sequence[str] | None) -> ImportSource:
    from voxboard.imported.record import ImportSource

    names = [path.name.removesuffix(".gz") for path in files.values()] or [""]
    return ImportSource(
        system=args.system or names[0],
        corpus=args.corpus or names[min(1, len(names) - 1)],
        files=files,
        split=args.split,
        trained_on=args.trained_on,
        origin=args.origin,
        seed=args.seed,
        replicates=args.replicates,
        arguments=arguments,
        runs=args.runs,
    )
