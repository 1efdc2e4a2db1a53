"""Making a record again by its own command, and how far the new numbers may be from the old."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voxboard.errors import UserError
from voxboard.records import Record, load
from voxboard.records.portable import HIDDEN, PLACEHOLDER

ALLOWED = ("eval", "score", "train")
TOLERANCE = 1e-3  # of another code version, package, processor or device: a tenth of a point


@dataclass(frozen=True)
class Check:
    """One number of both records; `after` is None where the new one has none."""

    name: str  # a metric id, with its stratum in front
    before: float | None
    after: float | None
    close: bool


@dataclass(frozen=True)
class Verification:
    """What became of a record that was made again."""

    command: str
    tolerance: float
    because: str  # why this tolerance
    protocol: tuple[str, str]  # before, after
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Whether the protocol is the same and every number within the tolerance."""
        return self.protocol[0] == self.protocol[1] and all(check.close for check in self.checks)

    @property
    def largest(self) -> float:
        """The largest difference of two values."""
        both = ((check.before, check.after) for check in self.checks)
        return max((abs(after - before) for before, after in both if None not in (before, after)), default=0.0)  # type: ignore[operator]


def verify(record: Record, tolerance: float | None = None, data: str = "") -> Verification:
    """Runs a record's command into a temporary folder and compares what comes out.

    Values may differ by `tolerance`, or for values above one by this share of them; by default by nothing where code,
    packages and CPU are the same, else by `TOLERANCE`. `data` stands for `$DATA` in the command. Raises `UserError`
    for a command that cannot be run, and when it fails or leaves no record.
    """
    words = _words(record.provenance.command, data)
    with tempfile.TemporaryDirectory(prefix="voxboard-verify-") as folder:
        again = _again(words, Path(folder))
    allowed, because = (tolerance, "as asked") if tolerance is not None else _tolerance(record, again)
    return Verification(
        shlex.join(["voxboard", *words]),
        allowed,
        because,
        (record.protocol_id, again.protocol_id),
        tuple(_checks(record, again, allowed)),
    )


def _words(command: str, data: str) -> list[str]:
    """The arguments of a record's command. Raises `UserError` for one that this machine cannot run."""
    words = shlex.split(command)
    if len(words) < 2 or words[0] != "voxboard" or words[1] not in ALLOWED:
        raise UserError(
            f"The record's command cannot be run again: {command or 'it has none'}.",
            f"Commands of {', '.join(ALLOWED)} can.",
        )
    if any(HIDDEN in word for word in words):
        raise UserError("The record's command has a hidden secret.", "Run it by hand, then voxboard compare.")
    if any(PLACEHOLDER in word for word in words):
        folder = data or os.environ.get(PLACEHOLDER.removeprefix("$"), "")
        if not folder:
            raise UserError(f"The record's command needs a folder: {command}", "Pass it with --data DIR.")
        words = [word.replace(PLACEHOLDER, folder) for word in words]
    return words[1:]


def _again(words: Sequence[str], folder: Path) -> Record:
    """The record that a command makes, its results led into a folder."""
    from voxboard import cli

    kept = _without(words, "--records", "--json", "--outputs-mb", *(["--runs"] if words[0] != "eval" else []))
    places = ["--records", str(folder / "records")]
    if words[0] != "eval":  # an evaluation reads its run from there
        places += ["--runs", str(folder / "runs")]
    if words[0] != "score":  # into the run's folder too, where they would replace those of the last evaluation
        places += ["--outputs_mb", "0"]
    with contextlib.redirect_stdout(sys.stderr):
        code = cli.main([*kept, *places])
    found = load(folder / "records") if (folder / "records").is_dir() else []
    if code or len(found) != 1:
        raise UserError(f"The command left {len(found)} records and ended with {code}.", "Run it by hand to see why.")
    return found[0]


def _without(words: Sequence[str], *flags: str) -> list[str]:
    """The words without some flags and their values."""
    kept: list[str] = []
    skip = False
    for word in words:
        flag = re.sub("_", "-", word.partition("=")[0]) if word.startswith("--") else ""
        if flag in flags:
            skip = "=" not in word and flag != "--json"
        elif skip:
            skip = False
        else:
            kept.append(word)
    return kept


def _tolerance(before: Record, after: Record) -> tuple[float, str]:
    first, second = before.provenance, after.provenance
    differs = [
        name
        for name, alike in {
            "code version": first.git_revision == second.git_revision and first.git_dirty is False is second.git_dirty,
            "packages": dict(first.packages) == dict(second.packages),
            "processor": (first.cpu, first.platform) == (second.cpu, second.platform),
            "device": first.device == second.device and first.device in ("cpu", ""),
        }.items()
        if not alike
    ]
    if differs:
        return TOLERANCE, f"not the same, or not known to be: {', '.join(differs)}"
    return 0.0, "same code, packages and processor: equal bit for bit"


def _checks(before: Record, after: Record, tolerance: float) -> list[Check]:
    """Every number of the first record beside that of the second."""
    new = _numbers(after)
    found = []
    for name, value in _numbers(before).items():
        other = new.get(name)
        if value is None or other is None:
            found.append(Check(name, value, other, value is None and other is None and name in new))
        else:
            found.append(Check(name, value, other, abs(other - value) <= tolerance * max(1.0, abs(value))))
    return found


def _numbers(record: Record) -> dict[str, float | None]:
    strata = [(f"{stratum.name} ", stratum.values) for stratum in record.strata]
    return {
        f"{where}{metric}": value.value
        for where, values in [("", record.values), *strata]
        for metric, value in values.items()
    }
