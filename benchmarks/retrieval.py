"""Retrieval: which caption describes an utterance, and which utterance does a caption describe?

A system whose head was trained on captions brings both sides to one space. Any other is asked through a probe: a ridge
regression from its embeddings of the training split to the vectors of their captions.
"""

from __future__ import annotations

from collections.abc import Mapping
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
from voxboard.data import sentences
from voxboard.data.corpus import Corpus
from voxboard.data.labels import texts_of
from voxboard.data.targets import VectorTarget
from voxboard.errors import UserError
from voxboard.heads.base import Head, Projects
from voxboard.limits import NotNegative
from voxboard.metrics import bootstrap, retrieval
from voxboard.metrics.bootstrap import Interval
from voxboard.records import Measured, Value
from voxboard.records.standard_metrics import metrics
from voxboard.scoring.probe import ValueProbe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lhotse.cut import Cut

    from voxboard.model import Network
    from voxboard.settings import Evaluation

DIRECTIONS = ("text-to-audio", "audio-to-text")
RECALLS = (1, 5, 10)
MAIN_METRIC = "map@10,text-to-audio"
METRICS: Mapping[str, Mapping[str, Any]] = {
    f"{metric}{direction}": {"ties": "lost"}
    for direction in DIRECTIONS
    for metric in ("map@10,", *(f"recall@{k}," for k in RECALLS), "median_rank@")
}
GROUPING = "equal captions are one; every utterance that has a caption is right for it"


@dataclass(frozen=True)
class Matched(UtteranceOutputs):
    """Similarities [U, C] of utterances and distinct captions, and which belong together [U, C]."""

    captions: tuple[str, ...]
    similarities: np.ndarray
    matches: np.ndarray
    encoder: str
    by: str  # "head" or "probe"


class Retrieval(UtteranceBenchmark[Utterances, ValueProbe, Matched]):
    """R@1, 5 and 10, mAP@10 and the median rank between utterances and captions, in both directions."""

    task = "retrieval"
    metrics = metrics(METRICS)
    default_head = "contrastive"

    @dataclass(frozen=True)
    class Config:
        """Settings of retrieval."""

        label: str = "caption"
        """What describes utterances: a text of the manifest, or a list of several."""
        sentence_encoder: str = sentences.DEFAULT
        """What makes vectors of captions: a hub id or a local folder of sentence-transformers."""
        matcher: Literal["auto", "head", "probe"] = "auto"
        """What brings audio to captions: the trained head, or a ridge regression on the training split; auto takes the
        head where it was trained on the label."""
        ridge: NotNegative = 1.0
        """Strength of the probe's regularisation."""

    config: Config

    @property
    def label(self) -> str:
        return self.config.label

    def head_options(self) -> Mapping[str, Any]:
        return {"label": self.label, "sentence_encoder": self.config.sentence_encoder}

    def items(self, corpus: Corpus, split: str) -> Utterances:
        items = utterances(corpus, split, self.label)
        described = items.only([row for row, cut in enumerate(items.cuts) if texts_of(cut, self.label)])
        if not described.cuts:
            raise UserError(f"The captions of {corpus.name} are all empty.", "Correct the table, or pass --label.")
        return described

    def learn(
        self, network: Network, home: Corpus | None, evaluation: Evaluation, seed: int, show_progress: bool = True
    ) -> ValueProbe | None:
        """The probe, where the head cannot match. Raises `UserError` where there is nothing to learn it from."""
        if self._target(network) is not None:
            return None
        home = self.lessons(home)
        training = self.items(home, "train")
        embeddings = self.embedded(network, training.cuts, evaluation, show_progress)
        cuts = training.without(set(embeddings.spent.skipped)).cuts
        captions, matches = _captions(cuts, self.label)
        vectors = sentences.load(self.config.sentence_encoder)(captions)
        mean = matches @ vectors / matches.sum(1, keepdims=True)
        return ValueProbe.fit(embeddings.matrix, mean, self.config.ridge)

    def _target(self, network: Network) -> VectorTarget | None:
        """Target that the head was trained on, where it matches. Raises `UserError` where it is asked to and cannot."""
        target = network.targets.targets.get(self.label) if network.targets else None
        vectors = target if isinstance(target, VectorTarget) and isinstance(network.head, Projects) else None
        if self.config.matcher == "head" and vectors is None:
            raise UserError(f"The head was not trained on {self.label}.", "Leave --matcher out, or train for it.")
        return vectors if self.config.matcher != "probe" else None

    def run(
        self,
        network: Network,
        items: Utterances,
        evaluation: Evaluation,
        learned: ValueProbe | None = None,
        fixed: Validated | None = None,
        show_progress: bool = True,
    ) -> Matched:
        target = self._target(network)
        if learned is None and target is None:
            raise UserError("Nothing brings embeddings to captions.", "Train with the head contrastive.")
        embeddings = self.embedded(network, items.cuts, evaluation, show_progress)
        items = items.without(set(embeddings.spent.skipped))
        captions, matches = _captions(items.cuts, self.label)
        encoder = sentences.load(target.encoder if learned is None and target else self.config.sentence_encoder)
        vectors = encoder(captions)
        if learned is not None:
            similarities = _unit(learned.predict(embeddings.matrix)) @ _unit(vectors).T
        else:
            similarities = _by_head(network, embeddings.matrix, vectors)
        by = "probe" if learned else "head"
        return Matched(items, embeddings.spent, captions, similarities, matches, encoder.described, by)

    def fix(self, outputs: Matched) -> Validated:
        right = [np.flatnonzero(row) for row in outputs.matches.T]
        return Validated(1.0 - retrieval.map_at_k(outputs.similarities.T, right, 10), outputs.items.digest)

    def measure(self, outputs: Matched, fixed: Validated | None, replicates: int) -> Measured:
        everyone = np.ones(len(outputs.items), dtype=bool)

        def values(inside: np.ndarray) -> dict[str, Value]:
            return self.values(_estimates(outputs, inside, replicates))

        return Measured(values(everyone), groups(outputs.items, values))

    def protocol(self, outputs: Matched, evaluation: Evaluation, learned: ValueProbe | None) -> records.Protocol:
        probe = {"probe": learned.described} if learned else {}
        return self.described(
            outputs,
            evaluation,
            {
                "label": self.label,
                "captions": len(outputs.captions),
                "grouping": GROUPING,
                "sentence encoder": outputs.encoder,
                "matcher": outputs.by,
                **probe,
            },
        )

    def save(self, outputs: Matched, folder: Path, stem: str) -> None:
        """`matches-<stem>.jsonl`: id, its captions, and the ten that are most similar with their similarities.

        `ranks-<stem>.jsonl`: id, rank of its best caption and average precision among ten; as `queries` the same of
        each of its captions, and how many utterances have that caption.
        """
        rows = zip(outputs.items.cuts, outputs.similarities, outputs.matches, strict=True)
        write_rows(folder / f"matches-{stem}.jsonl", (_row(outputs.captions, *row) for row in rows))
        audio = zip(*(column.tolist() for column in _ranks(outputs.similarities, outputs.matches)), strict=True)
        text = _ranks(outputs.similarities.T, outputs.matches.T)
        table = list(zip(outputs.captions, *(c.tolist() for c in (*text, outputs.matches.sum(0))), strict=True))
        write_rows(
            folder / f"ranks-{stem}.jsonl",
            (
                {
                    "id": cut.id,
                    **{"rank": rank, "precision": precision},
                    "queries": [
                        dict(zip(("caption", "rank", "precision", "of"), table[place], strict=True))
                        for place in np.flatnonzero(own).tolist()
                    ],
                }
                for cut, (rank, precision), own in zip(outputs.items.cuts, audio, outputs.matches, strict=True)
            ),
        )


def _row(captions: Sequence[str], cut: Cut, scores: np.ndarray, own: np.ndarray) -> dict[str, Any]:
    best = np.argsort(-scores, kind="stable")[:10].tolist()
    return {
        "id": cut.id,
        "captions": [captions[place] for place in np.flatnonzero(own).tolist()],
        "best": [[captions[place], float(scores[place])] for place in best],
    }


def _captions(cuts: Sequence[Cut], label: str) -> tuple[tuple[str, ...], np.ndarray]:
    """The distinct captions of utterances, sorted, and whose they are [U, C]."""
    own = [texts_of(cut, label) for cut in cuts]
    captions = tuple(sorted({text for texts in own for text in texts}))
    place = {text: number for number, text in enumerate(captions)}
    matches = np.zeros((len(own), len(captions)), dtype=bool)
    for row, texts in enumerate(own):
        matches[row, [place[text] for text in texts]] = True
    return captions, matches


def _estimates(outputs: Matched, inside: np.ndarray, replicates: int) -> dict[str, Interval]:
    """All metrics of some of the utterances and their captions, all others among the items that are searched.

    A caption of m of them is m queries of weight 1/m, so that speakers can be resampled and captions count alike.
    """
    speakers = outputs.items.speakers
    rows, columns = np.nonzero(outputs.matches & inside[:, None])
    owners = np.bincount(columns, minlength=len(outputs.captions))
    chosen, queries = np.unique(columns, return_inverse=True)
    audio = np.flatnonzero(inside)
    values = _metrics(
        DIRECTIONS[0],
        *_ranks(outputs.similarities.T[chosen], outputs.matches.T[chosen]),
        queries,
        1.0 / owners[columns],
        {"clusters": speakers[rows], "replicates": replicates},
    )
    return values | _metrics(
        DIRECTIONS[1],
        *_ranks(outputs.similarities[audio], outputs.matches[audio]),
        np.arange(len(audio)),
        np.ones(len(audio)),
        {"clusters": speakers[audio], "replicates": replicates},
    )


def _ranks(similarities: np.ndarray, matches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per query the rank of the best right item, and the average precision among the first 10."""
    right = [np.flatnonzero(row) for row in matches]
    precision = [retrieval.map_at_k(row[None], [own], 10) for row, own in zip(similarities, right, strict=True)]
    return retrieval.ranks(similarities, right), np.array(precision)


def _metrics(
    direction: str,
    ranks: np.ndarray,
    precisions: np.ndarray,
    queries: np.ndarray,
    weights: np.ndarray,
    options: Mapping[str, Any],
) -> dict[str, Interval]:
    """Metric → interval, over rows that name a query [n] and what it weighs [n]."""
    rank, precision = ranks[queries], precisions[queries]
    values = {f"map@10,{direction}": bootstrap.ratio(weights * precision, weights, **options)}
    for k in RECALLS:
        values[f"recall@{k},{direction}"] = bootstrap.ratio(weights * (rank <= k), weights, **options)
    values[f"median_rank@{direction}"] = bootstrap.interval(weighted_median, rank, weights, **options, smooth=False)
    return values


def weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """The value with half of the weight on either side, or the middle of two; for equal weights the median."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order]) / weights.sum()
    low = order[np.searchsorted(below, 0.5 - 1e-9)]
    high = order[np.searchsorted(below, 0.5 + 1e-9)]
    return float(values[low] + values[high]) / 2


def _unit(rows: np.ndarray) -> np.ndarray:
    """[n, D] → rows of length 1; a row of zeros stays."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _by_head(network: Network, embeddings: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Embeddings [U, E], vectors of captions [C, D] → cosines in the head's space [U, C]."""
    import torch

    head = network.head
    assert isinstance(head, Head)
    assert isinstance(head, Projects)
    device = next(head.parameters()).device
    head.eval()
    with torch.inference_mode():
        audio = head.predict(torch.from_numpy(embeddings).to(device))
        text = head.project_texts(torch.from_numpy(vectors).to(device))
    similarities: np.ndarray = (audio.float() @ text.float().T).cpu().numpy()
    return similarities
