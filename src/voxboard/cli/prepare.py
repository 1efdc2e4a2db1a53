"""`voxboard prepare DATA`: manifests of a corpus that the user has, made here, or may download."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from voxboard.cli.parse import parse
from voxboard.data.prepare_options import PrepareOptions
from voxboard.errors import printable
from voxboard.screen import dumps, print

if TYPE_CHECKING:
    from voxboard.data.corpus import Corpus

SUMMARY = "make manifests of a corpus that you have"
DESCRIPTION = """Make manifests of a corpus: which files there are, who speaks, and who is trained and tested on.

DATA is LibriSpeech, VCTK, Vox1, EMO-DB, AMI … (with --data_path; see voxboard list corpora), Voices, or a folder that
has a table of its files or, for diarization, an RTTM. The corpus is written to $VOXBOARD_CORPORA/NAME, or
./data/NAME; the audio stays where it is.

  voxboard prepare LibriSpeech --data_path /data/LibriSpeech
  voxboard prepare my-speech --metadata metadata.csv --columns file=clip speaker=who --split test
  voxboard prepare EMO-DB --data_path /data/emodb --test_speakers 03 --name EMO-DB-03
  voxboard prepare my-meetings --rttm rttm --uem uem --valid_recordings 'dev*'"""


@dataclass(frozen=True, kw_only=True)
class Prepare(PrepareOptions):
    """Corpus to be prepared, and options."""

    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """A known corpus (voxboard list corpora), a folder, or the name of a mixture."""
    data_path: Path | None = None
    """Folder with the corpus's audio (with --download: where it goes)."""
    out: Path | None = None
    """Folder to write (default: $VOXBOARD_CORPORA/NAME, or ./data/NAME)."""
    json: bool = False
    """Print the counts as JSON."""


def main(argv: Sequence[str]) -> int:
    """Parse and prepare. Returns 0."""
    return run(parse(Prepare, argv, prog="prepare", description=DESCRIPTION))


def run(args: Prepare) -> int:
    """Prepare the corpus; notes go to stderr, the counts to stdout. Returns 0."""
    from voxboard.preparation import prepare

    options = PrepareOptions(**{f.name: getattr(args, f.name) for f in fields(PrepareOptions)})
    corpus = prepare(args.data, args.data_path, args.out, options)
    for note in corpus.info.notes:
        print(f"  {printable(note)}", file=sys.stderr)
    if args.json:
        print(dumps(described(corpus)))
    else:
        _print_table(corpus)
    sys.stdout.flush()
    for line in last_words(corpus, options.columns):
        print(line, file=sys.stderr)
    return 0


def last_words(corpus: Corpus, columns: Mapping[str, str]) -> list[str]:
    """Closing words: where things lie, and the next command; `columns` as they were mapped."""
    from voxboard.data.corpus import DESCRIPTION

    trials = [corpus.info.trials[split] for split in corpus.splits if split in corpus.info.trials]
    files = ", ".join([DESCRIPTION, *(f"{split}.jsonl.gz" for split in corpus.splits), *trials])
    wrote = f"Wrote {corpus.folder}/: {files}; the audio stays in {corpus.audio_root}."
    return [printable(wrote), printable(f"Next: voxboard {_next(corpus, columns)}")]


def _next(corpus: Corpus, columns: Mapping[str, str]) -> str:
    from voxboard.data.catalogue import corpora_root
    from voxboard.data.recipes.metadata_table import LABEL

    by_name = corpus.folder.absolute() == (corpora_root() / corpus.name).absolute()
    data = shlex.quote(corpus.name if by_name else str(corpus.folder))
    label = next((ours for ours, theirs in columns.items() if theirs == LABEL and ours != "speaker"), "")
    task = f" --task attributes --label {shlex.quote(label)}" if label else ""
    missing = [split for split in ("train", "valid", "test") if split not in corpus.splits]
    if corpus.info.kind == "recordings":
        return f"eval {data} ECAPA-TDNN --task diarization{' --split valid' if 'test' in missing else ''}"
    if missing in ([], ["test"]):
        return f"train {data} ECAPA-TDNN{task}{' --skiptest' if missing else ''}"
    if "test" not in missing:
        return f"eval {data} fbank+statistics{task}"
    return f"prepare DATA --split {missing[0]} --name {shlex.quote(corpus.name)}   # adds a split, keeps the others"


def described(corpus: Corpus) -> Mapping[str, object]:
    """JSON form of a preparation, for `--json`."""
    info = corpus.info
    return {
        "name": info.name,
        "kind": info.kind,
        "folder": str(corpus.folder),
        "audio_root": str(corpus.audio_root),
        "version": info.version,
        "licence": info.licence,
        "synthetic": info.synthetic,
        "counts": info.counts,
        "trials": info.trials,
        "skipped": info.skipped,
        "notes": list(info.notes),
    }


def _print_table(corpus: Corpus) -> None:
    from rich.table import Table

    from voxboard.console import Console

    version = f" {corpus.info.version}" if corpus.info.version else ""
    console = Console()
    console.print(f"{corpus.name}{version} → {corpus.folder}", soft_wrap=True, markup=False, highlight=False)
    table = Table()
    table.add_column("split")
    columns = ("speakers", "utterances") if corpus.info.kind == "utterances" else ("speakers", "recordings", "turns")
    for column in (*columns, "hours"):
        table.add_column(column, justify="right")
    if corpus.info.kind == "utterances":
        table.add_column("trials")
    for split in corpus.splits:
        counts = corpus.info.counts.get(split, {})
        cells = [*(f"{counts.get(column, 0):,}" for column in columns), f"{counts.get('hours', 0.0):,.2f}"]
        listed = [corpus.info.trials.get(split, "")] if corpus.info.kind == "utterances" else []
        table.add_row(split, *cells, *listed)
    console.print(table)
