"""Records to a board: which of them share a column, who is best, what is missing and why."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from voxboard.boards import differences as protocols
from voxboard.boards.differences import differences, labels_apart
from voxboard.boards.doubts import doubts
from voxboard.boards.model import Board, BoardCell, BoardColumn, BoardRow, Panel
from voxboard.boards.tasks import QUESTIONS
from voxboard.charts.numbers import plain, show, show_interval
from voxboard.charts.titles import tell_apart
from voxboard.ranking import Places, rank_ranges
from voxboard.records import Filed, Metric, Record, Unread, Value
from voxboard.records.standard_metrics import place as standard_place

Key = tuple[str, str, str]  # benchmark name, protocol id, id of the main column


def arrange(filed: Iterable[Filed], left_out: Sequence[Unread] = ()) -> Board:
    """The board of some records, whatever their order, which names the files that it lacks."""
    everything = sorted(filed, key=_age)
    chosen = _latest(everything)
    rows = rows_of(item.record for item in everything)
    groups: dict[Key, dict[str, Filed]] = defaultdict(dict)
    for item in chosen:
        groups[item.record.panel][item.record.row] = item
    _spread_failures(groups)
    panels = [_panel(key, members, rows) for key, members in groups.items()]
    panels = protocols.tell_apart(sorted(panels, key=_panel_order))
    return Board(
        panels=tuple(panels),
        rows=tuple(sorted(rows.values(), key=lambda row: _row_order(row, panels))),
        date=max((item.record.provenance.created for item in everything), default=""),
        superseded=len(everything) - len(chosen),
        left_out=tuple(left_out),
    )


def _age(item: Filed) -> tuple[str, str, str]:
    return item.record.provenance.created, item.record.id, item.path


def _latest(oldest_first: Iterable[Filed]) -> list[Filed]:
    """One record per cell: the newest that has numbers; a later failure does not unmake them."""
    best: dict[str, Filed] = {}
    for item in oldest_first:
        held = best.get(item.record.cell)
        if held is None or item.record.status != "failed" or held.record.status == "failed":
            best[item.record.cell] = item
    return list(best.values())


def rows_of(oldest_first: Iterable[Record]) -> dict[str, BoardRow]:
    """Row id → system and seed, with what tells it from every other that would read the same."""
    rows: dict[str, BoardRow] = {}
    for record in oldest_first:
        held = rows.get(record.row)
        parameters = record.cost.parameters or (held.parameters if held else None)
        rows[record.row] = BoardRow(record.row, record.system, record.provenance.seed, parameters=parameters)
    alike: dict[tuple[str, ...], list[BoardRow]] = defaultdict(list)
    for row in rows.values():
        alike[row.label, row.trained_on, str(row.seed)].append(row)
    for twins in alike.values():
        apart = tell_apart([""] * len(twins), _differences(twins), [row.id[:6] for row in twins])
        for row, variant in zip(twins, apart, strict=True):
            rows[row.id] = replace(row, variant=variant)
    return rows


def _differences(twins: Sequence[BoardRow]) -> list[list[str]]:
    """Differences between systems of one name: their parts, not the line that spells them."""
    identities = [{**row.system.identity(), "name": "", "spec": ""} for row in twins]
    return differences(identities)


def _spread_failures(groups: dict[Key, dict[str, Filed]]) -> None:
    """A cell that failed before its protocol was known is missing in every panel of its benchmark."""
    for lost in [key for key in groups if not key[1]]:
        others = [members for key, members in groups.items() if key[0] == lost[0] and key[1]]
        if others:
            failures = groups.pop(lost)
            for members in others:
                for row, item in failures.items():
                    members.setdefault(row, item)


def _panel(key: Key, members: Mapping[str, Filed], rows: Mapping[str, BoardRow]) -> Panel:
    records = [item.record for item in members.values()]
    newest = max(members.values(), key=lambda item: (bool(item.record.protocol), *_age(item))).record
    columns = _columns(newest, records)
    cells: dict[tuple[str, str], BoardCell] = {}
    for column in columns:
        for row, cell in _cells(column, members).items():
            cells[row, column.id] = cell
    measured = [(column.metric, column.label, _numbers(records, column)) for column in columns]
    warnings = tuple(doubts(columns[0].metric, measured))
    present = [rows[row] for row in members]
    absent = [row for row in rows.values() if row.id not in members]
    return Panel(
        id="b-" + hashlib.sha256("\0".join(key).encode()).hexdigest()[:12],
        benchmark=newest.benchmark,
        protocol=newest.protocol,
        protocol_id=key[1],
        columns=columns,
        rows=tuple(sorted(present, key=lambda row: (_place(cells[row.id, columns[0].id]), *_reading(row)))),
        absent=tuple(sorted(absent, key=_reading)),
        cells=cells,
        filed=members,
        notes=(*_notes(newest, records), *warnings),
        doubts=warnings,
    )


def _columns(newest: Record, records: Sequence[Record]) -> tuple[BoardColumn, ...]:
    """One column per metric and its parameters that any of the records has, the main one first."""
    main = newest.benchmark.main_metric
    given: dict[tuple[str, str], list[Record]] = defaultdict(list)  # metric and column id → records that have it
    for record in [newest, *(record for record in records if record is not newest)]:
        for metric in record.protocol.metrics if record.protocol else () if newest.protocol else (main,):
            given[metric, record.column(metric)].append(record)
    declared = list({metric.id: metric for record in (newest, *records) for metric in record.metrics}.values())
    keys = sorted(given, key=lambda key: (column_order(key[0], main, declared), key[1]))
    columns = [_column(*key, given[key], key[0] == main) for key in keys]
    labels = labels_apart([(column.label, column.parameters) for column in columns])
    return tuple(replace(column, label=shown) for column, shown in zip(columns, labels, strict=True))


def _column(metric: str, id_: str, records: Sequence[Record], main: bool) -> BoardColumn:
    """A column as the first of its records describes it, in the unit of its values."""
    values = [record.values[metric] for record in records if metric in record.values]
    numbers = [value for value in values if value.value is not None] or values or [Value(None, reason="-")]
    source = next((record for record in records if record.metrics), records[0])
    kind = replace(source.metric(metric), unit=numbers[0].unit, better=numbers[0].better)
    parameters = records[0].protocol.metrics[metric] if records[0].protocol else {}
    shown = (plain(kind.name), kind.better, kind.unit, kind.digits)
    return BoardColumn(id_, metric, *shown, main, plain(kind.meaning), parameters)


def column_order(metric: str, main: str, declared: Sequence[Metric] = ()) -> tuple[bool, int, int, str]:
    """Sort key of columns: the main metric, the standard ones in their usual order, then others as they are declared.

    Those that no record describes come last, by their ids.
    """
    places = {described.id: number for number, described in enumerate(declared)}
    last = standard_place(metric) == standard_place("")
    return (
        metric != main,
        standard_place(metric),
        places.get(metric, len(places)) if last else 0,
        metric,
    )


def _cells(column: BoardColumn, members: Mapping[str, Filed]) -> dict[str, BoardCell]:
    values = [column.of(item.record) for item in members.values()]
    heard = [bool(item.record.exposure and item.record.exposure.contaminated) for item in members.values()]
    clean = _ordered((value for value, out in zip(values, heard, strict=True) if not out), column.better)
    compared = sum(value is not None and value.value is not None for value in values) > 1
    cells = {}
    for (row, item), value, span in zip(members.items(), values, _spans(values, heard), strict=True):
        if value is None or value.value is None:
            cells[row] = BoardCell(value, reason=_reason(item.record, value), filed=item)
        else:
            text, interval = show(value, column.digits), show_interval(value, column.digits)
            # What a bound rests on goes where tables have a column for reasons.
            reason = plain(value.reason) if value.interval == "bound" else ""
            (number,) = _ordered([value], column.better)
            place = 1 + bisect_left(clean, number)  # one more than there are better ones
            best = compared and _unbeaten(value, place, span)
            cells[row] = BoardCell(value, text, interval, reason, place, span, best, item)
    return cells


def _spans(values: Sequence[Value | None], heard: Sequence[bool]) -> list[Places | None]:
    """Places of all values. One whose system has `heard` the test pushes no other down: its own is among the clean."""
    clean = [None if out else value for value, out in zip(values, heard, strict=True)]
    spans = rank_ranges(clean)
    for place, out in enumerate(heard):
        if out:
            spans[place] = rank_ranges([*clean[:place], values[place], *clean[place + 1 :]])[place]
    return spans


def _unbeaten(value: Value, place: int, span: Places | None) -> bool:
    """True if no other system is surely better; among values that cannot be tested, only for the best one."""
    return span is not None and span[0] == 1 and (value.low is not None or place == 1)


def _ordered(values: Iterable[Value | None], better: str) -> list[float]:
    """Numbers from the best to the worst, negated where higher is better, so that they ascend."""
    sign = -1.0 if better == "higher" else 1.0
    return sorted(sign * value.value for value in values if value and value.value is not None)


def _reason(record: Record, value: Value | None) -> str:
    if record.status == "failed":
        return f"failed: {plain(record.reason)}"
    return plain(value.reason) if value else "not measured"


def _notes(newest: Record, records: Sequence[Record]) -> tuple[str, ...]:
    """Warnings that concern all rows of a panel."""
    audio = {record.provenance.digests.get("audio") for record in records} - {None, ""}
    notes = [plain(newest.benchmark.note)] if newest.benchmark.note else []
    if len(audio) > 1:
        notes.append("The rows were measured on different copies of the audio: compare the audio digests.")
    return tuple(notes)


def _numbers(records: Sequence[Record], column: BoardColumn) -> list[Value]:
    """Values of the rows in a column."""
    values = (column.of(record) for record in records)
    return [value for value in values if value is not None and value.value is not None]


def _place(cell: BoardCell) -> float:
    return float("inf") if cell.rank is None else cell.rank


def _reading(row: BoardRow) -> tuple[Any, ...]:
    return row.label, row.spec, row.trained_on, row.seed, row.variant, row.id


def _panel_order(panel: Panel) -> tuple[Any, ...]:
    task, tasks = panel.benchmark.task, list(QUESTIONS)
    place = tasks.index(task) if task in tasks else len(tasks)
    return place, task, panel.benchmark.synthetic, panel.title, panel.protocol_id, panel.id


def _row_order(row: BoardRow, panels: Sequence[Panel]) -> tuple[Any, ...]:
    """By the first panel's rank, then the next one's: systems that share benchmarks stay together."""
    return (*(_place(panel.cell(row, panel.main)) for panel in panels), *_reading(row))
