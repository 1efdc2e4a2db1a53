"""Forest plots: a point and its interval per system, drawn in percent of the width so that they fit any screen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from voxboard.board.model import Cell, Column, Panel, Row, brief
from voxboard.board.numbers import number, scale

LINE = 30  # pixels per row
LONGEST = 60  # rows; a longer plot helps nobody


@dataclass(frozen=True)
class Mark:
    """One row of the plot; positions in percent of the width, `y` in pixels."""

    row: Row
    cell: Cell
    label: str
    hint: str  # what tells it from rows with the same name
    y: float
    x: str
    low: str
    high: str


@dataclass(frozen=True)
class Forest:
    """A plot, ready to draw."""

    marks: tuple[Mark, ...]
    ticks: tuple[tuple[str, str], ...]  # position, label
    height: int  # of the rows, in pixels
    left_out: int  # rows beyond the longest plot
    unit: str


def forest(panel: Panel) -> Forest | None:
    """The plot of a panel's main metric; None where nothing was measured."""
    column = panel.main
    measured = [(row, panel.cell(row, column)) for row in panel.rows if panel.cell(row, column).text]
    if not measured:
        return None
    shown = measured[:LONGEST]
    start, end, step = _axis([end for _, cell in shown for end in _ends(cell, column)])
    rows = [row for row, _ in shown]
    labels, hints = brief(rows), _hints(rows)
    marks = []
    for index, (row, cell) in enumerate(shown):
        low, value, high = (_position(point, start, end) for point in _ends(cell, column))
        marks.append(Mark(row, cell, labels[row.id], hints[row.id], (index + 0.5) * LINE, value, low, high))
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    points = [start + step * i for i in range(round((end - start) / step) + 1)]
    ticks = tuple((_position(point, start, end), number(point, digits)) for point in points)
    unit = "%" if column.unit == "fraction" else {"cost": "", "correlation": ""}.get(column.unit, column.unit)
    return Forest(tuple(marks), ticks, len(shown) * LINE, len(measured) - len(shown), unit)


def _hints(rows: Sequence[Row]) -> dict[str, str]:
    """Per row the corpus, seed and variant, as far as they tell it from its namesakes."""
    hints = {}
    for row in rows:
        twins = [other for other in rows if other.label == row.label]
        corpus = row.trained_on if len({other.trained_on for other in twins}) > 1 else ""
        seed = f"seed {row.seed}" if len({other.seed for other in twins}) > 1 else ""
        hints[row.id] = ", ".join(part for part in (corpus, seed, row.variant) if part)
    return hints


def _ends(cell: Cell, column: Column) -> tuple[float, float, float]:
    assert cell.value is not None
    assert cell.value.value is not None
    value = cell.value.value
    low = value if cell.value.low is None else min(cell.value.low, value)
    high = value if cell.value.high is None else max(cell.value.high, value)
    factor = scale(column.unit)
    return low * factor, value * factor, high * factor


def _axis(points: Sequence[float]) -> tuple[float, float, float]:
    """Start, end and step of an axis with about five round ticks; it starts at zero when that is near."""
    low, high = min(points), max(points)
    if 0 <= low < 0.6 * high:
        low = 0.0
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if span / (power * factor) <= 5)
    start = math.floor(low / step + 1e-9) * step
    end = math.ceil(high / step - 1e-9) * step
    return start, end if end > start else start + step, step


def _position(point: float, start: float, end: float) -> str:
    return f"{number(100 * (point - start) / (end - start), 2)}%"
