"""Making a record again by its own command, as `voxboard verify` does."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from voxboard import cli, trust
from voxboard.cli.fixed_form import accepted, files_of
from voxboard.comparison.repeat import Repetition, check_code, compare
from voxboard.errors import UserError, printable
from voxboard.evaluation import code
from voxboard.records import Record, load
from voxboard.records.portable import PLACEHOLDER

RUNS = Path("results/runs")


def verify(
    record: Record,
    tolerance: float | None = None,
    data: str = "",
    runs: Path = RUNS,
    audio_root: Path | None = None,
) -> Repetition:
    """Run a record's command into a temporary folder and compare what comes out.

    `tolerance` is that of `comparison.repeat.compare`. `data` stands for `$DATA` in the command, runs that it evaluates
    are below `runs`, `audio_root` is as in that command. Raises `UserError` for a command that cannot be run
    (`fixed_form` says which can), for code of the user's that has changed, and when the command fails or leaves no
    record.
    """
    words = _words(record.provenance.command, data)
    if files := sorted(files_of(words)):
        digests = code.user_digests([("", [f"{file}:" for file in files])])
        check_code(record, code.user_code(digests), ", ".join(files))
    with tempfile.TemporaryDirectory(prefix="voxboard-verify-") as folder:
        again = _again(words, Path(folder), runs, audio_root)
    return compare(record, again, shlex.join(["voxboard", *words]), tolerance)


def _words(command: str, data: str) -> list[str]:
    """Return the arguments of a record's command. Raises `UserError` for one that cannot or must not run here."""
    words = accepted(command)
    if any(PLACEHOLDER in word for word in words):
        folder = data or os.environ.get(PLACEHOLDER.removeprefix("$"), "")
        if not folder:
            raise UserError(f"The record's command needs a folder: {printable(command)}", "Pass it with --data DIR.")
        words = [word.replace(PLACEHOLDER, folder) for word in words]
    return words


def _again(words: Sequence[str], folder: Path, runs: Path, audio_root: Path | None) -> Record:
    """Return the record that a command makes, its results led into a folder; runs to evaluate are read from `runs`."""
    places = ["--records", str(folder / "records")]
    places += ["--runs", str(runs if words[0] == "eval" else folder / "runs")]
    if words[0] != "score":  # into the run's folder too, where they would replace those of the last evaluation
        places += ["--outputs_mb", "0", *(["--audio_root", str(audio_root)] if audio_root else [])]
    # Nobody has typed the record's words: they name no code.
    with trust.command(()), contextlib.redirect_stdout(sys.stderr):
        try:
            status = cli.main([*words, *places])
        except SystemExit as end:  # of the parser of flags
            status = 2 if end.code else 0
    made = load(folder / "records") if (folder / "records").is_dir() else []
    if status or len(made) != 1:
        raise UserError(f"The command left {len(made)} records and ended with {status}.", "Run it by hand to see why.")
    return made[0]
