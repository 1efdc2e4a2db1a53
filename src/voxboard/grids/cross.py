"""Runs × test sets: every run evaluated on every one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voxboard import api, benchmarks
from voxboard.errors import UserError
from voxboard.parts import Part
from voxboard.records import Record
from voxboard.settings import Eval, Evaluation, Weights
from voxboard.training import run_folder


@dataclass(frozen=True)
class Crossed:
    """One run on one test set: its record, or the reason why there is none."""

    run: str
    on: str
    record: Record | None = None
    reason: str = ""


def cross(names: Sequence[str], on: Sequence[str], options: Eval, evaluation: Evaluation) -> list[Crossed]:
    """Evaluate every run on every test set, in their order. One that cannot be done stops none of the others.

    Raises `UserError` for a run that is not there.
    """
    folders = [run_folder.find(name, options.runs) for name in names]
    return [_one(folder, data, options, evaluation) for folder in folders for data in on]


def _one(folder: Path, data: str, options: Eval, evaluation: Evaluation) -> Crossed:
    try:
        card = benchmarks.card(data)
        # A card says its own task; a corpus is measured by the run's.
        task = Part(card.task, dict(card.options)) if card.name in benchmarks.cards() else None
        record = api.measure(folder, data, task, options, evaluation, Weights())
    except UserError as error:
        return Crossed(folder.name, data, reason=error.problem)
    except Exception as error:
        return Crossed(folder.name, data, reason=f"{type(error).__name__}: {error}")
    return Crossed(folder.name, data, record)
