"""Text files from anywhere: gzipped or not, with any byte order mark, and no larger than memory allows.

A small gzip file can hold more than the memory of the machine: what it unpacks to is counted on the way.
"""

from __future__ import annotations

import codecs
import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from voxboard.errors import UserError

GZIP = b"\x1f\x8b"
HDF5 = b"\x89HDF\r\n\x1a\n"
BLOCK = 1 << 24
LARGEST = 1 << 32  # bytes of a text that is read as a whole, where the memory is larger
_WIDE = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def content(path: Path) -> bytes:
    """Return a file's text as UTF-8, unpacked, without byte order mark.

    Raises `UserError` for a file that cannot be read, is damaged, is no text, or unpacks to more than a quarter of the
    memory that is free.
    """
    limit = min(LARGEST, available() // 4)
    blocks: list[bytes] = []
    size = 0
    with opened(path) as file:
        while block := file.read(BLOCK):
            size += len(block)
            if size > limit:
                raise UserError(
                    f"{path} holds more than {limit / 1e9:.1f} GB of text, which the memory cannot take.",
                    "Cut it into smaller files.",
                )
            blocks.append(block)
    return as_utf8(b"".join(blocks), path)


def as_utf8(data: bytes, path: Path) -> bytes:
    """Return text bytes as UTF-8 without byte order mark. Raises `UserError` for what is no text."""
    if data[:2] in _WIDE:
        try:
            data = data.decode(_WIDE[data[:2]]).encode()
        except UnicodeError as error:
            raise UserError(f"{path} is no whole UTF-16 text.", "Convert the file to UTF-8.") from error
    if data.startswith(HDF5):
        raise UserError(
            f"{path} is an HDF5 file, as BOSARIS writes them.",
            "Write it as text: `model segment score`, or `model segment target|nontarget`.",
        )
    if b"\0" in data:
        raise UserError(f"{path} is no text file: it holds a NUL byte.", "Pass a text in UTF-8.")
    return data.removeprefix(codecs.BOM_UTF8)


def text(path: Path, plain_ends: bool = True) -> str:
    """Read a file like `content`, and decode it; with `plain_ends`, line ends become newlines.

    Raises `UserError` with the line that is not UTF-8.
    """
    data = content(path)
    try:
        decoded = data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(f"{path}, line {line}: not UTF-8 text.", "Convert the file to UTF-8.") from error
    return decoded.replace("\r\n", "\n").replace("\r", "\n") if plain_ends else decoded


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, unpacked where its first bytes are gzip's. Raises `UserError`."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.", "Check the path.") from error
    except ValueError as error:  # a NUL in the name
        raise UserError(f"{str(path)!r} is no name of a file ({error}).", "Check the path.") from error
    try:
        with file:
            packed = file.read(2) == GZIP
            file.seek(0)
            yield gzip.GzipFile(fileobj=file) if packed else file  # type: ignore[misc]
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(
            f"{path} cannot be read: it is a damaged gzip file ({error}).", "Fetch or write it again."
        ) from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.", "Check the path.") from error


def is_packed(path: Path) -> bool:
    """True if a file's first bytes are gzip's. Raises `UserError`."""
    with opened(path) as file:
        return isinstance(file, gzip.GzipFile)


def available() -> int:
    """Bytes of memory that are free, or 8 GB where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError, IndexError):
        return 1 << 33


def is_hidden(path: Path) -> bool:
    """True for a file that is not to be read with its folder: `.x`, and the `._x` that macOS leaves beside `x`."""
    return path.name.startswith(".")


def with_suffix(folder: Path, suffix: str) -> list[Path]:
    """The files of a folder with a suffix in any case, gzipped or not, hidden ones left out, by name.

    Raises `UserError` where the folder cannot be read, or holds none.
    """
    try:
        files = _ending(folder, suffix)
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error.strerror or error}.", "Check the path.") from error
    if not files:
        raise UserError(f"{folder} holds no {suffix} file.", "Pass a file, or the folder that holds them.")
    return files


def holds(folder: Path, suffix: str) -> bool:
    """True if there is a folder with files that `with_suffix` finds."""
    return folder.is_dir() and bool(_ending(folder, suffix))


def _ending(folder: Path, suffix: str) -> list[Path]:
    endings = (suffix, f"{suffix}.gz")
    named = (file for file in folder.iterdir() if file.name.lower().endswith(endings) and not is_hidden(file))
    return sorted(file for file in named if file.is_file())


def stem_of(path: Path) -> str:
    """A file's name without its suffix, and without that of gzip."""
    name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    return Path(name).stem
