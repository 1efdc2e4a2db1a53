"""Classification of utterances: gender, age group, emotion, accent, or who of the known speakers it is.

A system that was trained on the label answers with its head. Any other is asked through a linear probe: a logistic
regression on its embeddings of the training split, so that every encoder can be compared on every label.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from voxboard import records
from voxboard.benchmarks.utterances import (
    UtteranceBenchmark,
    UtteranceOutputs,
    Utterances,
    Validated,
    groups,
    utterances,
    write_rows,
)
from voxboard.data.corpus import Corpus
from voxboard.data.labels import ordered
from voxboard.errors import UserError
from voxboard.limits import Positive
from voxboard.metrics import bootstrap, classification
from voxboard.records import Confusion, Measured, Value
from voxboard.records.standard_metrics import metrics
from voxboard.scoring.probe import Probe

if TYPE_CHECKING:
    from voxboard.model import Network
    from voxboard.settings import Evaluation

log = logging.getLogger("voxboard")
MOST_CLASSES = 200  # in a confusion matrix
MAIN_METRIC = "balanced_accuracy@macro"
METRICS: Mapping[str, Mapping[str, Any]] = {
    MAIN_METRIC: {"mean": "of recalls over the classes in the truth"},
    "accuracy@top1": {},
    "macro_f1@all": {"mean": "over the classes in truth or prediction"},
}


@dataclass(frozen=True)
class Predicted(UtteranceOutputs):
    """Scores [U, C] of every class, larger is likelier; a class that nothing could predict has none."""

    classes: tuple[str, ...]
    scores: np.ndarray
    by: str  # "head" or "probe"

    @property
    def truth(self) -> np.ndarray:
        """[U] the name of the true class."""
        return np.array([str(label) for label in self.items.labels])

    @property
    def predictions(self) -> np.ndarray:
        """[U] the name of the likeliest class."""
        return np.array(self.classes)[self.scores.argmax(1)]


class Attributes(UtteranceBenchmark[Utterances, Probe, Predicted]):
    """Accuracy, balanced accuracy and macro-F1 of a label of unseen speakers, and which class is taken for which."""

    task = "attributes"
    embeds = True
    metrics = metrics(METRICS)
    default_head = "softmax"

    @dataclass(frozen=True)
    class Config:
        """Settings of attributes."""

        label: str = "gender"
        """What is recognised: gender, age_group, emotion, accent, or any other label of the utterances."""
        classifier: Literal["auto", "head", "probe"] = "auto"
        """Who answers: the trained head, or a logistic regression on embeddings of the training split; auto takes the
        head where it was trained on the label."""
        probe_c: Positive = 1.0
        """Inverse strength of the probe's regularisation."""

    config: Config

    @property
    def label(self) -> str:
        return self.config.label

    @property
    def name(self) -> str:
        return self.label

    def items(self, corpus: Corpus, split: str) -> Utterances:
        return utterances(corpus, split, self.label)

    def learn(
        self, network: Network, home: Corpus | None, evaluation: Evaluation, seed: int, show_progress: bool = True
    ) -> Probe | None:
        """The probe, where the head cannot answer. Raises `UserError` where there is nothing to learn it from."""
        if self._by_head(network):
            return None
        home = self.lessons(home)
        labelled = utterances(home, "train", self.label)
        embeddings = self.embedded(network, labelled.cuts, evaluation, show_progress)
        rows = labelled.without(set(embeddings.spent.skipped))
        return Probe.fit(embeddings.matrix, [str(label) for label in rows.labels], self.config.probe_c, seed)

    def _by_head(self, network: Network) -> bool:
        """True if the head answers. Raises `UserError` where it is asked to and cannot."""
        targets = network.targets.classes(self.label) if network.targets else None
        able = network.head is not None and bool(targets) and network.head.reads == "embedding"
        if self.config.classifier == "head" and not able:
            raise UserError(f"The head was not trained on {self.label}.", "Leave --classifier out, or train for it.")
        return able and self.config.classifier != "probe"

    def run(
        self,
        network: Network,
        items: Utterances,
        evaluation: Evaluation,
        learned: Probe | None = None,
        fixed: Validated | None = None,
        show_progress: bool = True,
    ) -> Predicted:
        embeddings = self.embedded(network, items.cuts, evaluation, show_progress)
        items = items.without(set(embeddings.spent.skipped))
        if learned is not None:
            scores, classes = learned.scores(embeddings.matrix), learned.classes
        else:
            scores, classes = network.class_scores(embeddings.matrix, self.label)
        unknown = [str(label) for label in items.labels if str(label) not in classes]
        if unknown:
            shown = ", ".join(ordered(unknown)[:3])
            log.warning("%d utterances have a %s that was not trained (%s): missed.", len(unknown), self.label, shown)
        return Predicted(items, embeddings.spent, classes, scores, "probe" if learned else "head")

    def fix(self, outputs: Predicted) -> Validated:
        value = classification.balanced_accuracy(outputs.truth, outputs.predictions)
        return Validated(1.0 - value, outputs.items.digest)

    def measure(self, outputs: Predicted, fixed: Validated | None, replicates: int) -> Measured:
        truth = outputs.truth
        everyone = np.ones(len(truth), dtype=bool)
        return Measured(
            self._values(outputs, everyone, replicates),
            groups(outputs.items, lambda inside: self._values(outputs, inside, replicates), self.label),
            confusion=confusion(truth, outputs.predictions, outputs.classes),
        )

    def _values(self, outputs: Predicted, inside: np.ndarray, replicates: int) -> dict[str, Value]:
        """All metrics of some of the utterances, with intervals over their speakers."""
        truth = outputs.truth[inside]
        guess, speakers = outputs.predictions[inside], outputs.items.speakers[inside]
        classes = np.unique(np.concatenate([truth, guess]))
        true, predicted = truth[:, None] == classes, guess[:, None] == classes
        hit = true & predicted
        options: dict[str, Any] = {"clusters": speakers, "replicates": replicates}
        share = clusters_of_mean(true, speakers)
        return self.values(
            {
                MAIN_METRIC: bootstrap.sums(mean_recall, hit, true, **options, share=share),
                "accuracy@top1": bootstrap.ratio(truth == guess, **options),
                "macro_f1@all": bootstrap.sums(mean_f1, hit, true, predicted, **options, share=share),
            }
        )

    def protocol(self, outputs: Predicted, evaluation: Evaluation, learned: Probe | None) -> records.Protocol:
        probe = {"probe": learned.described} if learned else {}
        return self.described(outputs, evaluation, {"label": self.label, "classifier": outputs.by, **probe})

    def save(self, outputs: Predicted, folder: Path, stem: str) -> None:
        """`predictions-<stem>.jsonl`: id, truth, prediction, and the score of every class."""
        rows = zip(outputs.items.cuts, outputs.truth, outputs.predictions, outputs.scores, strict=True)
        write_rows(
            folder / f"predictions-{stem}.jsonl",
            (
                {
                    "id": cut.id,
                    "truth": str(label),
                    "prediction": str(guess),
                    "scores": dict(zip(outputs.classes, map(float, scores), strict=True)),
                }
                for cut, label, guess, scores in rows
            ),
        )


def confusion(truth: np.ndarray, guesses: np.ndarray, names: Sequence[str]) -> Confusion | None:
    """Confusion matrix of true and predicted classes; None for more classes than anybody could read."""
    classes = ordered([*names, *truth.tolist()])
    if len(classes) > MOST_CLASSES:
        return None
    place = {name: number for number, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(counts, ([place[name] for name in truth], [place[name] for name in guesses]), 1)
    return Confusion(tuple(classes), tuple(map(tuple, counts.tolist())))


def clusters_of_mean(true: np.ndarray, speakers: np.ndarray) -> float:
    """Number of speakers behind a mean over classes [U, C] without an error: in the worst case those of the smallest
    class, as often as there are classes.
    """
    each = [np.unique(speakers[own]).size for own in true.T if own.any()]
    return float(min(np.unique(speakers).size, len(each) * min(each)))


def mean_recall(hit: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Sums [r, C] → the mean over the classes that are there of the share that was hit [r]; NaN where none is."""
    return _mean_share(hit, true)


def mean_f1(hit: np.ndarray, true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Sums [r, C] → the mean F1 over the classes that are true or predicted [r]; NaN where none is."""
    return _mean_share(2 * hit, true + predicted)


def _mean_share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    there = whole > 0
    with np.errstate(invalid="ignore"):
        return np.where(there, part / np.where(there, whole, 1), 0.0).sum(-1) / there.sum(-1)
