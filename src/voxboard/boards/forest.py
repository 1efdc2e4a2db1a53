"""Forest plots: a point and its interval per system, drawn in percent of the width so that they fit any screen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from voxboard.boards.model import BoardCell, BoardRow, Panel, hints
from voxboard.charts.numbers import number, scale
from voxboard.records import Value

LINE = 30  # pixels per row of groups
LONGEST = 60  # rows; a longer plot helps nobody
HUGE = 1e300  # a number that still has room for differences and percent


@dataclass(frozen=True)
class Mark:
    """One row of the plot; positions in percent of the width."""

    row: BoardRow
    cell: BoardCell
    label: str
    hint: str  # what tells it from rows with the same name
    x: str
    low: str
    high: str


@dataclass(frozen=True)
class Forest:
    """A plot, ready to draw."""

    marks: tuple[Mark, ...]
    ticks: tuple[tuple[str, str], ...]  # position, label
    left_out: int  # rows beyond the longest plot
    unit: str


def forest(panel: Panel) -> Forest | None:
    """The plot of a panel's main metric; None where nothing was measured."""
    column = panel.main
    cells = [(row, panel.cell(row, column)) for row in panel.rows]
    measured = [(row, cell, ends(cell.value)) for row, cell in cells if cell.text and cell.value]
    if not measured:
        return None
    shown = measured[:LONGEST]
    start, end, step = axis([end for _, _, reach in shown for end in reach])
    rows = [row for row, _, _ in shown]
    texts = hints(rows)
    marks = []
    for row, cell, reach in shown:
        low, value, high = (position(point, start, end) for point in reach)
        marks.append(Mark(row, cell, row.label, texts[row.id], value, low, high))
    ticks = tuple((position(point, start, end), text) for point, text in ticks_of(start, end, step))
    return Forest(tuple(marks), ticks, len(measured) - len(shown), shown_unit(column.unit))


def ends(value: Value) -> tuple[float, float, float]:
    """Lower end, value and upper end of something measured, as they are shown; without an interval all the same."""
    assert value.value is not None
    low = value.value if value.low is None else min(value.low, value.value)
    high = value.value if value.high is None else max(value.high, value.value)
    factor = scale(value.unit)
    shown = [min(max(end * factor, -HUGE), HUGE) for end in (low, value.value, high)]
    return shown[0], shown[1], shown[2]


def shown_unit(unit: str) -> str:
    """Unit of the numbers of an axis."""
    return "%" if unit == "fraction" else {"cost": "", "correlation": ""}.get(unit, unit)


def ticks_of(start: float, end: float, step: float) -> list[tuple[float, str]]:
    """The round numbers of an axis, with as many decimals as its step has."""
    power = math.floor(math.log10(step) + 1e-9)
    digits = max(0, -power + (abs(step / 10.0**power - 2.5) < 0.1))
    points = (start + step * place for place in range(round((end - start) / step) + 1))
    return [(point, number(point, digits)) for point in points]


def axis(points: Sequence[float]) -> tuple[float, float, float]:
    """Start, end and step of an axis with about five round ticks; it starts at zero when that is near."""
    low, high = min(points), max(points)
    if 0 <= low < 0.6 * high:
        low = 0.0
    span = next((span for span in (high - low, abs(high)) if span > 1 / HUGE), 1.0)
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if span / (power * factor) <= 5)
    start = math.floor(low / step + 1e-9) * step
    end = math.ceil(high / step - 1e-9) * step
    return start, end if end > start else start + step, step


def position(point: float, start: float, end: float) -> str:
    """Percent of the width, as SVG attributes have it."""
    return f"{number(100 * (point - start) / (end - start), 2)}%"
