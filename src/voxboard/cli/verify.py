"""`voxboard verify RECORD`: makes a record again and checks its numbers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from voxboard.cli.parse import parse
from voxboard.limits import NotNegative
from voxboard.screen import dumps, print

if TYPE_CHECKING:
    from voxboard.comparison.repeat import Repetition

MISMATCH = 4
DESCRIPTION = """Run a record's own command again, into a temporary folder, and compare protocol and values.

The same code, packages, CPU and number of threads must give the same values bit for bit; anything else may differ by
0.001 (of values above one, by this share). The command is run from the working directory and printed first; paths that
the record does not tell are $DATA in it. Exit code 4: the protocol is another one, or a value is too far away.

A record is data, so only commands of train, eval and score are run, with settings that these have; where they write is
left out, --resume is refused, and code in a file runs only with --trust_code and only as it was then."""


@dataclass(frozen=True)
class VerifyArgs:
    """Record to be made again."""

    record: tyro.conf.Positional[Path]
    """A record (.json)."""
    tolerance: NotNegative | None = None
    """How far a value may be away. Default: as the description says."""
    data: str = ""
    """The folder that $DATA in the command stands for. Default: the environment's DATA."""
    runs: Path = Path("results/runs")
    """Where the runs are that the command evaluates."""
    audio_root: Path | None = None
    """Folder that the audio of a corpus may lie in, as train and eval have it; what the record says does not count."""
    trust_code: bool = False
    """Run code that the command names in a file."""
    json: bool = False
    """Print JSON instead of lines."""


def main(argv: Sequence[str]) -> int:
    """Make the record again. Returns 0 where it holds, else 4."""
    return run(parse(VerifyArgs, argv, prog="verify", description=DESCRIPTION))


def run(args: VerifyArgs) -> int:
    """Like `main`, from parsed arguments."""
    from voxboard import records
    from voxboard.cli.rerun import verify
    from voxboard.errors import printable

    record = records.read(args.record)
    print(f"voxboard: {printable(record.provenance.command)}", file=sys.stderr)
    verification = verify(record, args.tolerance, args.data, args.runs, args.audio_root)
    if args.json:
        print(dumps({**asdict(verification), "holds": verification.holds}))
    else:
        _show(verification)
    return 0 if verification.holds else MISMATCH


def _show(verification: Repetition) -> None:
    from voxboard.errors import printable

    before, after = verification.protocol
    if before != after:
        print(f"protocol {before or 'none'} became {after or 'none'}: the numbers mean something else")
    for check in verification.checks:
        if not check.close:
            print(f"{printable(check.name)}: {check.before} became {check.after}")
    close = sum(check.close for check in verification.checks)
    within = f"{verification.tolerance:g} ({verification.because})"
    print(f"{close} of {len(verification.checks)} values agree within {within}.")
    print(f"Largest difference: {verification.largest:g}.")
    print("verified" if verification.holds else "not verified")
