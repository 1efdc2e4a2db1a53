"""The log on stderr: what happens, without timestamps; the run folder's copy has them."""

from __future__ import annotations

import logging
import sys

from voxboard import parallel
from voxboard.screen import print


class _Stderr(logging.Handler):
    """Writes to whatever stderr is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


def to_stderr() -> None:
    """Shows the log of voxboard, once; of several processes the first one's."""
    log = logging.getLogger("voxboard")
    log.setLevel(logging.INFO)
    if parallel.first() and not any(isinstance(handler, _Stderr) for handler in log.handlers):
        log.addHandler(_Stderr())
