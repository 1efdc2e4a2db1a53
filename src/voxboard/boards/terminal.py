"""A board as tables for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxboard.boards.cross import Cross, CrossField, crosses
from voxboard.boards.model import SYNTHETIC, Board, BoardCell, BoardColumn, Panel
from voxboard.charts.titles import folded

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

_LONGEST_REASON = 48
_ORIGIN = 26  # characters of a line of what a system was trained on, which may be many corpora
_NARROWEST = 24  # characters of a line of a name
_PLACES = "Places: those that chance allows, paired where records of one list allow it, corrected by Holm."
_GAP = "Signed: worse than at home, on the test set and in the mean of the foreign ones."


def table(board: Board, width: int | None = None) -> RenderableType:
    """All metrics of a single panel, or the main metric of each of several, and below it train × test.

    `width` in characters leaves out the last columns until the rest fits; the caption says so.
    """
    from rich.console import Group

    return Group(overview(board, width), *(matrix(cross, width) for cross in crosses(board)))


def overview(board: Board, width: int | None = None) -> Table:
    """The first table of `table`."""
    single = len(board.panels) == 1
    columns = [(panel, column) for panel in board.panels for column in panel.columns[: None if single else 1]]
    for shown in range(len(columns), 0, -1):
        result = _table(board, columns[:shown], len(columns) - shown, _name_width(width))
        if _fits(result, width):
            break
    return result


def matrix(cross: Cross, width: int | None = None) -> Table:
    """One matrix of train × test. A narrow terminal loses the intervals first, then the last test sets."""
    ways = [(len(cross.sets), True), *((shown, False) for shown in range(len(cross.sets), 0, -1))]
    for shown, intervals in ways:
        result = _matrix(cross, shown, intervals, _name_width(width))
        if _fits(result, width):
            break
    return result


def _name_width(width: int | None) -> int:
    """Characters of a name before it goes on in the next line: it is never cut, and leaves room for numbers."""
    return 10_000 if width is None else max(_NARROWEST, width // 3)


def _fits(result: Table, width: int | None) -> bool:
    from rich.measure import Measurement

    from voxboard.console import Console

    console = Console(width=10_000)
    return width is None or Measurement.get(console, console.options, result).maximum <= width


def _table(board: Board, columns: list[tuple[Panel, BoardColumn]], left_out: int, name_width: int) -> Table:
    from rich.text import Text

    single = len(board.panels) == 1
    notes = [SYNTHETIC] if any(panel.benchmark.synthetic for panel in board.panels) else []
    notes += [_PLACES] + ([_left_out(left_out)] if left_out else [])
    notes += dict.fromkeys(note for panel in board.panels for note in panel.doubts)
    title = _heading(board.panels[0]) if single else f"{len(board.panels)} benchmarks"
    result = _empty(title, notes)
    for name, side in (("System", "left"), ("Trained on", "left"), ("Seed", "right")):
        widest = _ORIGIN if name == "Trained on" else None
        result.add_column(name, justify="right" if side == "right" else "left", overflow="fold", max_width=widest)
    for panel, column in columns:
        if column.main:
            result.add_column("Places", justify="right")
        heading = column.label if single else f"{_heading(panel)}\n{column.label}"
        result.add_column(Text(heading), justify="right", overflow="fold")
    for row in board.panels[0].rows if single else board.rows:
        cells: list[Text] = []
        for panel, column in columns:
            cell = panel.cell(row, column)
            cells += [Text(cell.places, style="dim")] if column.main else []
            cells.append(_cell(cell, column))
        mark = f"({board.panels[0].mark(row)})" if single and board.panels[0].mark(row) else ""
        named = Text(folded(" ".join(part for part in (row.label, row.variant, mark) if part), name_width))
        trained = Text(row.trained_on, style="" if row.system.trained else "dim")
        result.add_row(named, trained, Text(str(row.seed)), *cells)
    return result


def _matrix(cross: Cross, shown: int, intervals: bool, name_width: int) -> Table:
    from rich.text import Text

    label, left_out = cross.column.label, len(cross.sets) - shown
    differs = f"\n{', '.join(cross.family.differs)}" if cross.family.differs else ""
    notes = [_GAP] + ([] if intervals else ["Intervals are in the files."])
    notes += [_left_out(left_out)] if left_out else []
    result = _empty(f"Train × test, {cross.title}: {label}, {cross.column.better} is better{differs}", notes)
    for name, side in (("System", "left"), ("Trained on", "left"), ("Seed", "right"), ("Gap", "right")):
        widest = _ORIGIN if name == "Trained on" else None
        result.add_column(name, justify="right" if side == "right" else "left", overflow="fold", max_width=widest)
    for one in cross.sets[:shown]:
        result.add_column(Text(f"{one.label}{' (synthetic)' if one.synthetic else ''}"), justify="right")
    for line in cross.lines:
        named = " ".join(part for part in (line.row.label, line.row.variant, line.weights) if part)
        trained = Text(line.row.trained_on, style="" if line.row.system.trained else "dim")
        gap = Text(line.full if intervals else line.text or "–", style="" if line.gap else "dim")
        fields = (_field(field, intervals) for field in line.fields[:shown])
        result.add_row(Text(folded(named, name_width)), trained, Text(str(line.row.seed)), gap, *fields)
    return result


def _empty(title: str, notes: list[str]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    return Table(title=Text(title, style="bold"), caption=Text(" ".join(notes)), box=box.SIMPLE_HEAD)


def _left_out(count: int) -> str:
    return f"{count} more column{'s are' if count > 1 else ' is'} in the files."


def _heading(panel: Panel) -> str:
    mark = " (synthetic)" if panel.benchmark.synthetic else ""
    protocol = f"\n{panel.hint}" if panel.differs else ""
    return f"{panel.title}{mark}{protocol}"


def _cell(cell: BoardCell, column: BoardColumn) -> Text:
    """Intervals and reasons stand in the column of the main metric only: a terminal is narrow."""
    from rich.text import Text

    if not cell.text:
        return Text(_short(cell.reason) if column.main else "–", style="dim italic")
    text = Text(cell.text, style="bold" if cell.best else "")
    return text.append(f" {cell.interval}", style="not bold dim") if column.main and cell.interval else text


def _field(field: CrossField, interval: bool) -> Text:
    from rich.text import Text

    if not field.cell.text:
        return Text(_short(field.cell.reason), style="dim italic")
    text = Text(field.cell.text)
    text.append(f" {field.cell.interval}" if interval and field.cell.interval else "", style="dim")
    return text.append(" home" if field.home else f" {field.text}" if field.text else "")


def _short(reason: str) -> str:
    return reason if len(reason) <= _LONGEST_REASON else f"{reason[: _LONGEST_REASON - 1]}…"
