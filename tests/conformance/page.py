"""Writes docs/metrics.md from the sections beside this file: `python -m tests.conformance.page`."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path

from tests.conformance.section import Answer, Section

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
SECTIONS = ("detection", "intervals", "diarization", "text", "normalisation", "features")
INTRODUCTION = """# Metrics, beside those of others

<!-- Written by `python -m tests.conformance.page`; a test compares this file with what the code gives today. -->

Every number here was computed when this page was written, by our functions and by the peers named, on the same inputs.
Where a peer differs, the last column says why. *Error* names stand where a peer refuses the input.
"""


def sections() -> list[Section]:
    """All sections, in the order of the page; each module `<name>_rows.py` offers `section()`."""
    found = [importlib.import_module(f"tests.conformance.{name}_rows") for name in SECTIONS]
    return [module.section() for module in found]


def page(parts: Iterable[Section]) -> str:
    """The text of the page."""
    return "\n".join([INTRODUCTION, *(_section(part) for part in parts)])


def _section(part: Section) -> str:
    peers = list(dict.fromkeys(name for row in part.rows for name in row.peers))
    header = ["input", "voxboard", *peers, "why they differ"]
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for row in part.rows:
        values = [row.ours, *(row.peers.get(name, "–") for name in peers)]
        lines.append("| " + " | ".join([row.case, *(_cell(value, part.digits) for value in values), row.reason]) + " |")
    return f"## {part.title}\n\n{part.text.strip()}\n\n" + "\n".join(lines) + "\n"


def _cell(value: Answer, digits: int) -> str:
    return value if isinstance(value, str) else f"{value:.{digits}f}"


if __name__ == "__main__":
    PAGE.write_text(page(sections()), encoding="utf-8")
