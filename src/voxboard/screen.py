"""Text on its way to a terminal, a log or a pipe: nothing in it can act on whoever reads it.

Records, file names and transcripts come from outside, and an escape sequence in one could recolor, retitle or rewrite
what the reader sees, or fill a clipboard. Modules that print import `print` from here; tables go through
`voxboard.console`.
"""

from __future__ import annotations

import builtins
import json
import logging
import sys
from typing import Any, TextIO

from voxboard.errors import printable


def print(*values: object, end: str = "\n", file: TextIO | None = None, flush: bool = False) -> None:  # noqa: A001
    """Print as the built-in does, with control and format characters written out; lines stay lines."""
    text = " ".join(printable(str(value), lines=True) for value in values)
    builtins.print(text, end=end, file=sys.stdout if file is None else file, flush=flush)


def dumps(content: Any, indent: int | None = 2) -> str:
    """Return JSON as people read it, Unicode included, but for control and format characters, which JSON escapes."""
    text = json.dumps(content, indent=indent, ensure_ascii=False)
    return text if printable(text, lines=True) == text else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if character == "\n" or printable(character) == character:
        return character
    return json.dumps(character)[1:-1] if character != "\x7f" else "\\u007f"


class Formatter(logging.Formatter):
    """A log's lines, printable."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), lines=True)
