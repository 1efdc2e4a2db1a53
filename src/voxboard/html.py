"""Tables of text as HTML, for notebooks: nothing in a cell is markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from voxboard.errors import printable

_CELL = "padding:2px 10px;text-align:{side};white-space:nowrap"


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], notes: Sequence[str] = ()) -> str:
    """Return an HTML table of texts: the first column on the left, the others on the right, notes below."""
    head = _row("th", columns)
    body = "".join(_row("td", row) for row in rows)
    below = "".join(f'<div style="color:#666;font-size:90%">{_text(note)}</div>' for note in notes)
    return f"<div><b>{_text(title)}</b><table><thead>{head}</thead><tbody>{body}</tbody></table>{below}</div>"


def _row(tag: str, cells: Sequence[str]) -> str:
    sides = ["left", *["right"] * (len(cells) - 1)][: len(cells)]
    inner = (
        f'<{tag} style="{_CELL.format(side=side)}">{_text(cell)}</{tag}>'
        for side, cell in zip(sides, cells, strict=True)
    )
    return f"<tr>{''.join(inner)}</tr>"


def _text(cell: str) -> str:
    return escape(printable(cell))
