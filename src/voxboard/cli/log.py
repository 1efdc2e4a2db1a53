"""The log on stderr: what happens, without timestamps; the run folder's copy has them."""

from __future__ import annotations

import logging
import shlex
import sys
from pathlib import Path

from voxboard import parallel
from voxboard.screen import print


class _Stderr(logging.Handler):
    """Writes to whatever stderr is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


def to_stderr() -> None:
    """Show the log of voxboard, once; of several processes the first one's."""
    log = logging.getLogger("voxboard")
    log.setLevel(logging.INFO)
    if parallel.first() and not any(isinstance(handler, _Stderr) for handler in log.handlers):
        log.addHandler(_Stderr())


def closing(lies: str, *commands: str) -> None:
    """Say on stderr where the results of a command lie, and which commands come next; stdout is the result itself."""
    print(f"voxboard: {lies}", file=sys.stderr)
    for number, command in enumerate(commands):
        print(f"{'next:' if number == 0 else '     '} {command}", file=sys.stderr)


def board_command(records: Path) -> str:
    """The command that ranks these records."""
    usual = records == Path("results/records")
    return "voxboard board" if usual else f"voxboard board --records {shlex.quote(str(records))}"
