"""What the two words of `voxboard compare` mean: records, folders of them, revisions, or raw outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from voxboard.comparison import outputs, revisions
from voxboard.errors import UserError
from voxboard.records import Filed, Record, read, scan


@dataclass(frozen=True)
class Side:
    """One of the two: its records by cell, the newest of each, or raw output files by name."""

    name: str
    records: Mapping[str, Record] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    single: bool = False  # one record or one file was named: it is compared whatever system it is of


def side(word: str, folder: Path) -> Side:
    """A record, a folder of records, a run folder, a file of raw outputs, or a revision of `folder`.

    Raises `UserError` that says what was not found.
    """
    path = Path(word)
    if path.is_dir():
        raw = {file.name: file for file in sorted(path.iterdir()) if outputs.is_raw(file)}
        if (path / "config.json").is_file() and not raw:
            raise UserError(f"{word} holds no raw outputs.", "Evaluate the run: voxboard eval _ _ --eval_path RUN.")
        if raw:
            return Side(word, files=raw)
        return Side(word, _cells(scan(path), word))
    if path.suffix == ".json" and path.is_file():
        return Side(word, _cells([Filed(word, read(path))], word), single=True)
    if path.is_file():
        outputs.kind_of(path)  # or an error that says what is read
        return Side(word, files={path.name: path}, single=True)
    commit = revisions.resolve(word)
    if not commit:
        raise UserError(
            f"{word} is no record, folder, run, file of raw outputs, or git revision.",
            "Name records such as results/records, or a revision such as HEAD~1.",
        )
    return Side(word, _cells(revisions.records_at(commit, folder), word))


def _cells(filed: Iterable[Filed], word: str) -> dict[str, Record]:
    """One record per cell: the newest that has numbers; a later failure does not unmake them."""
    newest: dict[str, Record] = {}
    for item in sorted(filed, key=lambda item: (item.record.provenance.created, item.record.id)):
        held = newest.get(item.record.cell)
        if held is None or item.record.status != "failed" or held.status == "failed":
            newest[item.record.cell] = item.record
    if not newest:
        raise UserError(f"{word} holds no record.", "Evaluate something first: voxboard eval DATA MODEL.")
    return newest
