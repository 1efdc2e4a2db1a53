"""Files that are whole or not there, and JSON that cannot hurt its reader.

A file is written beside its place and moved in. What a killed writer has left behind is swept away by the next one.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

from voxboard.errors import UserError, printable

ABANDONED = 24 * 3600.0  # seconds after which a temporary file of another machine counts as left behind
_HOST = f"{crc32(socket.gethostname().encode()):08x}"
_TEMPORARY = re.compile(r"\..*\.([0-9a-f]{8})-(\d+)-[0-9a-f]{12}\.tmp")
_swept: set[Path] = set()


def write_atomically(files: Mapping[Path, bytes]) -> None:
    """Write all files beside their places, then move them in: a full disk leaves the old ones whole.

    Raises `UserError` that says why it was not possible.
    """
    staged: dict[Path, Path] = {}
    try:
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            sweep(path.parent)
            temporary = temporary_name(path)
            staged[temporary] = path
            with temporary.open("xb") as handle:
                handle.write(data)
                handle.flush()
                os.fsync(handle.fileno())
        for temporary, path in staged.items():
            os.replace(temporary, path)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise _not_written(next(iter(files)), error) from error
    finally:
        for temporary in staged:
            with contextlib.suppress(OSError, ValueError):
                temporary.unlink()
    for folder in {path.parent for path in files}:
        _sync_folder(folder)


def write_text(path: Path, text: str) -> None:
    """Write one text file as `write_atomically` does."""
    write_atomically({path: text.encode()})


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; what was written there replaces it where the block ends well.

    Raises `UserError` where the disk does not take it; what was at `path` stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    temporary = temporary_name(path)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # some writers make files for the owner alone
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise _not_written(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def temporary_name(path: Path) -> Path:
    """A hidden name in the same folder that tells who writes it."""
    return path.with_name(f".{path.name[:100]}.{_HOST}-{os.getpid()}-{secrets.token_hex(6)}.tmp")


def existing(path: Path) -> Path:
    """Return the path of something that is there. Raises `UserError` where nothing is."""
    if not path.exists():
        raise UserError(f"There is no {printable(str(path))}.", "Check the path.")
    return path


def sweep(folder: Path) -> None:
    """Delete temporary files in a folder whose writer is no more, once per process and folder."""
    if folder in _swept:
        return
    _swept.add(folder)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _TEMPORARY.fullmatch(entry.name)
            if match and _abandoned(match[1], int(match[2]), entry):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)


def _abandoned(host: str, process: int, entry: os.DirEntry[str]) -> bool:
    if host == _HOST:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            return False
        return False
    try:
        return entry.stat().st_mtime < time.time() - ABANDONED
    except OSError:
        return False


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut, where the file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_json(path: str | Path, name: str = "", unique: bool = False) -> Any:
    """The content of a JSON file. Raises `UserError` that names the file where it is none, or cannot be read.

    `name` stands for the file in errors. With `unique` a key that an object has twice is an error too.
    """
    name = name or str(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:  # no UTF-8, or a NUL in the name
        raise UserError(f"{name} is not readable as JSON ({error}).") from error
    return parse_json(text, name, unique)


def read_json_object(path: str | Path) -> dict[str, Any]:
    """Read a JSON file that must hold an object; see `read_json`."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no JSON object but {type(content).__name__}.")
    return content


def parse_json(text: str | bytes, name: str, unique: bool = False) -> Any:
    """Parse a JSON text. Raises `UserError` that names its source; `NaN` and `Infinity` are no JSON.

    With `unique` a key that an object has twice is an error: nobody can tell which of the two was meant.
    """
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_unique if unique else None)
    except RecursionError as error:
        raise UserError(f"{name} is not readable as JSON (it is nested too deeply).") from error
    except ValueError as error:
        raise UserError(f"{name} is not readable as JSON ({error}).") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:60]!r} is there twice")
    return content


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _not_written(path: Path, error: Exception) -> UserError:
    reason = getattr(error, "strerror", None) or error
    return UserError(
        f"{path} cannot be written: {reason}.",
        "Nothing that was there has changed; make room or choose another folder, then run it again.",
    )
