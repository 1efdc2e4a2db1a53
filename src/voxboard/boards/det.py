"""DET charts of a panel: the errors of its systems over all thresholds, overlaid on probit axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from voxboard.boards.model import Board, BoardCell, BoardRow, Panel, full_names
from voxboard.charts import operating
from voxboard.charts.chart import Chart, ChartAxis, ChartLine, Dot, Tick, look, path
from voxboard.charts.operating import P_TARGETS, cheapest, common_axis, deviates, drawn, equal_error
from voxboard.records import Curves, Record
from voxboard.records.standard_metrics import standard
from voxboard.shown import as_text

_SPARSE = 0.09  # of the axis, between two ticks on a narrow screen
_SEEN = 0.0006  # of the width: a third of a pixel
_PALETTE = 12  # systems that have their own colour and dashes


@dataclass(frozen=True)
class Key:
    """One system of the legend."""

    row: BoardRow
    css: str
    label: str
    cell: BoardCell


@dataclass(frozen=True)
class Det:
    """The chart with its legend, best system first."""

    chart: Chart
    keys: tuple[Key, ...]
    validated: bool  # a validation threshold is marked on some line
    without: int  # systems with numbers but without a curve


def det(board: Board, panel: Panel) -> Det | None:
    """The DET chart of a panel; None where no record has a curve."""
    records = {row.id: panel.filed[row.id].record for row in panel.rows}
    curves = {row: record.curves for row, record in records.items() if record.curves and record.curves.far}
    if not curves:
        return None
    rows = [row for row in panel.rows if row.id in curves]
    axis = common_axis(curves.values())
    looks, names = _looks(board, rows), full_names(rows)
    lines, dots = [], []
    for row in reversed(rows):  # the best one on top
        curve = curves[row.id]
        lines.append(_line(curve, axis, looks[row.id], names[row.id], row.id))
        dots += _dots(records[row.id], curve, axis, looks[row.id].partition(" ")[0], names[row.id], row.id)
    wide = axis.ticks(_SPARSE)
    ticks = tuple(Tick(axis.place(rate), operating.percent(rate), rate not in wide) for rate in axis.ticks())
    chart = Chart(
        f"DET curves of {len(rows)} systems: false rejections against false acceptances",
        ChartAxis("False acceptances (%)", "FAR", "probit", axis.low, axis.high, ticks, "%"),
        ChartAxis("False rejections (%)", "FRR", "probit", axis.low, axis.high, ticks, "%"),
        tuple(lines),
        tuple(dots),
    )
    keys = tuple(Key(row, looks[row.id], names[row.id], panel.cell(row, panel.main)) for row in rows)
    without = sum(record.status != "failed" for record in records.values()) - len(rows)
    return Det(chart, keys, any(dot.css.startswith("valid") for dot in dots), without)


def _looks(board: Board, rows: Sequence[BoardRow]) -> Mapping[str, str]:
    """A system looks the same in every chart of the board, as long as the palette is large enough for that."""
    order = board.rows if len(board.rows) <= _PALETTE else rows
    return {row.id: look(index) for index, row in enumerate(order)}


def _line(curves: Curves, axis: operating.Axis, css: str, label: str, row: str) -> ChartLine:
    points = [(axis.place(far), axis.place(frr)) for far, frr in deviates(curves)]
    floor = "{:.6g} {:.6g}".format(*drawn(curves, (0.0, 0.0)))
    return ChartLine(path(operating.thinned(_inside(points), _SEEN)), css, label, row, floor)


def _inside(points: Sequence[operating.Point]) -> list[operating.Point]:
    """The stretch of a line that touches the chart, with one point beyond either end."""
    shown = [place for place, point in enumerate(points) if all(0 <= share <= 1 for share in point)]
    return list(points[max(0, shown[0] - 1) : shown[-1] + 2]) if shown else list(points)


def _dots(record: Record, curves: Curves, axis: operating.Axis, css: str, name: str, row: str) -> list[Dot]:
    """Operating points: the EER, the lowest costs, and the threshold of the validation list."""
    marks: list[tuple[str, str, operating.Point]] = []
    for p_target in P_TARGETS:
        cheap = cheapest(curves, p_target)
        if cheap:
            marks.append(("cheap", f"minDCF({p_target:g}) {as_text(standard('min_dcf'), cheap[1])}", cheap[0]))
    rates = [record.values.get(f"{rate}@valid_threshold") for rate in ("far", "frr")]
    numbers = [value.value for value in rates if value and value.value is not None]
    if len(numbers) == 2:
        far, frr = (as_text(standard(name), rate) for name, rate in zip(("far", "frr"), numbers, strict=True))
        label = f"validation threshold: FAR* {far}, FRR* {frr}"
        marks.append(("valid", label, (numbers[0], numbers[1])))
    equal = equal_error(curves)
    if equal is not None:
        marks.append(("equal", f"EER {as_text(standard('eer'), equal)}", (equal, equal)))
    dots = [(kind, text, drawn(curves, point)) for kind, text, point in marks]
    return [
        Dot(axis.place(far), axis.place(frr), f"{kind} {css}", f"{name}: {text}", row)
        for kind, text, (far, frr) in dots
        if axis.low <= far <= axis.high and axis.low <= frr <= axis.high
    ]
