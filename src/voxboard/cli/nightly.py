"""`voxboard nightly GRID`: what a machine does every night to keep a board up to date."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxboard.cli import grid as grids
from voxboard.cli.parse import parse
from voxboard.errors import UserError
from voxboard.files import parse_json

if TYPE_CHECKING:
    from voxboard.grids.workspace import Workspace

DESCRIPTION = """Refresh a grid: carry out the cells that are missing, rebuild its board, and say what has changed.

board/changes.md compares the board with the one of the last night on which something was new. A night on which nothing
was new changes no byte. Cells whose code or data has changed count as missing; cells that failed are tried again only
with --retry. The exit code is 3 when some cells have no number."""
LAST, CHANGES = "last-night.json", "changes.md"


@dataclass(frozen=True)
class Nightly(grids.RunArgs):
    """Grid to be refreshed, and limits."""


def main(argv: Sequence[str]) -> int:
    """Refresh a grid. Returns 0, or 3 when some cells have no number."""
    args = parse(Nightly, argv, prog="nightly", description=DESCRIPTION)
    from voxboard.grids import Grid
    from voxboard.grids.remote_workspace import workspace_at

    code = grids.run(args)
    if not args.dry_run:
        workspace = workspace_at(args.out or grids.folder_of(Grid.load(args.grid).name))
        with workspace.locked():
            compare(workspace)
    return code


def compare(workspace: Workspace) -> bool:
    """Write changes.md where the board is another than last night's; returns whether it is."""
    from voxboard.files import write_atomically
    from voxboard.grids.changes import changes

    last, board = workspace.root / LAST, workspace.board / "leaderboard.json"
    workspace.fetch(last)
    new = board.read_bytes()
    old = last.read_bytes() if last.is_file() else None
    if new == old:
        return False
    text = changes(_last(old, last), json.loads(new))
    # The comparison first: killed in between, the next start makes the same one.
    write_atomically({workspace.board / CHANGES: text.encode()})
    write_atomically({last: new})
    workspace.publish(workspace.board / CHANGES, last)
    grids.say(f"Wrote {workspace}/board/{CHANGES}")
    return True


def _last(data: bytes | None, path: Path) -> Any:
    """Last night's board, None before the first. Raises `UserError` for a file that is none."""
    from voxboard.grids.changes import entries

    if data is None:
        return None
    try:
        content = parse_json(data, str(path))
        entries(content)
        return content if content["data_date"] else None
    except (UserError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is no board of an earlier night.", "Delete it: the next night compares with none, and keeps all."
        ) from error
