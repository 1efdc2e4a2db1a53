"""Transcripts in JSON: lines of objects (as NeMo's manifests), a list of objects, id → text, Whisper's output."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from voxboard.errors import UserError
from voxboard.files import parse_json
from voxboard.imported.text_source import Reading, Row, TextSource, columns, id_column, text_column
from voxboard.text_files import stem_of

_ADVICE = 'A line is {"id": …, "text": …}.'


def recognize(source: TextSource) -> Reading | None:
    """The reading of a text in JSON; None for any other. Raises `UserError` for JSON without ids and texts."""
    start = source.lines[0][1].lstrip()[:1]
    named = source.suffix in ("json", "jsonl", "ndjson")
    if start not in "{[" and not named:
        return None
    rows, format_ = _content(source, named)
    if rows is None:
        return None
    reason = {"json": "the whole file is JSON"}.get(format_, "every line is a JSON object")
    ids = tuple(name for _, name, _ in rows)
    return Reading(format_, ids, f"the first utterance is {ids[0] if ids else 'none'}", reason)


def parse(source: TextSource) -> list[Row]:
    """The utterances of a text in JSON. Raises `UserError`."""
    rows, _ = _content(source, named=True)
    assert rows is not None
    return rows


def _content(source: TextSource, named: bool) -> tuple[list[Row] | None, str]:
    """The utterances and the format; None where a text that is not `named` as JSON is none."""
    text = source.text.strip()
    whole = _loaded(text, source)
    if isinstance(whole, dict) and not _is_row(whole):
        return _of_map(whole, source), "json"
    if isinstance(whole, list):
        return _of_objects(list(enumerate(whole, start=1)), source, "entry"), "json"
    objects = [(number, _loaded(line, source)) for number, line in source.lines]
    if not named and not any(isinstance(row, dict) for _, row in objects):
        return None, ""
    nemo = any(isinstance(row, dict) and "audio_filepath" in row for _, row in objects)
    return _of_objects(objects, source, "line"), "nemo" if nemo else "jsonl"


def _loaded(text: str, source: TextSource) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        return parse_json(text, source.name)  # says that it is nested too deeply
    except ValueError:
        return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are distinct: of two texts of one id, the first would be lost."""
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"A JSON object names {twice[:80]!r} twice: it has a second text.", "Keep one of them.")
    return content


def _is_row(content: Mapping[str, Any]) -> bool:
    """True if an object is one utterance with named fields, not a map of many."""
    named = columns(list(content))
    return bool(named.ids or named.texts) and not isinstance(content.get("segments"), list)


def _of_map(content: Mapping[str, Any], source: TextSource) -> list[Row]:
    if isinstance(content.get("segments"), list) and isinstance(content.get("text"), str):
        return [(1, stem_of(Path(source.name)), str(content["text"]).strip())]
    wrong = next((name for name, text in content.items() if not isinstance(text, str)), None)
    if wrong is not None or not content:
        kind = "nothing" if wrong is None else f"{type(content[wrong]).__name__} under {wrong[:60]!r}"
        raise UserError(
            f"{source.name} is JSON, but no map of id to text: it holds {kind}.",
            'Write {"id": "text", …}, a list of {"id": …, "text": …}, or such a line per utterance.',
        )
    return [(number, name, text) for number, (name, text) in enumerate(content.items(), start=1)]


def _of_objects(objects: Sequence[tuple[int, Any]], source: TextSource, unit: str) -> list[Row]:
    """The utterances of objects; stretches of one recording, at an `offset` each, have it in their id."""
    rows: list[Row] = []
    offsets: list[Any] = []
    for number, row in objects:
        named = columns(list(row)) if isinstance(row, dict) else columns([])
        if not (named.ids and named.texts):
            raise UserError(f"{source.name}, {unit} {number} has no id and text.", _ADVICE)
        name, text = row[id_column(named, source)], row[text_column(named, source)]
        if not (isinstance(name, str) and isinstance(text, str)):
            raise UserError(f"{source.name}, {unit} {number}: id and text are not both text.", _ADVICE)
        rows.append((number, name, text))
        offsets.append(row.get("offset"))
    names = Counter(name for _, name, _ in rows)
    return [
        (number, name if names[name] == 1 or offset is None else f"{name}@{offset}", text)
        for (number, name, text), offset in zip(rows, offsets, strict=True)
    ]
