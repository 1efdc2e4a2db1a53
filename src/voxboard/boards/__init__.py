"""Boards: `leaderboard.md`, `.csv`, `.json` and `index.html` as a pure function of records."""

from __future__ import annotations

from pathlib import Path

from voxboard.boards.arrange import arrange
from voxboard.boards.model import Board, BoardCell, BoardColumn, BoardRow, Panel
from voxboard.boards.terminal import table
from voxboard.errors import UserError
from voxboard.files import write_atomically
from voxboard.records import Unread, survey
from voxboard.records.store import told

FILES = ("leaderboard.md", "leaderboard.csv", "leaderboard.json", "index.html")

__all__ = [
    "FILES",
    "Board",
    "BoardCell",
    "BoardColumn",
    "BoardRow",
    "Panel",
    "Unread",
    "arrange",
    "build",
    "read",
    "render",
    "table",
    "write",
]


def build(records_dir: str | Path, out_dir: str | Path) -> Board:
    """Write the board of a folder of records: the same records give the same bytes, wherever and whenever.

    All four files are replaced together at the end, so an error leaves the board that was there. What cannot be read
    as a record is left out, and the board says so, in `left_out` and in its files. Raises `UserError` when there is
    no record at all.
    """
    board = read(records_dir)
    write(board, out_dir)
    return board


def read(records_dir: str | Path) -> Board:
    """The board of a folder of records, without its files. Raises `UserError` when there is no record at all."""
    survey_ = survey(records_dir)
    if not survey_.filed:
        if survey_.unread:
            raise UserError(*told(survey_.unread, records_dir))
        raise UserError(f"{records_dir} holds no records.", "Evaluate something first: voxboard eval DATA MODEL.")
    return arrange(survey_.filed, survey_.unread)


def write(board: Board, out_dir: str | Path) -> None:
    """Write the files of a board, all of them or none."""
    write_atomically({Path(out_dir) / name: text.encode() for name, text in render(board).items()})


def render(board: Board) -> dict[str, str]:
    """The text of each of `FILES`."""
    from voxboard.boards.markdown import markdown
    from voxboard.boards.page import page
    from voxboard.boards.tables import comma_separated, json_text

    texts = (markdown(board), comma_separated(board), json_text(board), page(board))
    return dict(zip(FILES, texts, strict=True))
