"""Names of files that data gives: they stay below the folder that they are relative to, and are names at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from voxboard.errors import UserError, printable

NAMED = "Pass the folder that holds the audio as --audio_root."
LONGEST_NAME = 4096  # characters, which is the limit of most systems


def inside(root: Path, name: str | Path, advice: str = NAMED) -> Path:
    """`root / name`, refused when that leaves `root`.

    The check is on names; `voxboard.data.audio_roots` looks at what they link to where a corpus comes from elsewhere.
    """
    check_name(str(name), lambda what: UserError(f"The manifest or table is unusable: {what}.", "Correct the name."))
    base = os.path.abspath(root)
    path = os.path.normpath(os.path.join(base, name))
    if path != base and not path.startswith(base.rstrip(os.sep) + os.sep):
        raise UserError(f"The manifest names {printable(str(name))}, which lies outside {root}.", advice)
    return Path(path)


def check_name(name: str, bad: Callable[[str], UserError]) -> None:
    """Raise what `bad` makes of the reason for a name that no file can have."""
    if "\0" in name:
        raise bad(f"it names a file {printable(name[:60])!r}, with a NUL in it")
    if len(name) > LONGEST_NAME:
        raise bad(f"it names a file by {len(name):,} characters")
