"""A board as Markdown."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from urllib.parse import quote

from voxboard.boards.cross import ABOUT, Cross, CrossField, crosses
from voxboard.boards.cross import NOTE as MORE
from voxboard.boards.doubts import CHOSEN
from voxboard.boards.facts import interval_note, panel_facts
from voxboard.boards.groups import Division, gaps
from voxboard.boards.model import SYNTHETIC, Board, BoardCell, BoardRow, Panel
from voxboard.charts.numbers import known, plain, quantity, size
from voxboard.ranking import NOTE


def markdown(board: Board) -> str:
    """The board for a README or a pull request."""
    made = interval_note(board.values)
    brackets = f"Brackets: 95 % intervals unless noted{f' ({made})' if made else ''}."
    lines = ["# Leaderboard", "", f"Data as of {board.date[:10]}. {brackets} {NOTE}", ""]
    if board.incomplete:
        lines += [f"**{board.incomplete}**", ""]
        lines += [*(f"- {escape(one.path)}: {escape(one.reason)}" for one in board.left_out), ""]
    if len(board.panels) > 1:
        lines += ["## Overview", "", *_overview(board), ""]
    if matrices := crosses(board):
        lines += ["## Train × test", "", f"{ABOUT} {MORE}", ""]
        lines += [line for matrix in matrices for line in _cross(matrix)]
    for panel in board.panels:
        lines += _section(panel)
    return "\n".join(lines).rstrip() + "\n"


def _overview(board: Board) -> list[str]:
    head = ["System", "Trained on", "Seed", *(_panel_name(panel) for panel in board.panels)]
    rows = [
        [_name(row), escape(row.trained_on), str(row.seed), *(_entry(p.cell(row, p.main)) for p in board.panels)]
        for row in board.rows
    ]
    return _grid(head, rows)


def _cross(matrix: Cross) -> list[str]:
    """The matrix of one family of test sets; the value at home in italics."""
    head = ["System", "Trained on", "Seed"]
    head += [f"{escape(one.label)}{' (synthetic)' if one.synthetic else ''}" for one in matrix.sets]
    rows = []
    for line in matrix.lines:
        name = _name(line.row) + (f" ({escape(line.weights)})" if line.weights else "")
        start = [name, escape(line.row.trained_on), str(line.row.seed)]
        rows.append([*start, *map(_field, line.fields), f"{escape(line.text)} {line.told}".strip() or "–"])
    differs = f" ({', '.join(map(escape, matrix.family.differs))})" if matrix.family.differs else ""
    about = f"{escape(matrix.title.capitalize())}: {escape(matrix.column.label)}, {matrix.column.better} is better"
    return [f"### {about}{differs}", "", *_grid([*head, "Generalisation gap"], rows), ""]


def _field(field: CrossField) -> str:
    cell = field.cell
    text = f"{escape(cell.text)} {cell.interval}".rstrip() if cell.text else f"*{escape(cell.reason)}*"
    return text + (" *home*" if field.home else f" ({field.text})" if field.text else "")


def _section(panel: Panel) -> list[str]:
    mark = " (synthetic)" if panel.benchmark.synthetic else ""
    lines = [f"## {escape(panel.title)}{mark}", "", f"{escape(_about(panel))}", ""]
    lines += [f"*{escape(SYNTHETIC)}*", ""] if panel.benchmark.synthetic else []
    lines += [line for note in panel.notes for line in (f"*{escape(note)}*", "")]
    head = ["Places", "System", "Trained on", "Seed", *(escape(column.label) for column in panel.columns)]
    head += ["Parameters", "Embeddings/s", "Code licence", "Weights licence", "Training data licence"]
    lines += [*_grid(head, [_line(panel, row) for row in panel.rows]), ""]
    lines += _groups(panel)
    if panel.absent:
        lines += ["Not run: " + ", ".join(_full_name(row) for row in panel.absent) + ".", ""]
    if panel.protocol:
        lines += ["<details><summary>Protocol</summary>", ""]
        facts = panel_facts(panel.protocol, panel.columns)
        lines += [f"- {escape(term)}: {escape(text)}" for term, text in facts]
        lines += ["", "</details>", ""]
    lines += ["<details><summary>Commands that reproduce these rows</summary>", ""]
    lines += [*_fence([plain(panel.filed[row.id].record.provenance.command) for row in panel.rows]), ""]
    return [*lines, "</details>", ""]


def _groups(panel: Panel) -> list[str]:
    """The worst group of each system under each label, and the gap to its best one."""
    table = gaps(panel)
    if not table.rows:
        return []
    head = ["System", "Trained on", "Seed", "Groups", f"Worst {escape(panel.main.label)}", "Gap to the best group"]
    rows = [
        [_name(row), escape(row.trained_on), str(row.seed), *_gap(part)]
        for row, parts in table.rows
        for part in parts
        if part
    ]
    return [*_grid(head, rows), "", CHOSEN, ""]


def _gap(part: Division) -> list[str]:
    worst = f"{escape(part.worst.name)} {part.worst_text}" if part.worst else ""
    to = f" to {escape(part.best.name)}" if part.best else ""
    return [escape(part.label), worst, f"{escape(part.gap_text)} {part.gap_interval}".rstrip() + to]


def _line(panel: Panel, row: BoardRow) -> list[str]:
    item = panel.filed[row.id]
    mark = f" — *{escape(panel.mark(row))}*" if panel.mark(row) else ""
    name = f"{_name(row)}{mark} ([record](<../records/{quote(item.path)}>))"
    cells = [_entry(panel.cell(row, column), column.main) for column in panel.columns]
    cost = [size(row.parameters), quantity(item.record.cost.embeddings_per_second)]
    words = (row.system.code_licence, row.system.weights_licence, row.training_licence)
    licences = [escape(known(text)) for text in words]
    return [panel.cell(row, panel.main).places, name, escape(row.trained_on), str(row.seed), *cells, *cost, *licences]


def _about(panel: Panel) -> str:
    """One line that tells a panel from every other."""
    benchmark = panel.benchmark
    parts = [benchmark.task, f"{benchmark.corpus} {benchmark.split}", *([panel.hint] if panel.differs else [])]
    parts += [f"data licence {known(benchmark.licence)}", f"protocol {panel.protocol_id or 'unknown'}"]
    return " · ".join(map(plain, parts))


def _panel_name(panel: Panel) -> str:
    mark = " (synthetic)" if panel.benchmark.synthetic else ""
    protocol = f" ({escape(panel.hint)})" if panel.differs else ""
    return f"{escape(panel.title)}{mark}: {escape(panel.main.label)}{protocol}"


def _name(row: BoardRow) -> str:
    variant = f" {row.variant}" if row.variant else ""
    return escape(f"{row.label}{variant}")


def _full_name(row: BoardRow) -> str:
    return f"{_name(row)} ({escape(row.trained_on)}, seed {row.seed})"


def _entry(cell: BoardCell, main: bool = True) -> str:
    """Text of a cell; remarks on the whole row stand in the column of the main metric only."""
    status = cell.filed.record.status if cell.filed else ""
    if not cell.text:
        return f"*{escape(cell.reason)}*" if main or status != "failed" else "–"
    text = f"**{escape(cell.text)}**" if cell.best else escape(cell.text)
    return f"{text} {cell.interval}".rstrip() + (" (imported)" if main and status == "imported" else "")


def _grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def _fence(lines: Sequence[str]) -> list[str]:
    """A code block whose fence is longer than any run of backticks in it."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}sh", *dict.fromkeys(lines), fence]


_OPENING = re.compile(r"^([-+](?=[-\s]|$)|=+|#+|\d+(?=[.)](?:\s|$)))")  # what begins a block at the start of a line


def escape(text: str) -> str:
    """Text as Markdown shows it, with nothing that Markdown, its tables or HTML would act on."""
    # A pipe splits a table cell whatever stands before it, and a backslash could disarm our own.
    text = html.escape(plain(text), quote=False).replace("\\", "&#92;").replace("|", "&#124;")
    text = re.sub(r"([`*_{}\[\]~$!])", r"\\\1", text)
    # A bare address would become a link, at the start of a line a sign a heading, a list or a quotation.
    text = re.sub(r"(?<=\w)(:(?=/)|@(?=\w+\.)|(?<=www)\.)", lambda sign: f"&#{ord(sign[0])};", text)
    return _OPENING.sub(lambda signs: "".join(f"&#{ord(sign)};" for sign in signs[0]), text)
