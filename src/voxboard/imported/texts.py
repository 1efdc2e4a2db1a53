"""Transcripts as text: Kaldi's `id text`, CSV with the columns id and text, or JSON lines with these keys."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from voxboard.errors import UserError

_IDS = ("id", "utterance", "utt_id", "utt", "path")
_TEXTS = ("text", "transcript", "sentence", "hypothesis", "reference")


def read(path: str | Path) -> dict[str, str]:
    """Utterance → text, in the order of the file; a line with an id alone is an empty text.

    The suffix tells CSV and JSON lines; anything else is read as Kaldi's. Raises `UserError` with file and line.
    """
    from voxboard.trials.table import content

    path = Path(path)
    suffix = Path(path.name.removesuffix(".gz")).suffix
    try:
        lines = content(path).decode().split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text.", "Convert the file to UTF-8.") from error
    readers = {".csv": _csv, ".jsonl": _json}
    rows = readers.get(suffix, _kaldi)(lines, path)
    found: dict[str, str] = {}
    for number, name, text in rows:
        if name in found:
            raise UserError(f"{path}, line {number}: {name} has a second text.", "Keep one text per utterance.")
        found[name] = text
    if not found:
        raise UserError(f"{path} holds no texts.", "A line is an id, a space, and the text.")
    return found


Row = tuple[int, str, str]


def _kaldi(lines: list[str], path: Path) -> list[Row]:
    parts = ((number, line.split(maxsplit=1)) for number, line in enumerate(lines, start=1))
    return [(number, one[0], one[1] if len(one) > 1 else "") for number, one in parts if one]


def _csv(lines: list[str], path: Path) -> list[Row]:
    rows = csv.DictReader(io.StringIO("\n".join(lines)))
    header = {name.strip().lower(): name for name in rows.fieldnames or () if name}
    name, text = (next((header[key] for key in keys if key in header), None) for keys in (_IDS, _TEXTS))
    if name is None or text is None:
        raise UserError(f"{path} has no columns id and text.", f"Its header is {','.join(rows.fieldnames or ())[:80]}.")
    found = []
    for row in rows:
        if row[name] is None or row[text] is None or None in row:
            raise UserError(f"{path}, line {rows.line_num}: fields are missing or too many.", "Repair the line.")
        found.append((rows.line_num, row[name], row[text]))
    return found


def _json(lines: list[str], path: Path) -> list[Row]:
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            name, text = row[next(filter(row.__contains__, _IDS))], row[next(filter(row.__contains__, _TEXTS))]
        except (ValueError, TypeError, AttributeError, RecursionError, StopIteration):
            raise UserError(f"{path}, line {number} has no id and text.", 'A line is {"id": …, "text": …}.') from None
        if not (isinstance(name, str) and isinstance(text, str)):
            raise UserError(f"{path}, line {number}: id and text are not both text.", 'A line is {"id": …, "text": …}.')
        found.append((number, name, text))
    return found
