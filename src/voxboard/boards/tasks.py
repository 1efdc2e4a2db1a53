"""The panels of a board by task, as its page is divided."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from voxboard.boards.model import Board, Panel
from voxboard.charts.numbers import plain

# In the order of a board's sections; what tasks of other packages ask stands in their records.
QUESTIONS = {
    "verification": "Do two utterances have the same speaker?",
    "identification": "Which of the speakers of training is it?",
    "attributes": "Gender, age group, emotion, accent … of speakers that training never heard.",
    "diarization": "Who speaks when in a recording of several speakers?",
    "transcription": "What is said?",
    "intensity": "How loud is an utterance?",
    "retrieval": "Which caption describes an utterance, and which utterance does a caption describe?",
    "questions": "What does a chat model answer that hears an encoder's frames?",
}


@dataclass(frozen=True)
class Section:
    """All benchmarks of one task."""

    id: str
    title: str  # "Verification"
    about: str  # what the task asks; empty for one that does not say it
    panels: tuple[Panel, ...]


def sections(board: Board) -> tuple[Section, ...]:
    """The tasks in the order that they have on boards: known ones first, then by name."""
    panels: dict[str, list[Panel]] = {}
    for panel in board.panels:
        panels.setdefault(panel.benchmark.task, []).append(panel)
    order = list(QUESTIONS)
    tasks = sorted(panels, key=lambda task: (order.index(task) if task in order else len(order), task))
    return tuple(
        Section(
            "t-" + hashlib.sha256(task.encode()).hexdigest()[:8],
            plain(task).capitalize(),
            _question(task, panels[task]),
            tuple(panels[task]),
        )
        for task in tasks
    )


def _question(task: str, panels: Sequence[Panel]) -> str:
    """Question of a task: as its records say, else as voxboard has it."""
    own = [panel.benchmark.about for panel in panels if panel.benchmark.about]
    return plain(own[0]) if own else QUESTIONS.get(task, "")
