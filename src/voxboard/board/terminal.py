"""A board as a table for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxboard.board.model import SYNTHETIC, Board, Cell, Column, Panel, brief

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

_LONGEST_REASON = 48


def table(board: Board, width: int | None = None) -> Table:
    """All metrics of a single panel, or the main metric of each of several, as a rich table.

    `width` in characters leaves out the last columns until the rest fits; the caption says so.
    """
    from rich.console import Console
    from rich.measure import Measurement

    single = len(board.panels) == 1
    columns = [(panel, column) for panel in board.panels for column in panel.columns[: None if single else 1]]
    console = Console(width=10_000)
    for kept in range(len(columns), 0, -1):
        result = _table(board, columns[:kept], len(columns) - kept)
        if width is None or Measurement.get(console, console.options, result).maximum <= width:
            break
    return result


def _table(board: Board, columns: list[tuple[Panel, Column]], left_out: int) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    single = len(board.panels) == 1
    notes = [SYNTHETIC] if any(panel.benchmark.synthetic for panel in board.panels) else []
    notes += [f"{left_out} more columns are in the files."] if left_out else []
    title = _heading(board.panels[0]) if single else f"{len(board.panels)} benchmarks"
    result = Table(title=Text(title, style="bold"), caption=Text(" ".join(notes)), box=box.SIMPLE_HEAD)
    for name, side in (("#", "right"), ("System", "left"), ("Trained on", "left"), ("Seed", "right")):
        result.add_column(name, justify="right" if side == "right" else "left", overflow="fold")
    for panel, column in columns:
        heading = column.label if single else f"{_heading(panel)}\n{column.label}"
        result.add_column(Text(heading), justify="right", overflow="fold")
    labels = brief(board.rows)
    for place, row in enumerate(board.panels[0].rows if single else board.rows, 1):
        rank = board.panels[0].cell(row, board.panels[0].main).rank if single else place
        named = Text(f"{labels[row.id]} {row.variant}".strip())
        trained = Text(row.trained_on, style="" if row.system.trained else "dim")
        cells = [_cell(panel.cell(row, column), column) for panel, column in columns]
        result.add_row(Text(str(rank or "")), named, trained, str(row.seed), *cells)
    return result


def _heading(panel: Panel) -> str:
    mark = " (synthetic)" if panel.benchmark.synthetic else ""
    protocol = f"\nprotocol {panel.protocol_id}" if panel.differs else ""
    return f"{panel.title}{mark}{protocol}"


def _cell(cell: Cell, column: Column) -> Text:
    """Intervals and reasons stand in the column of the main metric only: a terminal is narrow."""
    from rich.text import Text

    if not cell.text:
        reason = cell.reason if len(cell.reason) <= _LONGEST_REASON else f"{cell.reason[: _LONGEST_REASON - 1]}…"
        return Text(reason if column.main else "–", style="dim italic")
    text = Text(cell.text, style="bold" if cell.best else "")
    return text.append(f" {cell.interval}", style="not bold dim") if column.main and cell.interval else text
