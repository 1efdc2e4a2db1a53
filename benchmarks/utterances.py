"""The labelled utterances of a split, and the groups of people among them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from typing_extensions import TypeVar

from voxboard import records
from voxboard.benchmarks.base import Benchmark, Items, LearnedT, Outputs
from voxboard.benchmarks.score_sets import MAX_LEVELS, group_of
from voxboard.data.corpus import ATTRIBUTES, Corpus
from voxboard.data.labels import label_of
from voxboard.embedding.cache import store_of
from voxboard.embedding.embed import embed
from voxboard.errors import UserError
from voxboard.records import Group, Value

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard.embedding.embed import Embeddings
    from voxboard.model import Network
    from voxboard.settings import Evaluation

LEAST = 30  # utterances below which a group gets no number
LEAST_SPEAKERS = 3

Measure = Callable[[np.ndarray], Mapping[str, Value]]  # mask [U] → the values of some utterances


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
        """Entry of a protocol for unreadable utterances: without them it is another set."""
        return {"left out": hashlib.sha256("\n".join(skipped).encode()).hexdigest()[:12]} if skipped else {}


@dataclass(frozen=True)
class Validated:
    """Error on the validation utterances; nothing else is fixed on them."""

    error: float
    digest: str

    def to_dict(self) -> dict[str, Any]:
        return {"error": self.error, "digest": self.digest}

    def logged(self) -> dict[str, float]:
        return {"valid_error": self.error}


@dataclass(frozen=True)
class UtteranceOutputs(Outputs):
    """Raw outputs of a network for labelled utterances."""

    items: Utterances


UtterancesT = TypeVar("UtterancesT", bound=Utterances, default=Any)
UtteranceOutputsT = TypeVar("UtteranceOutputsT", bound=UtteranceOutputs, default=Any)


class UtteranceBenchmark(Benchmark[UtterancesT, LearnedT, Validated, UtteranceOutputsT]):
    """Base of the benchmarks of labelled utterances."""

    beyond: ClassVar[str] = "mean of chunks"  # what happens to an utterance that is too long for one forward

    @property
    def label(self) -> str:
        """The label that is predicted."""
        raise NotImplementedError

    def head_options(self) -> Mapping[str, Any]:
        return {"label": self.label}

    def fixed_from(self, content: Mapping[str, Any]) -> Validated:
        return Validated(**content)

    def called(self, outputs: UtteranceOutputsT) -> str:
        return f"{self.name} by probe" if getattr(outputs, "by", "") == "probe" else self.name

    def lessons(self, home: Corpus | None) -> Corpus:
        """The corpus whose training split a probe learns from. Raises `UserError` where there is none."""
        if home is None or "train" not in home.splits:
            where = f"{home.name} has" if home else "There is"
            raise UserError(
                f"{where} no training split that a probe for {self.label} could learn from.",
                "Evaluate on a corpus with one, or a run that was trained on this label.",
            )
        return home

    def embedded(
        self, network: Network, cuts: Sequence[Cut], evaluation: Evaluation, show_progress: bool
    ) -> Embeddings:
        """Embeddings as the encoder gives them, for heads and probes."""
        return embed(
            network.encoder,
            cuts,
            max_seconds=evaluation.max_seconds,
            skip_bad_audio=evaluation.skip_bad_audio,
            show_progress=show_progress,
            cache=store_of(evaluation),
            normalized=False,
        )

    def described(
        self, outputs: UtteranceOutputsT, evaluation: Evaluation, options: Mapping[str, Any]
    ) -> records.Protocol:
        """The protocol of these utterances, with what else the task has to say."""
        items = outputs.items
        speakers = len(set(items.speakers.tolist()))
        return records.Protocol(
            items=records.Items(items.digest, len(items.cuts), "utterances", speakers=speakers),
            metrics=self.parameters,
            crop=records.Crop("whole", evaluation.max_seconds, self.beyond),
            options={**options, **items.left_out(outputs.spent.skipped)},
        )


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object per line."""
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def utterances(corpus: Corpus, split: str, label: str) -> Utterances:
    """The utterances of a split that have a label, in the order of their ids. Raises `UserError` when none has."""
    pairs = sorted(
        ((cut, label_of(cut, label)) for cut in corpus.cuts(split)),
        key=lambda pair: pair[0].id,
    )
    labelled = [(cut, value) for cut, value in pairs if value is not None]
    if not labelled:
        raise UserError(
            f"No {split} utterance of {corpus.name} has a label {label}.",
            "Prepare the corpus with a table that has it, or choose another --label.",
        )
    lines = "".join(f"{cut.id}\t{value}\n" for cut, value in labelled)
    cuts, labels = zip(*labelled, strict=True)
    return Utterances(corpus, split, cuts, hashlib.sha256(lines.encode()).hexdigest(), labels)


def groups(items: Items, measure: Measure, leave_out: str = "") -> tuple[Group, ...]:
    """The numbers of every group of speakers, by gender, age, accent …; those too small for one say so.

    `measure` takes a mask [U]; `leave_out` is the label that is predicted, which would divide truths from truths.
    """
    parts = []
    for label, name, inside in divisions(items):
        if label == leave_out:
            continue
        count, speakers = int(inside.sum()), len(set(items.speakers[inside].tolist()))
        if count < LEAST or speakers < LEAST_SPEAKERS:
            reason = f"fewer than {LEAST} utterances" if count < LEAST else f"fewer than {LEAST_SPEAKERS} speakers"
            parts.append(Group(name, count, reason=reason, label=label))
        else:
            parts.append(Group(name, count, values=measure(inside), label=label))
    return tuple(parts)


def divisions(items: Items) -> Iterator[tuple[str, str, np.ndarray]]:
    """(label, "gender=female", mask [U]) for every value of every attribute that divides the utterances."""
    for label in ATTRIBUTES:
        values = np.array([group_of(label, label_of(cut, label)) for cut in items.cuts])
        levels = sorted(set(values.tolist()) - {""})
        if 2 <= len(levels) <= MAX_LEVELS:
            yield from ((label, f"{label}={level}", values == level) for level in levels)
