"""The labelled utterances of a split, and the groups of people among them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from voxboard.benchmarks.base import Items, Portion
from voxboard.data.corpus import ATTRIBUTES, Corpus
from voxboard.data.labels import label_of
from voxboard.errors import UserError
from voxboard.metrics.bootstrap import Interval
from voxboard.scoring.portions import MAX_LEVELS, group_of

LEAST = 30  # utterances below which a group gets no number
LEAST_SPEAKERS = 3

Measure = Callable[[np.ndarray], Mapping[str, Interval]]


@dataclass(frozen=True)
class Utterances(Items):
    """Utterances with a label each: a class name, a transcript, a number."""

    labels: tuple[Any, ...]

    def first(self, count: int) -> Utterances:
        return self.only(range(min(count, len(self.cuts))))

    def without(self, skipped: set[str]) -> Utterances:
        """All but those whose audio could not be read."""
        return self.only([row for row, cut in enumerate(self.cuts) if cut.id not in skipped])

    def only(self, rows: Sequence[int]) -> Utterances:
        """Some of the utterances; the digest stays that of the whole."""
        return replace(self, cuts=tuple(self.cuts[row] for row in rows), labels=tuple(self.labels[row] for row in rows))

    def left_out(self, skipped: Sequence[str]) -> dict[str, str]:
        """What a protocol says of unreadable utterances: without them it is another set."""
        return {"left out": hashlib.sha256("\n".join(skipped).encode()).hexdigest()[:12]} if skipped else {}


def utterances(corpus: Corpus, split: str, label: str) -> Utterances:
    """The utterances of a split that have a label, in the order of their ids. Raises `UserError` when none has."""
    found = sorted(
        ((cut, label_of(cut, label)) for cut in corpus.cuts(split)),
        key=lambda pair: pair[0].id,
    )
    known = [(cut, value) for cut, value in found if value is not None]
    if not known:
        raise UserError(
            f"No {split} utterance of {corpus.name} has a label {label}.",
            "Prepare the corpus with a table that has it, or choose another --label.",
        )
    lines = "".join(f"{cut.id}\t{value}\n" for cut, value in known)
    cuts, labels = zip(*known, strict=True)
    return Utterances(corpus, split, cuts, hashlib.sha256(lines.encode()).hexdigest(), labels)


def portions(items: Items, measure: Measure, leave_out: str = "") -> list[Portion]:
    """The numbers of every group of speakers, by gender, age, accent …; those too small for one say so.

    `measure` takes a mask [U]; `leave_out` is the label that is predicted, which would divide truths from truths.
    """
    found = []
    for label, name, inside in groups(items):
        if label == leave_out:
            continue
        count, speakers = int(inside.sum()), len(set(items.speakers[inside].tolist()))
        if count < LEAST or speakers < LEAST_SPEAKERS:
            reason = f"fewer than {LEAST} utterances" if count < LEAST else f"fewer than {LEAST_SPEAKERS} speakers"
            found.append(Portion(name, label, count, reason=reason))
        else:
            found.append(Portion(name, label, count, measure(inside)))
    return found


def groups(items: Items) -> Iterator[tuple[str, str, np.ndarray]]:
    """(label, "gender=female", mask [U]) for every value of every attribute that divides the utterances."""
    for label in ATTRIBUTES:
        values = np.array([group_of(label, label_of(cut, label)) for cut in items.cuts])
        levels = sorted(set(values.tolist()) - {""})
        if 2 <= len(levels) <= MAX_LEVELS:
            yield from ((label, f"{label}={level}", values == level) for level in levels)
