"""`voxboard board`: rebuilds the leaderboard from its records."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from voxboard.cli.parse import parse
from voxboard.errors import printable
from voxboard.records.store import told
from voxboard.screen import print

if TYPE_CHECKING:
    from voxboard.boards import Board

SUMMARY = "Build the leaderboard (Markdown, CSV, JSON, HTML) from the records."
DESCRIPTION = f"""{SUMMARY}

The same records give the same files, byte by byte. Only numbers with the same protocol share a table. A file that is
no valid record, or a folder that cannot be read, is left out: the board names it, so does stderr, and the exit code
is 3."""
PARTIAL = 3  # of a board that lacks records


@dataclass(frozen=True)
class BoardArgs:
    """Records and outputs of a board."""

    records: str = "results/records"
    """Folder with the records, one JSON file per evaluated cell; searched with all its subfolders. Or its URL, such as
    s3://bucket/grids/NAME/records."""
    out: Path = Path("results/board")
    """Folder that leaderboard.md, .csv, .json and index.html are written to."""
    json: bool = False
    """Print the board as JSON instead of a table."""


def main(argv: Sequence[str]) -> int:
    """Build the board that the flags ask for. Returns 0, or 3 when a file among the records could not be read."""
    return run(parse(BoardArgs, argv, prog="board", description=DESCRIPTION))


def run(args: BoardArgs) -> int:
    """Build the board, print it to stdout, and names the written files on stderr. Returns as `main` does."""
    from voxboard import api
    from voxboard.boards import FILES, table
    from voxboard.boards.tables import json_text
    from voxboard.console import Console

    board = api.board(args.records, args.out)
    if args.json:
        print(json_text(board), end="")
    else:
        # Piped into a file the table has all the width it wants.
        console = Console() if sys.stdout.isatty() else Console(width=400)
        console.print(table(board, console.width))
    print(f"Wrote {args.out}/: {', '.join(FILES)}", file=sys.stderr)
    return tell_left_out(board, args.records)


def tell_left_out(board: Board, records: str | Path) -> int:
    """Names on stderr what a board lacks. Returns 3 where it lacks anything, else 0."""
    if board.left_out:
        print(f"voxboard: {' '.join(map(printable, told(board.left_out, records)))}", file=sys.stderr)
    return PARTIAL if board.left_out else 0
