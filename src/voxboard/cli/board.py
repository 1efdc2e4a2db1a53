"""`voxboard board`: rebuilds the leaderboard from its records."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voxboard.cli.parse import parse
from voxboard.screen import print

SUMMARY = "Build the leaderboard (Markdown, CSV, JSON, HTML) from the records."
DESCRIPTION = f"""{SUMMARY}

The same records give the same files, byte by byte. Only numbers with the same protocol share a column. A file that is
no valid record is an error and leaves the board as it was."""


@dataclass(frozen=True)
class BoardArgs:
    """What the board is made of and where it goes."""

    records: str = "results/records"
    """Folder with the records, one JSON file per evaluated cell; searched with all its subfolders. Or its URL, such as
    s3://bucket/grids/NAME/records."""
    out: Path = Path("results/board")
    """Folder that leaderboard.md, .csv, .json and index.html are written to."""
    json: bool = False
    """Print the board as JSON instead of a table."""


def main(argv: Sequence[str]) -> int:
    """Builds the board that the flags ask for. Returns 0."""
    return run(parse(BoardArgs, argv, prog="board", description=DESCRIPTION))


def run(args: BoardArgs) -> int:
    """Builds the board, prints it to stdout, and names the written files on stderr. Returns 0."""
    from voxboard.board import FILES, build, table
    from voxboard.board.tables import json_text
    from voxboard.console import Console
    from voxboard.remote_results import records

    board = build(records(args.records), args.out)
    if args.json:
        sys.stdout.write(json_text(board))
    else:
        # Piped into a file the table has all the width it wants.
        console = Console() if sys.stdout.isatty() else Console(width=400)
        console.print(table(board, console.width))
    print(f"Wrote {args.out}/: {', '.join(FILES)}", file=sys.stderr)
    return 0
