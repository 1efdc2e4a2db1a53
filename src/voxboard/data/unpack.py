"""Unpacking archives: nothing outside the folder, no links, no devices, no more than an archive of audio can hold.

Not the interpreter's `extractall(filter="data")`: before 3.11.13, 3.12.11 and 3.13.4 it can be led out of the folder by
long chains of links (CVE-2025-4517). Files are all that corpora consist of, so links are refused, and each file is
written by its real place.
"""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO

from voxboard.errors import UserError, printable

CHUNK = 1 << 20
SWELL = 25  # times its size that an archive may unpack to; audio is hardly compressed by archives
FREE = 256 << 20  # bytes that any archive may unpack to
UNSAFE = "Do not use this archive."


@dataclass(frozen=True)
class Member:
    """A file of an archive; `content` can be read once, before the next member is asked for."""

    name: str
    content: IO[bytes]


def unpack(file: Path, folder: Path) -> None:
    """Unpack a tar or zip archive. Raises `UserError` for one that is damaged, names a place outside the folder, holds
    links or devices, or unpacks to far more than its size; what was unpacked before stays.
    """
    left = max(FREE, SWELL * file.stat().st_size)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for member in _members(file):
            left = _write(member, _place(member.name, folder, file), file, left)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError, NotImplementedError) as error:
        raise UserError(f"{file} cannot be unpacked: {error}.", "Delete it and run the command again.") from error
    except (RuntimeError, ValueError) as error:  # an encrypted member; a header of nonsense
        raise UserError(f"{file} cannot be unpacked: {printable(str(error))}.", UNSAFE) from error
    except OSError as error:
        reason = error.strerror or printable(str(error))
        raise UserError(f"{file} cannot be unpacked to {folder}: {reason}.", "Run the command again.") from error


def _members(file: Path) -> Iterator[Member]:
    return _of_zip(file) if zipfile.is_zipfile(file) else _of_tar(file)


def _of_tar(file: Path) -> Iterator[Member]:
    with tarfile.open(file) as archive:
        for info in archive:
            if info.isdir():
                continue
            content = archive.extractfile(info) if info.isreg() else None
            if content is None:
                what = "a link, which may lead outside its folder" if info.islnk() or info.issym() else "a device"
                raise UserError(f"{file.name} holds {what}: {printable(info.name)!r}.", UNSAFE)
            yield Member(info.name, content)


def _of_zip(file: Path) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.is_dir():
                continue
            if kind not in (0, stat.S_IFREG):
                what = "a link, which may lead outside its folder" if kind == stat.S_IFLNK else "a device"
                raise UserError(f"{file.name} holds {what}: {printable(info.filename)!r}.", UNSAFE)
            with archive.open(info) as content:
                yield Member(info.filename, content)


def _place(name: str, folder: Path, file: Path) -> Path:
    """Target path of a member, its real one: links that lie in the folder already lead nowhere else either."""
    parts = [part for part in PurePosixPath(name).parts if part not in ("/", "//")]
    root = os.path.realpath(folder)
    place = os.path.join(root, *parts)
    real = os.path.realpath(place)
    if not parts or ".." in parts or "\\" in name or "\0" in name or not real.startswith(root.rstrip("/") + "/"):
        raise UserError(f"{file.name} tries to write outside its folder: {printable(name)!r}.", UNSAFE)
    if os.path.islink(place):
        raise UserError(f"{file.name} would overwrite {place}, which is a link.", "Move it away, and run it again.")
    return Path(place)


def _write(member: Member, place: Path, file: Path, left: int) -> int:
    """Write one file, and return how many bytes the others may have."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)  # another name of the same file keeps its content
    with place.open("xb") as out:
        while chunk := member.content.read(CHUNK):
            left -= len(chunk)
            if left < 0:
                raise UserError(
                    f"{file.name} unpacks to more than {SWELL} times its size, as no archive of audio does.", UNSAFE
                )
            out.write(chunk)
    return left
