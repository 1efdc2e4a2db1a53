"""Sides of `voxboard compare`: records, folders of them, revisions, or raw outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from voxboard.charts.titles import title
from voxboard.comparison import outputs, revisions
from voxboard.errors import UserError
from voxboard.records import Filed, Record, read, scan
from voxboard.records import outputs as kept

ABOVE = 4  # folders over a record: a grid's is in records/<cell>/<benchmark>


@dataclass(frozen=True)
class Side:
    """One of the two: its records by cell, the newest of each, or raw output files by name."""

    name: str
    records: Mapping[str, Record] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    single: bool = False  # one record or one file was named: it is compared whatever system it is of
    homes: tuple[Path, ...] = ()  # where the raw outputs of its records may be

    @property
    def described(self) -> str:
        """Description for a reader: number of cells and days, or the system."""
        days = sorted({record.provenance.created[:10] for record in self.records.values()})
        if not days:
            return f"{self.name}, raw outputs"
        if not self.single:
            cells = "1 cell" if len(self.records) == 1 else f"{len(self.records)} cells"
            return f"{self.name}, {cells} of {' to '.join(dict.fromkeys((days[0], days[-1])))}"
        (record,) = self.records.values()
        training = record.system.training
        steps = f" after {training.steps} steps" if training and training.steps else ""
        trained = f"trained on {training.corpus}{steps}" if training else record.system.trained_on
        return f"{self.name}, {title(record.system)}, {trained}, of {days[0]}"


def side(word: str, folder: Path) -> Side:
    """A record, a folder of records, a run folder, a file of raw outputs, or a revision of `folder`.

    Raises `UserError` that says what was not found.
    """
    path = Path(word)
    if path.is_dir():
        return _of_folder(path, word)
    if path.suffix == ".json" and path.is_file():
        return Side(word, _cells([Filed(word, read(path))], word), single=True, homes=_homes(path))
    if path.is_file():
        outputs.kind_of(path)  # or an error that says what is read
        return Side(word, files={path.name: path}, single=True)
    commit = revisions.resolve(word)
    if not commit:
        raise UserError(
            f"{word} is no record, folder, run, file of raw outputs, or git revision.",
            "Name records such as results/records, or a revision such as HEAD~1.",
        )
    return Side(word, _cells(revisions.records_at(commit, folder), word), homes=_homes(folder))


def of_record(record: Record) -> Side:
    """A record that is at hand."""
    return Side(record.id, {record.cell: record}, single=True)


def _of_folder(path: Path, word: str) -> Side:
    """A folder of raw outputs, of records, or one that holds a folder `records`, as results/ and grids do."""
    raw = {file.name: file for file in sorted(path.iterdir()) if outputs.is_raw(file)}
    if raw:
        return Side(word, files=raw)
    if (path / "config.json").is_file():
        raise UserError(f"{word} holds no raw outputs.", "Evaluate the run: voxboard eval _ _ --eval_path RUN.")
    path = path / "records" if (path / "records").is_dir() else path
    return Side(word, _cells(scan(path), word), homes=_homes(path))


def _homes(path: Path) -> tuple[Path, ...]:
    """The folders of raw outputs beside a record, or beside the folders that it is in."""
    places = [path, *path.absolute().parents[:ABOVE]]
    return tuple(place for place in map(kept.beside, places) if place.is_dir())


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
