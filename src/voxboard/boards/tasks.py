"""The panels of a board by task, as its page is divided."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from voxboard.boards.model import Board, Panel
from voxboard.boards.names import TASKS
from voxboard.boards.numbers import plain


@dataclass(frozen=True)
class Section:
    """All benchmarks of one task."""

    id: str
    title: str  # "Verification"
    about: str  # what the task asks; empty for one that is not known here
    panels: tuple[Panel, ...]


def sections(board: Board) -> tuple[Section, ...]:
    """The tasks in the order that they have on boards: known ones first, then by name."""
    found: dict[str, list[Panel]] = {}
    for panel in board.panels:
        found.setdefault(panel.benchmark.task, []).append(panel)
    order = list(TASKS)
    tasks = sorted(found, key=lambda task: (order.index(task) if task in order else len(order), task))
    return tuple(
        Section(
            "t-" + hashlib.sha256(task.encode()).hexdigest()[:8],
            plain(task).capitalize(),
            TASKS.get(task, ""),
            tuple(found[task]),
        )
        for task in tasks
    )
