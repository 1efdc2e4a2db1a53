"""Boards: `leaderboard.md`, `.csv`, `.json` and `index.html` as a pure function of records."""

from __future__ import annotations

from pathlib import Path

from voxboard.board.arrange import arrange
from voxboard.board.model import Board, Cell, Column, Panel, Row
from voxboard.board.terminal import table
from voxboard.errors import UserError
from voxboard.files import write_atomically
from voxboard.records import Unread, survey
from voxboard.records.store import told

FILES = ("leaderboard.md", "leaderboard.csv", "leaderboard.json", "index.html")

__all__ = ["FILES", "Board", "Cell", "Column", "Panel", "Row", "Unread", "arrange", "build", "render", "table"]


def build(records_dir: str | Path, out_dir: str | Path) -> Board:
    """Writes the board of a folder of records: the same records give the same bytes, wherever and whenever.

    All four files are replaced together at the end, so an error leaves the board that was there. What cannot be read
    as a record is left out, and the board says so, in `left_out` and in its files. Raises `UserError` when there is
    no record at all.
    """
    found = survey(records_dir)
    if not found.filed:
        if found.unread:
            raise UserError(*told(found.unread, records_dir))
        raise UserError(f"{records_dir} holds no records.", "Evaluate something first: voxboard eval DATA MODEL.")
    board = arrange(found.filed, found.unread)
    write_atomically({Path(out_dir) / name: text.encode() for name, text in render(board).items()})
    return board


def render(board: Board) -> dict[str, str]:
    """The text of each of `FILES`."""
    from voxboard.board.markdown import markdown
    from voxboard.board.page import page
    from voxboard.board.tables import comma_separated, json_text

    texts = (markdown(board), comma_separated(board), json_text(board), page(board))
    return dict(zip(FILES, texts, strict=True))
