"""Train × test as data: entries of leaderboard.json, and what a line of leaderboard.csv says of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from voxboard.boards.cross import Cross, CrossField, CrossLine
from voxboard.boards.model import BoardRow
from voxboard.charts.numbers import plain
from voxboard.records import Value

_GAPS = ("gap_to_home", "generalisation_gap")
EMPTY = {"home": "", **{f"{name}{end}": "" for name in _GAPS for end in ("", "_low", "_high")}}


def entry(matrix: Cross) -> dict[str, Any]:
    """One matrix; a cell's record and number are also among the board's cells."""
    return {
        "id": matrix.family.id,
        "task": matrix.task,
        "title": matrix.title,
        "metric": plain(matrix.column.metric),
        "label": matrix.column.label,
        "unit": plain(matrix.column.unit),
        "better": matrix.column.better,
        "differs": list(matrix.family.differs),
        "test_sets": [
            {"corpus": one.corpus, "label": one.label, "synthetic": one.synthetic}
            | {"protocols": [panel.protocol_id for panel in one.panels]}
            for one in matrix.sets
        ],
        "rows": [_line(line) for line in matrix.lines],
    }


def _line(line: CrossLine) -> dict[str, Any]:
    return {
        "system": line.row.id,
        "name": line.row.label,
        "trained_on": line.row.trained_on,
        "seed": line.row.seed,
        "weights": line.weights,
        "cells": [_field(field) for field in line.fields],
        "gap": _number(line.gap),
        "gap_over": line.away if line.gap else None,
        "foreign_test_sets": line.elsewhere,
    }


def _field(field: CrossField) -> dict[str, Any]:
    return {
        "protocol": field.panel.protocol_id if field.panel else "",
        "home": field.home,
        **_number(field.cell.value),
        "reason": field.cell.reason,
        "gap": _number(field.gap),
    }


def _number(value: Value | None) -> dict[str, Any]:
    """All of them None where there is no number."""
    return {name: getattr(value, name) if value else None for name in ("value", "low", "high")}


def beside(matrices: Iterable[Cross]) -> dict[tuple[str, str], dict[str, Any]]:
    """By panel and row: whether the number is at home, its own gap, and that of the system."""
    columns = {}
    for matrix in matrices:
        for line in matrix.lines:
            for field in line.fields:
                if field.panel:
                    columns[field.panel.id, line.row.id] = _columns(line.row, line, field)
    return columns


def _columns(row: BoardRow, line: CrossLine, field: CrossField) -> dict[str, Any]:
    numbers = (*_number(field.gap).values(), *_number(line.gap).values())
    home = ("yes" if field.home else "no") if row.system.trained else ""
    return dict(zip(EMPTY, (home, *numbers), strict=True))
