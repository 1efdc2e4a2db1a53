"""Two sides, cell by cell: what differs, by how much, how surely, and what is no longer there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from voxboard.boards.arrange import rows_of
from voxboard.boards.model import full_names
from voxboard.charts.numbers import plain
from voxboard.charts.titles import title
from voxboard.comparison import outputs
from voxboard.comparison.pairing import Pairs, pairs
from voxboard.comparison.raw import PairingOptions
from voxboard.comparison.result import Comparison, ComparisonRow, VanishedCell, Verdict
from voxboard.comparison.sides import Side
from voxboard.errors import UserError
from voxboard.imported import speakers as known_speakers
from voxboard.metrics.enough import shows_nothing
from voxboard.metrics.paired import Difference
from voxboard.records import Record, Value
from voxboard.records.standard_metrics import standard
from voxboard.verdicts import between, holm, significant, unpaired, why_unpaired


@dataclass(frozen=True)
class Settings:
    """Settings of a comparison."""

    runs: Path = Path("results/runs")  # where runs, and what was imported, left raw outputs
    outputs: tuple[Path, ...] = ()  # folders of raw outputs, beside those that lie beside the records
    speakers: str = ""  # a file or a corpus; empty = the record's own corpus, where it is prepared
    metrics: tuple[str, ...] = ()  # only these; empty = all
    main_only: bool = False
    level: float = 0.95
    replicates: int = 1000  # of raw outputs; records hold their own
    records: Path = Path("results/records")  # folder of records inside a git revision


def compare(before: Side, after: Side, settings: Settings | None = None) -> Comparison:
    """Compare the cells of two sides, or one record or file with another.

    Raises `UserError` when records are set against raw outputs, and for two single records of other protocols.
    """
    settings = settings or Settings()
    if bool(before.records) != bool(after.records):
        raise UserError("One side has records, the other raw outputs.", "Compare records with records.")
    collected = _Found(settings, [*before.records.values(), *after.records.values()])
    if before.records:
        _records(before, after, collected)
    else:
        _files(before, after, collected)
    if not collected.rows and not collected.vanished:
        raise UserError(
            f"{before.name} and {after.name} share nothing to compare.", "Name two sides of the same cells."
        )
    return Comparison(
        before.name,
        after.name,
        tuple(_judged(collected.rows, settings.level)),
        tuple(collected.vanished),
        tuple(collected.new),
        tuple(_notes(collected.rows)),
        settings.level,
        _blind(collected.rows, settings.level),
    )


class _Found:
    """Rows and findings collected from two sides."""

    def __init__(self, settings: Settings, records: Sequence[Record]) -> None:
        self.settings = settings
        self.names = full_names(list(rows_of(records).values()), seeds=False)
        self.rows: list[ComparisonRow] = []
        self.vanished: list[VanishedCell] = []
        self.new: list[str] = []

    def cell(self, record: Record) -> str:
        """Its name, which no other cell of the two sides has."""
        return _cell(record, self.names[record.row])

    def wanted(self, metric: str, main: bool) -> bool:
        settings = self.settings
        return (main or not settings.main_only) and (not settings.metrics or metric in settings.metrics)

    def options(self) -> PairingOptions:
        settings = self.settings
        speakers = known_speakers.known(settings.speakers) if settings.speakers else None
        resampling = (settings.replicates, settings.level)
        return PairingOptions(speakers, not settings.speakers, (None, None), *resampling)


def _judged(rows: Sequence[ComparisonRow], level: float) -> Iterator[ComparisonRow]:
    """The rows with their corrected p, and what follows from it."""
    for row, p in zip(rows, holm([row.difference.p for row in rows], _weights(rows)), strict=True):
        verdict: Verdict = "untested"
        if p is not None:
            worse = (row.difference.value > 0) == (row.better == "lower")
            verdict = "same" if not significant(row.difference, p, level) else "worse" if worse else "better"
        yield replace(row, corrected=p, verdict=verdict)


def _weights(rows: Sequence[ComparisonRow]) -> list[float]:
    """Main metrics share one half of the chance of a mistake, the others the other.

    A benchmark's metrics say much the same: corrected for all of them alike, a gate hardly sees what ranks.
    """
    sizes = {main: sum(row.main == main and row.difference.p is not None for row in rows) for main in (True, False)}
    return [1.0 / max(sizes[row.main], 1) for row in rows]


def _notes(rows: Sequence[ComparisonRow]) -> Iterator[str]:
    """Reasons why some rows are not paired, each once."""
    for reason in dict.fromkeys(row.unpaired for row in rows if row.unpaired):
        those = [row for row in rows if row.unpaired == reason]
        cells = list(dict.fromkeys(row.cell for row in those))
        where = cells[0] if len(cells) == 1 else f"{len(cells)} cells"
        what = those[0].metric if len(those) == 1 else f"{len(those)} metrics"
        yield f"not paired: {what} of {where}: {reason}"


def _blind(rows: Sequence[ComparisonRow], level: float) -> str:
    """That nothing can come of the comparison: with so few clusters no p can be small enough. Empty where it can."""
    tested = [row for row in rows if row.difference.value and (row.difference.low is not None or row.difference.flat)]
    if not tested or any(row.clusters is None for row in tested):
        return ""
    largest = max(tested, key=lambda row: row.clusters or 0)
    # Holm's first step is easiest for the smaller family of main metrics and others, of which each has one half.
    counted = [row for row in rows if row in tested or row.difference.p is not None]
    families = [size for size in (sum(row.main == main for row in counted) for main in (True, False)) if size]
    return shows_nothing(largest.clusters, len(families) * min(families), level, largest.cluster_by)


def _records(before: Side, after: Side, collected: _Found) -> None:
    options, settings = collected.options(), collected.settings
    homes = (*settings.outputs, *before.homes, *after.homes)
    for cell, first, second in _matched(before, after, collected):
        main = first.benchmark.main_metric
        outputs_of = cache(partial(pairs, first, second, homes, settings.runs, options))
        for metric, value in first.values.items():
            if value.value is None or not collected.wanted(metric, metric == main):
                continue
            other = second.values.get(metric)
            if other is None or other.value is None or not first.shares(metric, second):
                reason = "measured with other parameters" if other and other.value is not None else ""
                reason = reason or (other.reason if other else "not measured any more")
                collected.vanished.append(VanishedCell(cell, metric, reason))
                continue
            difference, clusters, reason = _difference(metric, value, other, outputs_of, settings)
            digits = first.metric(metric).digits
            collected.rows.append(
                ComparisonRow(
                    *(cell, metric, value.value, other.value, difference, value.better, not reason),
                    *(value.unit, digits, metric == main, clusters, value.cluster_by, reason),
                )
            )


def _matched(before: Side, after: Side, collected: _Found) -> Iterator[tuple[str, Record, Record]]:
    """Records of the same cell; what has no partner goes to `found`."""
    if before.single and after.single:
        (first,), (second,) = before.records.values(), after.records.values()
        _same_protocol(first, second)
        if first.row != second.row:
            yield f"{collected.cell(second)} against {collected.names[first.row]}", first, second
        else:
            yield collected.cell(second), first, second
        return
    for cell, first in before.records.items():
        if first.status == "failed":
            continue
        partner = after.records.get(cell)
        if partner is not None and partner.status != "failed":
            yield collected.cell(first), first, partner
        else:
            collected.vanished.append(VanishedCell(collected.cell(first), "", _why(first, partner, after)))
    numbers = (cell for cell, one in after.records.items() if one.status != "failed")
    held = {cell for cell, one in before.records.items() if one.status != "failed"}
    collected.new += [collected.cell(after.records[cell]) for cell in numbers if cell not in held]


def _why(first: Record, second: Record | None, after: Side) -> str:
    """Reason why a cell has no numbers any more."""
    alike = [
        one for one in after.records.values() if one.row == first.row and one.benchmark.name == first.benchmark.name
    ]
    failures = [one.reason for one in (second, *alike) if one is not None and one.status == "failed"]
    if failures:
        return f"failed: {failures[0]}"
    if alike:
        if alike[0].protocol_id == first.protocol_id:
            return "its main metric has other parameters now"
        return f"measured under protocol {alike[0].protocol_id} now, {first.protocol_id} before"
    return "no record"


def _same_protocol(first: Record, second: Record) -> None:
    for record in (first, second):
        if record.status == "failed":
            raise UserError(
                f"{_cell(record, title(record.system))} has no numbers: {record.reason}.", "Evaluate again."
            )
    if first.panel[:2] != second.panel[:2]:
        raise UserError(
            f"{_cell(first, title(first.system))} has protocol {first.protocol_id}, "
            f"{_cell(second, title(second.system))} has {second.protocol_id}.",
            "Numbers can be compared under one protocol only: evaluate both on the same list.",
        )


def _files(before: Side, after: Side, collected: _Found) -> None:
    names = [(name, name) for name in before.files]
    if before.single and after.single:
        names = [(next(iter(before.files)), next(iter(after.files)))]
    options = collected.options()
    for first, second in names:
        if second not in after.files:
            collected.vanished.append(VanishedCell(first, "", "no such file"))
            continue
        given = outputs.paired(before.files[first], after.files[second], options)
        for metric, one in given.items():
            main = metric == next(iter(given))
            if collected.wanted(metric, main):
                values = (metric.rstrip("@"), one.before, one.after, one.difference, one.better, True)
                digits = replace(standard(metric), unit=one.unit).digits
                collected.rows.append(ComparisonRow(second, *values, one.unit, digits, main, one.clusters))
    collected.new += [] if before.single else [name for name in after.files if name not in before.files]


def _difference(
    metric: str, before: Value, after: Value, outputs_of: Callable[[], Pairs], settings: Settings
) -> tuple[Difference, int | None, str]:
    """A metric's difference, how many clusters it rests on, and why it is not paired.

    Records pair by themselves. Raw outputs are asked where a record is too old for that, and where other speakers than
    the record's are wanted.
    """
    reason = why_unpaired(before, after)
    if reason or settings.speakers:
        pair = outputs_of().of(metric)
        if pair is not None:
            return pair.difference, pair.clusters, ""
        if before.evidence is None or after.evidence is None or settings.speakers:
            reason = outputs_of().why(metric)
    difference = unpaired(before, after) if reason else between(before, after, settings.level)
    return difference, before.clusters, reason


def _cell(record: Record, name: str) -> str:
    return f"{name} on {plain(record.benchmark.name)}, seed {record.provenance.seed}"
