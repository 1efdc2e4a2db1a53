"""The folder of records: one file each, whole or not there."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxboard.errors import UserError
from voxboard.files import read_json, write_atomically
from voxboard.records.codec import encode
from voxboard.records.migrations import SCHEMA
from voxboard.records.portable import portable_values
from voxboard.records.record import Record

_NAMED = 10  # files that an error lists


@dataclass(frozen=True)
class Filed:
    """A record and the file that holds it, named relative to the folder of records, with `/`."""

    path: str
    record: Record


@dataclass(frozen=True)
class Unread:
    """A file or folder among the records that cannot be read as such."""

    path: str  # relative to the folder of records, with `/`
    reason: str  # "It is not readable as JSON (…)."


@dataclass(frozen=True)
class Survey:
    """Contents of a folder of records."""

    filed: tuple[Filed, ...]
    unread: tuple[Unread, ...]

    def complete(self, folder: str | Path) -> list[Filed]:
        """The records. Raises one `UserError` that lists what could not be read, if there is any."""
        if self.unread:
            raise UserError(*told(self.unread, folder))
        return list(self.filed)


def told(unread: Sequence[Unread], folder: str | Path) -> tuple[str, str]:
    """Message about unreadable records, each with its reason, and what to do about it."""
    several = f"{len(unread)} files are not valid records: " if len(unread) > 1 else ""
    named = " ".join(f"{Path(folder) / one.path}: {one.reason}" for one in unread[:_NAMED])
    more = f" … and {len(unread) - _NAMED} more." if len(unread) > _NAMED else ""
    return several + named + more, "Repair or move away what is named; the other records are whole."


def load(folder: str | Path) -> list[Record]:
    """All records below a folder, in the order of their file names. Raises as `scan` does."""
    return [filed.record for filed in scan(folder)]


def scan(folder: str | Path) -> list[Filed]:
    """Like `load`, with file names. Raises one `UserError` that lists every file that is no valid record.

    It refuses rather than skips: for whoever needs all records, such as a comparison that decides.
    """
    return survey(folder).complete(folder)


def survey(folder: str | Path) -> Survey:
    """All records below a folder, in the order of their file names, and beside them what could not be read.

    Hidden files and folders are none of it, and links to other folders are not followed but told. Raises `UserError`
    where there is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        if root.exists():
            raise UserError(f"{folder} is a file, not a folder of records.", "Name the folder that it lies in.")
        raise UserError(f"There is no folder {folder}.", "Evaluate something first: voxboard eval DATA MODEL.")
    filed, unread = [], []
    for name, path, problem in sorted((path.relative_to(root).as_posix(), path, why) for path, why in _files(root)):
        try:
            if problem:
                raise UserError(problem)
            filed.append(Filed(name, _parsed(path, "It")))
        except UserError as error:
            unread.append(Unread(name, str(error)))
    return Survey(tuple(filed), tuple(unread))


def _files(root: Path) -> Iterator[tuple[Path, str]]:
    """The JSON files below a folder, and whatever else would be left out silently with the reason why."""
    failed: list[OSError] = []
    for place, folders, names in os.walk(root, onerror=failed.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in folders:
            if (path := Path(place, name)).is_symlink():
                yield path, "It is a link to another folder, which is not followed."
        for name in names:
            if name.endswith(".json") and not name.startswith("."):
                path = Path(place, name)
                yield path, "" if path.is_file() else "It is no regular file."
    yield from ((Path(error.filename), f"It cannot be read: {error.strerror}.") for error in failed)


def read(path: str | Path) -> Record:
    """The record in a file. Raises `UserError` that names the file and the field."""
    try:
        return _parsed(Path(path), str(path))
    except UserError as error:
        named = error.problem if error.problem.startswith(str(path)) else f"{path}: {error.problem}"
        raise UserError(named, error.advice) from error


def _parsed(path: Path, name: str) -> Record:
    return Record.from_dict(read_json(path, name, unique=True))


def validate(source: Record | Mapping[str, Any] | str | Path) -> Record:
    """A record, its parsed JSON, or its file → the valid record. Raises `UserError` that names the field."""
    if isinstance(source, str | Path):
        return read(source)
    return Record.from_dict(source.to_dict() if isinstance(source, Record) else source)


def save(record: Record, folder: str | Path) -> Path:
    """Write `<folder>/<benchmark>/<system>-<seed>-<id>.json` atomically and return its path.

    Text is made portable first (`voxboard.records.portable`). Saving the same content twice gives the same
    file; other content never replaces it. Raises `UserError` when it is invalid or cannot be written.
    """
    record = Record.from_dict({"schema": SCHEMA, **portable_values(encode(record))})
    parts = [record.system.name, record.system.origin, f"s{record.provenance.seed}", record.id]
    path = Path(folder) / slug(record.benchmark.name) / f"{'-'.join(slug(part) for part in parts)}.json"
    text = json.dumps(record.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically({path: f"{text}\n".encode()})
    return path


def slug(text: str) -> str:
    """Lower-case ASCII words joined by hyphens, at most 60 characters, safe as a file name."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].rstrip("-") or "unnamed"
