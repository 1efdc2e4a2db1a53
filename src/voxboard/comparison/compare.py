"""Two sides, cell by cell: what differs, by how much, how surely, and what is no longer there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from voxboard.comparison import outputs
from voxboard.comparison.outputs import Options, Paired
from voxboard.comparison.sides import Side
from voxboard.comparison.significance import Difference, between, holm, p_value
from voxboard.errors import UserError
from voxboard.imported import speakers as known_speakers
from voxboard.records import Record, slug

Verdict = Literal["better", "worse", "same", "untested"]
CLOSE = 1e-4  # how far a value of raw outputs may be from the record's: some outputs keep four digits


@dataclass(frozen=True)
class Row:
    """One metric of one cell on both sides."""

    cell: str  # "UniPool on Voices verification, seed 42"
    metric: str
    before: float
    after: float
    difference: Difference
    better: str
    paired: bool
    unit: str = ""
    main: bool = False
    corrected: float | None = None  # p, corrected for all rows
    verdict: Verdict = "untested"


@dataclass(frozen=True)
class Vanished:
    """What the first side has and the second has not."""

    cell: str
    metric: str  # empty for a whole cell
    reason: str


@dataclass(frozen=True)
class Comparison:
    """All that two sides share, what vanished, what is new, and why something could not be paired."""

    before: str
    after: str
    rows: tuple[Row, ...]
    vanished: tuple[Vanished, ...]
    new: tuple[str, ...]
    notes: tuple[str, ...]
    level: float

    @property
    def regressions(self) -> list[Row]:
        """The metrics that are significantly worse."""
        return [row for row in self.rows if row.verdict == "worse"]

    @property
    def failed(self) -> bool:
        """Whether a gate should stop: something is significantly worse, or vanished."""
        return bool(self.regressions or self.vanished)


@dataclass(frozen=True)
class Settings:
    """How two sides are compared."""

    runs: Path = Path("results/runs")  # where the raw outputs of records lie
    speakers: str = ""  # a file or a corpus; empty = the record's own corpus, where it is prepared
    metrics: tuple[str, ...] = ()  # only these; empty = all
    main_only: bool = False
    level: float = 0.95
    replicates: int = 1000
    seed: int = 0


def compare(before: Side, after: Side, settings: Settings | None = None) -> Comparison:
    """Compares the cells of two sides, or one record or file with another.

    Raises `UserError` when records are set against raw outputs, and for two single records of other protocols.
    """
    settings = settings or Settings()
    if bool(before.records) != bool(after.records):
        raise UserError("One side has records, the other raw outputs.", "Compare records with records.")
    found = _Found(settings)
    if before.records:
        _records(before, after, found)
    else:
        _files(before, after, found)
    if not found.rows and not found.vanished:
        raise UserError(
            f"{before.name} and {after.name} share nothing to compare.", "Name two sides of the same cells."
        )
    return Comparison(
        before.name,
        after.name,
        tuple(_judged(found.rows, settings.level)),
        tuple(found.vanished),
        tuple(found.new),
        tuple(dict.fromkeys(found.notes)),
        settings.level,
    )


class _Found:
    """What comes to light while two sides are gone through."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.rows: list[Row] = []
        self.vanished: list[Vanished] = []
        self.new: list[str] = []
        self.notes: list[str] = []

    def wanted(self, metric: str, main: bool) -> bool:
        settings = self.settings
        return (main or not settings.main_only) and (not settings.metrics or metric in settings.metrics)

    def options(self, speakers: Mapping[str, str] | None, thresholds: Any = (None, None)) -> Options:
        settings = self.settings
        assumed = not settings.speakers
        return Options(speakers, assumed, thresholds, settings.replicates, settings.seed, settings.level)


def _judged(rows: Sequence[Row], level: float) -> Iterator[Row]:
    """The rows with their corrected p, and what follows from it."""
    for row, p in zip(rows, holm([row.difference.p for row in rows]), strict=True):
        verdict: Verdict = "untested"
        if p is not None:
            worse = (row.difference.value > 0) == (row.better == "lower")
            verdict = "same" if p >= 1 - level else "worse" if worse else "better"
        yield replace(row, corrected=p, verdict=verdict)


def _records(before: Side, after: Side, found: _Found) -> None:
    for cell, first, second in _matched(before, after, found):
        main = first.benchmark.main_metric
        pairs = _paired_outputs(first, second, found)
        for metric, value in first.values.items():
            if value.value is None or not found.wanted(metric, metric == main):
                continue
            other = second.values.get(metric)
            if other is None or other.value is None:
                reason = other.reason if other else "not measured any more"
                found.vanished.append(Vanished(cell, metric, reason))
                continue
            paired = _of_metric(pairs, metric)
            difference = between(value, other) if paired is None else _tested(paired)
            found.rows.append(
                Row(
                    *(cell, metric, value.value, other.value, difference, value.better, paired is not None),
                    unit=value.unit,
                    main=metric == main,
                )
            )


def _matched(before: Side, after: Side, found: _Found) -> Iterator[tuple[str, Record, Record]]:
    """Records of the same cell; what has no partner goes to `found`."""
    if before.single and after.single:
        (first,), (second,) = before.records.values(), after.records.values()
        _same_protocol(first, second)
        if first.row != second.row:
            yield f"{_cell(second)} against {first.system.name}", first, second
        else:
            yield _cell(second), first, second
        return
    for cell, first in before.records.items():
        if first.status == "failed":
            continue
        partner = after.records.get(cell)
        if partner is not None and partner.status != "failed":
            yield _cell(first), first, partner
        else:
            found.vanished.append(Vanished(_cell(first), "", _why(first, partner, after)))
    numbers = (cell for cell, one in after.records.items() if one.status != "failed")
    held = {cell for cell, one in before.records.items() if one.status != "failed"}
    found.new += [_cell(after.records[cell]) for cell in numbers if cell not in held]


def _why(first: Record, second: Record | None, after: Side) -> str:
    """Why a cell has no numbers any more."""
    alike = [
        one for one in after.records.values() if one.row == first.row and one.benchmark.name == first.benchmark.name
    ]
    failures = [one.reason for one in (second, *alike) if one is not None and one.status == "failed"]
    if failures:
        return f"failed: {failures[0]}"
    if alike:
        return f"measured under protocol {alike[0].protocol_id} now, {first.protocol_id} before"
    return "no record"


def _same_protocol(first: Record, second: Record) -> None:
    for record in (first, second):
        if record.status == "failed":
            raise UserError(f"{_cell(record)} has no numbers: {record.reason}.", "Evaluate again.")
    if (first.benchmark.name, first.protocol_id) != (second.benchmark.name, second.protocol_id):
        raise UserError(
            f"{_cell(first)} has protocol {first.protocol_id}, {_cell(second)} has {second.protocol_id}.",
            "Numbers can be compared under one protocol only: evaluate both on the same list.",
        )


def _paired_outputs(first: Record, second: Record, found: _Found) -> Mapping[str, Paired]:
    """The differences that follow from the raw outputs of two records; empty where there are none on both sides."""
    files = [_outputs_of(record, found.settings.runs) for record in (first, second)]
    if not all(files):
        return {}
    thresholds = tuple(_threshold(record) for record in (first, second))
    speakers = _speakers(found.settings.speakers or first.benchmark.corpus, bool(found.settings.speakers))
    result: dict[str, Paired] = {}
    for name in files[0].keys() & files[1].keys():
        try:
            pairs = outputs.paired(files[0][name], files[1][name], found.options(speakers, thresholds))
        except UserError as error:
            found.notes.append(f"{_cell(second)}: not paired. {error}")
            continue
        # A later evaluation of a run with other settings leaves its outputs under the same name.
        if _belong(pairs, first, "before") and _belong(pairs, second, "after"):
            result |= pairs
        else:
            found.notes.append(f"{_cell(second)}: not paired, as {name} is not what the records were made of.")
    return result


def _of_metric(pairs: Mapping[str, Paired], metric: str) -> Paired | None:
    return pairs.get(metric) or pairs.get(f"{metric.partition('@')[0]}@")


def _belong(pairs: Mapping[str, Paired], record: Record, side: str) -> bool:
    """Whether raw outputs give the numbers that a record has."""
    known = {metric: value.value for metric, value in record.values.items() if value.value is not None}
    given = ((_of_metric(pairs, metric), value) for metric, value in known.items())
    return all(abs(getattr(pair, side) - value) <= CLOSE for pair, value in given if pair is not None)


def _outputs_of(record: Record, runs: Path) -> dict[str, Path]:
    """What a record's evaluation wrote into its run's folder, by name."""
    run, protocol = record.provenance.run, record.protocol
    if not run or Path(run).name != run or run.startswith(".") or protocol is None:
        return {}
    stem = f"-{slug(record.benchmark.corpus)}-{protocol.items.digest[:8]}."
    folder = runs / run
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.name: path for path in files if stem in path.name and outputs.is_raw(path)}


def _threshold(record: Record) -> float | None:
    value = record.values.get("far@valid_threshold")
    return value.threshold if value else None


@cache
def _speakers(word: str, named: bool) -> Mapping[str, str] | None:
    """Utterance → speaker; None where the record's own corpus is not prepared here or holds no utterances."""
    try:
        return known_speakers.known(word)
    except UserError:
        if named:
            raise
        return None


def _files(before: Side, after: Side, found: _Found) -> None:
    names = [(name, name) for name in before.files]
    if before.single and after.single:
        names = [(next(iter(before.files)), next(iter(after.files)))]
    speakers = _speakers(found.settings.speakers, True) if found.settings.speakers else None
    for first, second in names:
        if second not in after.files:
            found.vanished.append(Vanished(first, "", "no such file"))
            continue
        pairs = outputs.paired(before.files[first], after.files[second], found.options(speakers))
        for metric, one in pairs.items():
            if found.wanted(metric, metric == next(iter(pairs))):
                row = Row(second, metric.rstrip("@"), one.before, one.after, _tested(one), one.better, True)
                found.rows.append(row)
    found.new += [] if before.single else [name for name in after.files if name not in before.files]


def _tested(paired: Paired) -> Difference:
    found = paired.difference
    p = p_value(found.value, found.low, found.high, found.clusters, found.level)
    bounded = math.isfinite(found.low)
    return Difference(found.value, found.low if bounded else None, found.high if bounded else None, p)


def _cell(record: Record) -> str:
    return f"{record.system.name} on {record.benchmark.name}, seed {record.provenance.seed}"
