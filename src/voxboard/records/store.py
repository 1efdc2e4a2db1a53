"""The folder of records: one file each, whole or not there."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxboard.errors import UserError
from voxboard.files import read_json, write_atomically
from voxboard.records.codec import encode
from voxboard.records.migrations import SCHEMA
from voxboard.records.portable import portable_values
from voxboard.records.record import Record


@dataclass(frozen=True)
class Filed:
    """A record and the file that holds it, named relative to the folder of records, with `/`."""

    path: str
    record: Record


def load(folder: str | Path) -> list[Record]:
    """All records below a folder, in the order of their file names. Raises as `scan` does."""
    return [filed.record for filed in scan(folder)]


def scan(folder: str | Path) -> list[Filed]:
    """As `load`, with file names. Raises one `UserError` that lists every file that is no valid record.

    It refuses rather than skips: a board that silently lacks a row answers a different question.
    """
    root = Path(folder)
    if not root.is_dir():
        raise UserError(f"There is no folder {folder}.", "Evaluate something first: voxboard eval DATA MODEL.")
    found, bad = [], []
    for name, path in sorted((path.relative_to(root).as_posix(), path) for path in root.rglob("*.json")):
        if any(part.startswith(".") for part in Path(name).parts) or not path.is_file():
            continue
        try:
            found.append(Filed(name, read(path)))
        except UserError as error:
            bad.append(str(error))
    if bad:
        several = f"{len(bad)} files are not valid records: " if len(bad) > 1 else ""
        raise UserError(
            several + " ".join(bad[:10]) + (f" … and {len(bad) - 10} more." if len(bad) > 10 else ""),
            "Repair or move away what is named; the other records are whole.",
        )
    return found


def read(path: str | Path) -> Record:
    """The record in a file. Raises `UserError` that names the file and the field."""
    data = read_json(path)
    try:
        return Record.from_dict(data)
    except UserError as error:
        raise UserError(f"{path}: {error.problem}", error.advice) from error


def validate(source: Record | Mapping[str, Any] | str | Path) -> Record:
    """A record, its parsed JSON, or its file → the valid record. Raises `UserError` that names the field."""
    if isinstance(source, str | Path):
        return read(source)
    return Record.from_dict(source.to_dict() if isinstance(source, Record) else source)


def save(record: Record, folder: str | Path) -> Path:
    """Writes `<folder>/<benchmark>/<system>-<seed>-<id>.json` atomically and returns its path.

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
