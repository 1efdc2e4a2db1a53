"""A board as CSV and JSON, for whoever computes with it: values in the unit of their record."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from voxboard.boards.cross import ABOUT, crosses
from voxboard.boards.cross import NOTE as MORE
from voxboard.boards.cross_tables import EMPTY, beside, entry
from voxboard.boards.facts import interval_note
from voxboard.boards.model import Board, BoardColumn, BoardRow, Panel
from voxboard.charts.numbers import known, plain
from voxboard.errors import printable
from voxboard.ranking import NOTE
from voxboard.records import Gap, Record, Value
from voxboard.records.codec import encode
from voxboard.screen import dumps


def comma_separated(board: Board) -> str:
    """One line per cell, missing ones included; `text` is the number as the board shows it."""
    crossed = beside(crosses(board))
    lines = [
        {
            **_benchmark(panel),
            **_number(panel, row, column),
            **((crossed.get((panel.id, row.id)) if column.main else None) or EMPTY),
            **_system(row),
        }
        for panel, column, row in _places(board)
    ]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(lines[0]) if lines else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: harmless(item) for key, item in line.items()} for line in lines)
    return out.getvalue()


def json_text(board: Board) -> str:
    """The bytes of leaderboard.json."""
    return dumps(data(board), indent=1) + "\n"


def data(board: Board) -> dict[str, Any]:
    """Panels with their protocols, systems, and one cell per number or reason."""
    return {
        "schema": 1,
        "data_date": board.date,
        "superseded_records": board.superseded,
        "left_out": [{"path": one.path, "reason": one.reason} for one in board.left_out],
        "panels": [
            {
                "benchmark": encode(panel.benchmark),
                "protocol_id": panel.protocol_id,
                "protocol": encode(panel.protocol),
                "columns": encode(panel.columns),
                "differs": list(panel.differs),
                "notes": list(panel.notes),
            }
            for panel in board.panels
        ],
        "intervals": interval_note(board.values),
        "places": NOTE,
        "systems": [{"id": row.id, **_system(row)} for row in board.rows],
        "cells": [
            {"benchmark": panel.title, "protocol": panel.protocol_id, "system": row.id} | _number(panel, row, column)
            for panel, column, row in _places(board)
        ],
        "crosses": [entry(matrix) for matrix in crosses(board)],
        "cross_note": f"{ABOUT} {MORE}",
        "groups": [line for panel in board.panels for row in panel.rows for line in _groups(panel, row)],
        "gaps": [line for panel in board.panels for row in panel.rows for line in _gaps(panel, row)],
    }


def _groups(panel: Panel, row: BoardRow) -> Iterator[dict[str, Any]]:
    """Every number of every group, and the reason where a group has none."""
    place = {"benchmark": panel.title, "protocol": panel.protocol_id, "system": row.id}
    for stratum in panel.filed[row.id].record.groups:
        if not stratum.label:
            continue
        about = {"label": stratum.label, "group": stratum.name, "count": stratum.count, "targets": stratum.targets}
        for metric, value in stratum.values.items():
            yield place | about | {"metric": plain(metric), **_measured(value), "reason": plain(value.reason)}
        if not stratum.values:
            yield place | about | {"metric": None, **_measured(None), "reason": plain(stratum.reason)}


def _gaps(panel: Panel, row: BoardRow) -> Iterator[dict[str, Any]]:
    place = {"benchmark": panel.title, "protocol": panel.protocol_id, "system": row.id}
    for gap in panel.filed[row.id].record.gaps:
        names = {"label": gap.label, "metric": plain(gap.metric), "worst": gap.worst, "best": gap.best}
        yield place | names | _measured(gap.value) | {"reason": plain(gap.value.reason)}


def _measured(value: Value | None) -> dict[str, Any]:
    """A number with its interval and how that was made."""
    return {
        "value": value.value if value else None,
        "low": value.low if value else None,
        "high": value.high if value else None,
        "level": value.level if value and value.low is not None else None,
        "interval": value.interval if value else "",
    }


def _widest(record: Record, metric: str) -> Gap | None:
    """Of a metric's gaps under all labels the one that is largest."""
    gaps = [gap for gap in record.gaps if gap.metric == metric and gap.value.value is not None]
    return max(gaps, key=lambda gap: abs(gap.value.value or 0.0), default=None)


def _places(board: Board) -> Iterator[tuple[Panel, BoardColumn, BoardRow]]:
    """A system that was not run on a benchmark has one place there, not one per metric."""
    for panel in board.panels:
        for column in panel.columns:
            yield from ((panel, column, row) for row in panel.rows)
        yield from ((panel, panel.main, row) for row in panel.absent)


def _benchmark(panel: Panel) -> dict[str, Any]:
    benchmark = panel.benchmark
    return {
        "benchmark": panel.title,
        "task": plain(benchmark.task),
        "corpus": plain(benchmark.corpus),
        "split": plain(benchmark.split),
        "synthetic": benchmark.synthetic,
        "data_licence": known(benchmark.licence),
        "protocol": panel.protocol_id,
    }


def _system(row: BoardRow) -> dict[str, Any]:
    system = row.system
    return {
        "name": row.label,
        "spec": plain(system.spec),
        "variant": row.variant,
        "trained": system.trained,
        "weights": "trained" if system.trained else system.start,
        "trained_on": row.trained_on,
        "pretrained_on": plain(", ".join(system.pretrained_on)),
        "seed": row.seed,
        "parameters": row.parameters,
        "code_licence": known(system.code_licence),
        "weights_licence": known(system.weights_licence),
        "training_data_licence": known(row.training_licence),
    }


def _exposure(panel: Panel, row: BoardRow) -> dict[str, Any]:
    exposure = panel.exposure(row)
    if exposure is None:
        return {"exposure": "", "exposure_reason": "", "seen": "", "tested": ""}
    return {
        "exposure": plain(exposure.relation),
        "exposure_reason": plain(exposure.reason),
        "seen": plain(", ".join(exposure.seen)),
        "tested": plain(", ".join(exposure.tested)),
    }


def _number(panel: Panel, row: BoardRow, column: BoardColumn) -> dict[str, Any]:
    cell = panel.cell(row, column)
    value, record = cell.value, cell.filed.record if cell.filed else None
    gap = _widest(record, column.metric) if record and record.column(column.metric) == column.id else None
    return {
        "metric": plain(column.metric),
        "label": column.label,
        "column": column.id,
        "rank": cell.rank,
        "places": cell.places if cell.span else "",
        "rank_best": cell.span[0] if cell.span else None,
        "rank_worst": cell.span[1] if cell.span else None,
        **_measured(value),
        "unit": plain(column.unit),
        "better": column.better,
        "text": cell.full if cell.text else "",
        "status": record.status if record else "not run",
        "reason": cell.reason,
        **_exposure(panel, row),
        "worst_group": plain(gap.worst) if gap else "",
        "gap": gap.value.value if gap else None,
        "gap_low": gap.value.low if gap else None,
        "gap_high": gap.value.high if gap else None,
        "embeddings_per_second": record.cost.embeddings_per_second if record else None,
        "real_time_factor": record.cost.real_time_factor if record else None,
        "command": plain(record.provenance.command) if record else "",
        "record": cell.filed.path if cell.filed else "",
    }


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_FORMULA = ("=", "+", "-", "@", "|")  # what a cell begins with that a spreadsheet computes, or hands to a program


def harmless(item: Any) -> Any:
    """A text that a spreadsheet would run as a formula gets an apostrophe in front; a number stays one.

    Full-width and small forms of the signs count like the signs, and so does what stands behind white space.
    """
    if not isinstance(item, str) or _NUMBER.fullmatch(item):
        return item
    begins = unicodedata.normalize("NFKC", item.lstrip())[:1]
    armed = begins in _FORMULA or item[:1] in ("\t", "\r", "\n")
    return ("'" if armed else "") + printable(item)
