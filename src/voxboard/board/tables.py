"""A board as CSV and JSON, for whoever computes with it: values in the unit of their record."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from voxboard.board.model import Board, Column, Panel, Row
from voxboard.board.numbers import known, plain
from voxboard.records.codec import encode


def comma_separated(board: Board) -> str:
    """One line per cell, missing ones included; `text` is the number as the board shows it."""
    lines = [
        {**_benchmark(panel), **_number(panel, row, column), **_system(row)} for panel, column, row in _places(board)
    ]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(lines[0]) if lines else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _harmless(item) for key, item in line.items()} for line in lines)
    return out.getvalue()


def json_text(board: Board) -> str:
    """The bytes of leaderboard.json."""
    return json.dumps(data(board), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def data(board: Board) -> dict[str, Any]:
    """Panels with their protocols, systems, and one cell per number or reason."""
    return {
        "schema": 1,
        "data_date": board.date,
        "superseded_records": board.superseded,
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
        "systems": [{"id": row.id, **_system(row)} for row in board.rows],
        "cells": [
            {"benchmark": panel.title, "protocol": panel.protocol_id, "system": row.id} | _number(panel, row, column)
            for panel, column, row in _places(board)
        ],
    }


def _places(board: Board) -> Iterator[tuple[Panel, Column, Row]]:
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


def _system(row: Row) -> dict[str, Any]:
    system = row.system
    return {
        "name": row.label,
        "spec": plain(system.spec),
        "variant": row.variant,
        "trained": system.trained,
        "trained_on": row.trained_on,
        "seed": row.seed,
        "parameters": row.parameters,
        "code_licence": known(system.code_licence),
        "weights_licence": known(system.weights_licence),
        "training_data_licence": known(row.training_licence),
    }


def _number(panel: Panel, row: Row, column: Column) -> dict[str, Any]:
    cell = panel.cell(row, column)
    value, record = cell.value, cell.filed.record if cell.filed else None
    return {
        "metric": plain(column.metric),
        "label": column.label,
        "rank": cell.rank,
        "value": value.value if value else None,
        "low": value.low if value else None,
        "high": value.high if value else None,
        "level": value.level if value and value.low is not None else None,
        "unit": plain(column.unit),
        "better": column.better,
        "text": cell.full if cell.text else "",
        "status": record.status if record else "not run",
        "reason": cell.reason,
        "embeddings_per_second": record.cost.embeddings_per_second if record else None,
        "real_time_factor": record.cost.real_time_factor if record else None,
        "command": plain(record.provenance.command) if record else "",
        "record": cell.filed.path if cell.filed else "",
    }


def _harmless(item: Any) -> Any:
    """A text that a spreadsheet would run as a formula gets an apostrophe in front."""
    return f"'{item}" if isinstance(item, str) and item[:1] in ("=", "+", "-", "@") else item
