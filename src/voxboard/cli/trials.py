"""`voxboard trials build | check | show | convert`: trial lists, what they hold, and what is wrong with them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from voxboard.cli.parse import parse
from voxboard.errors import UserError, unknown
from voxboard.limits import Count, CountOrZero, Seed, Within
from voxboard.screen import dumps, print

if TYPE_CHECKING:
    from voxboard.trials.design import Design

USAGE = """\
usage: voxboard trials build|check|show|convert …

  build DATA      draw a balanced list from a corpus or a table of utterances or speakers
  check LIST      what a list holds, and what is wrong with it: repeats, leaks, imbalance
  show LIST       a list at a glance: first trials, counts, how evenly it uses speakers and utterances
  convert LIST OUT  write a list in another format

examples:
  voxboard trials build VCTK --strata gender accent --trials 16000 --out vctk.csv.gz
  voxboard trials build vox1_meta.csv --preset vox-h --utterances_per_speaker 100
  voxboard trials check veri_test2.txt --metadata vox1_meta.csv
  voxboard trials convert veri_test2.txt trials.kaldi --format kaldi

`voxboard trials build --help` explains a command."""
BUILD = """Draw a balanced list of trials and write it with a report beside it (FILE.json).

DATA is a prepared corpus (its name, folder or manifest), or a table: of utterances (columns utterance or file, speaker,
labels), or of speakers (vox1_meta.csv, SPEAKERS.TXT, speaker-info.txt) with --utterances or --utterances_per_speaker.

  voxboard trials build LibriSpeech --split test --strata gender --out trials.csv.gz
  voxboard trials build vox1_meta.csv --preset vox-e --utterances wav_list.txt --out vox1-e-style.txt
  voxboard trials build speaker-info.txt --preset unipool-vctk --utterances_per_speaker 400

A preset gives the counts of the lists that it is named after, not their trials; other flags change it. Presets:
{presets}"""
CHECK = """Count what is in a trial list and say what is wrong with it.

Speakers and sessions come from --metadata (a prepared corpus or a table), else from names as LibriSpeech, VoxCeleb,
VCTK and Speech Commands give them. Where LIST.json lies beside the list, its digest is compared.

  voxboard trials check veri_test.txt --metadata vox1_meta.csv --training vox2_meta.csv

The exit code is 1 for a list that cannot be used as it is (one kind of trials only, labels that contradict the speakers
or each other, a LIST.json of another list), else 0, however uneven the list is."""
SHOW = "Show a trial list: its first trials, counts, labels, and how evenly it uses what it is made of."
CONVERT = """Write a trial list in another format: unipool (CSV), nist (TSV), voxceleb, kaldi or wespeaker.

Only unipool and nist keep the match columns; Kaldi's and WeSpeaker's are the same three columns.

  voxboard trials convert trials.csv.gz trials.txt"""


@dataclass(frozen=True)
class Build:
    """Source and design of a trial list."""

    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """A prepared corpus, or a table of utterances or speakers."""
    split: str | None = None
    """Split of the corpus (default: test), or rows of a table with this split."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Columns of the table, as OURS=THEIRS: utterance, speaker, gender, age, accent, region, nationality, session …"""
    utterances: Path | None = None
    """File with one utterance per line, whose names say their speaker, for a table of speakers."""
    utterances_per_speaker: Count | None = None
    """Make up so many utterances of each speaker of a table of speakers."""
    preset: str | None = None
    """A known design."""
    trials: Count | None = None
    """Trials in all (default: 10000)."""
    target_share: Within | None = None
    """Share of targets in them (default: 0.5)."""
    targets_per_speaker: CountOrZero | None = None
    """Targets of every speaker, instead of a total."""
    non_targets_per_stratum: CountOrZero | None = None
    """Non-targets of every stratum, instead of a total."""
    strata: tuple[str, ...] | None = None
    """Labels that non-targets share in one half of the strata and not in the other (default: gender)."""
    matched: tuple[str, ...] | None = None
    """Labels that both speakers of every non-target share."""
    smallest_group: Count | None = None
    """Leave out speakers who share the matched labels with fewer than this many, themselves included."""
    session: str | None = None
    """The label that tells recordings of one occasion (default: session)."""
    target_sessions: str | None = None
    """Targets are of `different` sessions where possible (default), of `any`, or of one in a share such as 0.5."""
    rounding: str | None = None
    """exact (default), or ceil: every speaker pair of a stratum gets the same number, rounded up."""
    seed: Seed = 0
    """Another seed draws another list."""
    training: str | None = None
    """Corpus or table of the training speakers, who should not be in the list (default: the corpus's own)."""
    out: Path | None = None
    """File to write; without it, only the report is printed."""
    format: str | None = None
    """unipool, nist, voxceleb, kaldi or wespeaker (default: by the file's suffix: .csv, .tsv, else voxceleb)."""
    json: bool = False
    """Print the report as JSON."""


@dataclass(frozen=True)
class CheckArgs:
    """List to be checked."""

    list: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="LIST")]
    """A trial list, in any format."""
    metadata: Annotated[str | None, tyro.conf.arg(aliases=["--data"])] = None
    """Prepared corpus, or table of utterances or speakers, that knows the labels."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Columns of the table, as OURS=THEIRS."""
    training: str | None = None
    """Prepared corpus (its training split) or table of training speakers."""
    training_split: str | None = None
    """Split of --training that is trained on."""
    json: bool = False
    """Print JSON."""


@dataclass(frozen=True)
class Convert:
    """Lists to be converted."""

    list: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="LIST")]
    """A trial list, in any format."""
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """File to write; *.gz is compressed."""
    format: str | None = None
    """unipool, nist, voxceleb, kaldi or wespeaker (default: by the file's suffix: .csv, .tsv, else voxceleb)."""


def main(argv: Sequence[str]) -> int:
    """Run one of the four. Returns 0; 1 for a list that `check` finds unusable."""
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE)
        return 0
    commands = {"build": _build, "check": _check, "show": _show, "convert": _convert}
    if argv[0] not in commands:
        raise unknown("command of voxboard trials", argv[0], commands)
    return commands[argv[0]](argv[1:])


def _build(argv: Sequence[str]) -> int:
    from voxboard.trials.presets import PRESETS

    described = "".join(f"\n  {name:<20} {preset.summary}" for name, preset in PRESETS.items())
    args = parse(Build, argv, prog="trials build", description=BUILD.format(presets=described))
    from voxboard.cli.trials_report import built_report
    from voxboard.trials import sidecar, source
    from voxboard.trials.build import build
    from voxboard.trials.list_file import write

    design = design_of(args)
    table, notes = source.utterances(
        args.data,
        args.split,
        args.columns,
        args.utterances,
        args.utterances_per_speaker,
        (*design.strata, *design.matched, design.session),
    )
    for note in notes:
        print(f"  {note}", file=sys.stderr)
    built = build(table, design, args.seed)
    content = sidecar.of_built(built, args.preset, _training(args))
    content["notes"] = notes
    if args.out is not None:
        write(built.trials, args.out, args.format, content)
    if args.json:
        _print_json({**content, "written": str(args.out) if args.out else None})
    else:
        built_report(content, args.out)
    return 0


def design_of(args: Build) -> Design:
    """The preset, or the default, with what the flags say instead. Raises `UserError` for what is no design."""
    from dataclasses import replace

    from voxboard.trials.design import Design
    from voxboard.trials.presets import preset

    design = preset(args.preset).design if args.preset else Design()
    if args.trials is not None or args.target_share is not None:
        total = args.trials or (design.targets or design.non_targets) + design.non_targets
        asked = Design.of(total, 0.5 if args.target_share is None else args.target_share)
        design = replace(design, targets=asked.targets, non_targets=asked.non_targets)
    names = (
        "targets_per_speaker",
        "non_targets_per_stratum",
        "strata",
        "matched",
        "smallest_group",
        "session",
        "rounding",
    )
    changes: dict[str, Any] = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    if args.matched is not None and args.strata is None:  # what is matched is no stratum any more
        changes["strata"] = tuple(name for name in design.strata if name not in args.matched)
    if args.target_sessions is not None:
        changes["target_sessions"] = _sessions(args.target_sessions)
    return replace(design, **changes)


def _sessions(word: str) -> str | float:
    try:
        return float(word)
    except ValueError:
        return word


def _training(args: Build) -> list[str] | None:
    """The training speakers: as named, else those of the corpus that another split is drawn from."""
    from voxboard.data.catalogue import find_corpus
    from voxboard.trials import source

    if args.training is not None:
        return source.training_speakers(args.training)
    if source.is_table(args.data) or args.split == "train" or "train" not in find_corpus(args.data).splits:
        return None
    return source.training_speakers(args.data)


def _check(argv: Sequence[str]) -> int:
    args = parse(CheckArgs, argv, prog="trials check", description=CHECK)
    from voxboard.cli.trials_report import check_report

    content, faults = examined(args)
    if args.json:
        _print_json({**content, "faults": faults})
    else:
        check_report(content, faults)
    return 1 if faults else 0


def examined(args: CheckArgs) -> tuple[dict[str, Any], list[str]]:
    """Contents of a list, in the form of its sidecar, and the reasons why it cannot be used."""
    from voxboard.trials import sidecar, source
    from voxboard.trials.check import examine
    from voxboard.trials.list_file import format_of, read

    trials = read(args.list)
    labels, how = source.labels_for(trials, args.metadata, args.columns)
    training = source.training_speakers(args.training, args.training_split) if args.training else None
    if training is not None and "speaker" not in labels:
        raise UserError(f"The speakers of {args.list} are not known.", "Pass --metadata TABLE.")
    findings = examine(trials, labels, training)
    faults = findings.faults()
    if (sentence := sidecar.disagreement(args.list, trials)) is not None:
        faults.append(sentence)
    beside = "agrees" if sentence is None else "is of another list"
    about = {
        "list": str(args.list),
        "format": format_of(args.list),
        "labels_from": how,
        "sidecar": beside if sidecar.path_of(args.list).is_file() else None,
    }
    return {**about, **sidecar.of_list(trials, findings)}, faults


def _show(argv: Sequence[str]) -> int:
    args = parse(CheckArgs, argv, prog="trials show", description=SHOW)
    from voxboard.cli.trials_report import show_report
    from voxboard.trials.list_file import read

    content, faults = examined(args)
    if args.json:
        _print_json({**content, "faults": faults})
    else:
        show_report(read(args.list), content)
    return 0


def _convert(argv: Sequence[str]) -> int:
    args = parse(Convert, argv, prog="trials convert", description=CONVERT)
    from voxboard.trials.list_file import format_of, read, write

    trials = read(args.list)
    path = write(trials, args.out, args.format)
    written = format_of(path)
    if trials.matches and written not in ("unipool", "nist"):
        print(f"  The match columns ({', '.join(trials.matches)}) are left out: {written} has none.", file=sys.stderr)
    print(f"{len(trials):,} trials → {path} ({written}, digest {trials.digest()[:12]})")
    return 0


def _print_json(content: dict[str, Any]) -> None:
    print(dumps(content))
