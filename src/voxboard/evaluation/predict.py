"""Predictions of a trained network for audio files: likeliest classes with their probabilities, a number, or a text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voxboard.data.targets import AUDEN, ClassTarget, TokenTarget, ValueTarget
from voxboard.embedding.embed import embed
from voxboard.embedding.head_values import values
from voxboard.errors import UserError, unknown
from voxboard.settings import Evaluation

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard.model import Network

CLOSED_SET = "The speakers are a closed set: a voice that was not trained on gets the name of one that was."


@dataclass(frozen=True)
class RankedClasses:
    """The likeliest classes, best first: their names, scores and probabilities [k]."""

    labels: tuple[str, ...]
    logits: tuple[float, ...]
    probs: tuple[float, ...]


Said = RankedClasses | float | str


def tasks_of(network: Network, task: str = "") -> tuple[str, ...]:
    """The tasks that a network answers, or the one asked for, which Auden's names `id` and `age` may call too.

    Raises `UserError` for a network that answers nothing, and for an unknown task.
    """
    if network.head is None or network.targets is None:
        raise UserError("This network has no head: there is nothing that it could predict.", "Name a trained run.")
    tasks = tuple(network.targets.targets)
    ours = {theirs: name for name, theirs in AUDEN.items()}
    wanted = task if task in tasks else ours.get(task, task)
    if wanted and wanted not in tasks:
        raise unknown("task of this network", task, tasks)
    return (wanted,) if wanted else tasks


def predict(
    network: Network, cuts: Sequence[Cut], task: str = "", topk: int = 1, evaluation: Evaluation | None = None
) -> list[dict[str, Said]]:
    """Task → what is said about it, per utterance; longer ones than `evaluation.max_seconds` in pieces.

    `topk` is capped at the number of classes; probabilities are a softmax over all of them. Raises `UserError` for a
    head that says nothing of the kind.
    """
    tasks = tasks_of(network, task)
    assert network.head is not None
    assert network.targets is not None
    settings = evaluation or Evaluation()
    network.encoder.eval()
    network.head.eval()
    rows: list[dict[str, Said]] = [{} for _ in cuts]
    for name, answers in _answers(network, cuts, tasks, topk, settings):
        for row, answer in zip(rows, answers, strict=True):
            row[name] = answer
    return rows


def _answers(
    network: Network, cuts: Sequence[Cut], tasks: Sequence[str], topk: int, settings: Evaluation
) -> Iterator[tuple[str, Sequence[Said]]]:
    """(task, what is said of every utterance); the embeddings are made once for all tasks of classes."""
    assert network.targets is not None
    targets = {task: network.targets.targets[task] for task in tasks}
    classes = [task for task, target in targets.items() if isinstance(target, ClassTarget)]
    if classes:
        matrix = embed(
            network.encoder, cuts, normalized=False, max_seconds=settings.max_seconds, show_progress=False
        ).matrix
        for task in classes:
            scores, names = network.class_scores(matrix, task)
            yield task, [ranked(row, names, topk) for row in scores]
    for task, target in targets.items():
        if isinstance(target, ValueTarget):
            yield task, values(network, cuts, settings, show_progress=False)[0].tolist()
        elif isinstance(target, TokenTarget):
            yield task, _texts(network, cuts, settings)
        elif not isinstance(target, ClassTarget):
            raise UserError(f"A head that learns {task} tells nothing of a file.", "Name another task with --task.")


def ranked(scores: np.ndarray, names: Sequence[str], topk: int) -> RankedClasses:
    """Scores [C] of classes → the `topk` likeliest; of equal ones the first class first."""
    exact = scores.astype(np.float64)
    odds = np.exp(exact - exact.max())
    best = np.argsort(-exact, kind="stable")[: max(topk, 1)].tolist()
    probs = odds / odds.sum()
    return RankedClasses(
        tuple(names[place] for place in best),
        tuple(float(exact[place]) for place in best),
        tuple(float(probs[place]) for place in best),
    )


def to_dict(prediction: Said) -> Any:
    """JSON form."""
    return vars(prediction) if isinstance(prediction, RankedClasses) else prediction


def _texts(network: Network, cuts: Sequence[Cut], settings: Evaluation) -> tuple[str, ...]:
    from voxboard import benchmarks
    from voxboard.benchmarks.utterances import Utterances
    from voxboard.data.corpus import Corpus, CorpusInfo

    nowhere = Corpus(Path(), CorpusInfo("files"), {})
    items = Utterances(nowhere, "test", tuple(cuts), "", ("",) * len(cuts))
    outputs: Any = benchmarks.create("transcription").run(network, items, settings, show_progress=False)
    return tuple(outputs.texts)
