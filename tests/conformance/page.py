"""Writes docs/metrics.md from the sections beside this file: `python -m tests.conformance.page`."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.conformance.section import Answer, Row, Section

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
SECTIONS = ("detection", "intervals", "diarization", "text", "normalisation", "features")
INTRODUCTION = """# Metrics, beside those of others

<!-- Written by `python -m tests.conformance.page`; a test compares this file with what the code gives today. -->

Every number here was computed when this page was written, by our functions and by the peers named, on the same inputs.
Where a peer differs, the number in the last column leads to the reason below. *Error* names stand where one refuses the
input; a peer that cannot do a case is in another table.
"""


def sections() -> list[Section]:
    """All sections, in the order of the page; each module `<name>_rows.py` offers `section()`."""
    found = [importlib.import_module(f"tests.conformance.{name}_rows") for name in SECTIONS]
    return [module.section() for module in found]


def page(parts: Iterable[Section]) -> str:
    """The text of the page."""
    return "\n".join([INTRODUCTION, *(_section(part) for part in parts)])


def _section(part: Section) -> str:
    """A heading, the definition, a table for each set of peers, and the reasons, numbered."""
    reasons = list(dict.fromkeys(row.reason for row in part.rows if row.reason))
    sets = dict.fromkeys(tuple(row.peers) for row in part.rows)
    tables = [_table(part, [row for row in part.rows if tuple(row.peers) == peers], peers, reasons) for peers in sets]
    listed = [f"{number}. {reason}" for number, reason in enumerate(reasons, 1)]
    return (
        "\n\n".join([f"## {part.title}", part.text.strip(), *tables, "\n".join(["Why they differ:", "", *listed])])
        + "\n"
    )


def _table(part: Section, rows: Sequence[Row], peers: Sequence[str], reasons: Sequence[str]) -> str:
    header = ["input", "voxboard", *peers, "why"]
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for row in rows:
        values = [_cell(value, part.digits) for value in (row.ours, *row.peers.values())]
        why = str(reasons.index(row.reason) + 1) if row.reason else ""
        lines.append("| " + " | ".join([row.case, *values, why]) + " |")
    return "\n".join(lines)


def _cell(value: Answer, digits: int) -> str:
    return value if isinstance(value, str) else f"{value:.{digits}f}"


if __name__ == "__main__":
    PAGE.write_text(page(sections()), encoding="utf-8")
