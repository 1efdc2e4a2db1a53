"""The log on stderr: what happens, without timestamps; the run folder's copy has them."""

from __future__ import annotations

import logging
import sys


def to_stderr() -> None:
    """Shows the log of voxboard, once."""
    log = logging.getLogger("voxboard")
    log.setLevel(logging.INFO)
    if not log.handlers:
        log.addHandler(logging.StreamHandler(sys.stderr))
