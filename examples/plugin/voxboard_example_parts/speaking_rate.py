"""How fast does somebody speak? A task with metrics of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voxboard import records
from voxboard.benchmarks.pairing import Pairing, Statistic
from voxboard.benchmarks.utterances import (
    UtteranceBenchmark,
    UtteranceOutputs,
    Utterances,
    Validated,
    groups,
    write_rows,
)
from voxboard.data.corpus import Corpus
from voxboard.data.labels import label_of
from voxboard.errors import UserError
from voxboard.metrics import bootstrap
from voxboard.records import Measured, Metric
from voxboard.scoring.probe import ValueProbe

if TYPE_CHECKING:
    from voxboard.model import Network
    from voxboard.settings import Evaluation

NEAR = 0.2


def octaves(truth: np.ndarray, prediction: np.ndarray) -> float:
    """How often, on average, one rate must be doubled to be the other."""
    return float(np.abs(np.log2(prediction / truth)).mean())


def near(truth: np.ndarray, prediction: np.ndarray) -> float:
    """The share of rates that are less than a fifth off."""
    return float((np.abs(prediction / truth - 1) < NEAR).mean())


@dataclass(frozen=True)
class Rates(UtteranceOutputs):
    """Words per second [U] as a probe tells them."""

    values: np.ndarray

    @property
    def truth(self) -> np.ndarray:
        return np.array(self.items.labels)


class SpeakingRate(UtteranceBenchmark[Utterances, ValueProbe, Rates]):
    """Words per second of unseen speakers' utterances, by a ridge regression on embeddings of the training split."""

    task = "speaking-rate"
    about = "How fast does somebody speak?"
    embeds = True
    metrics = (
        Metric(
            "rate_distance",
            label="Rate distance",
            meaning="How far the rate is off, in doublings of the true one.",
            unit="octaves",
            bounds=(0.0, None),
            decimals=3,
        ),
        Metric(
            "near@0.2",
            label="Near",
            meaning="Share of utterances whose rate is less than 20 % off.",
            better="higher",
            bounds=(0.0, 1.0),
            decimals=1,
            parameters={"off by": NEAR},
        ),
    )
    pairing = Pairing(
        "rates",
        {
            "rate_distance": Statistic(octaves, ("truth", "prediction")),
            "near@0.2": Statistic(near, ("truth", "prediction")),
        },
        same=("truth",),
    )

    @dataclass(frozen=True)
    class Config:
        """Settings of speaking-rate."""

        alpha: float = 1.0
        """Strength of the probe's regularisation."""

    config: Config

    @property
    def label(self) -> str:
        return "speaking rate"

    def head_options(self) -> Mapping[str, Any]:
        return {}  # heads learn speakers; rates are asked of embeddings

    def items(self, corpus: Corpus, split: str) -> Utterances:
        pairs = [(cut, label_of(cut, "text")) for cut in sorted(corpus.cuts(split), key=lambda cut: cut.id)]
        rated = [(cut, len(str(text).split()) / cut.duration) for cut, text in pairs if text]
        if not rated:
            raise UserError(f"No {split} utterance of {corpus.name} has a text.", "Prepare the corpus with texts.")
        content = "".join(f"{cut.id}\t{rate:.6f}\n" for cut, rate in rated)
        cuts, rates = zip(*rated, strict=True)
        return Utterances(corpus, split, cuts, hashlib.sha256(content.encode()).hexdigest(), rates)

    def learn(
        self, network: Network, home: Corpus | None, evaluation: Evaluation, seed: int, show_progress: bool = True
    ) -> ValueProbe:
        lessons = self.items(self.lessons(home), "train")
        embeddings = self.embedded(network, lessons.cuts, evaluation, show_progress)
        rows = lessons.without(set(embeddings.spent.skipped))
        return ValueProbe.fit(embeddings.matrix, np.log2(rows.labels), self.config.alpha)

    def run(
        self,
        network: Network,
        items: Utterances,
        evaluation: Evaluation,
        learned: ValueProbe | None = None,
        fixed: Validated | None = None,
        show_progress: bool = True,
    ) -> Rates:
        if learned is None:
            raise UserError("A speaking rate needs a probe.", "Evaluate on a corpus with a training split.")
        embeddings = self.embedded(network, items.cuts, evaluation, show_progress)
        items = items.without(set(embeddings.spent.skipped))
        return Rates(items, embeddings.spent, np.exp2(learned.predict(embeddings.matrix)))

    def fix(self, outputs: Rates) -> Validated:
        return Validated(octaves(outputs.truth, outputs.values), outputs.items.digest)

    def measure(self, outputs: Rates, fixed: Validated | None, replicates: int) -> Measured:
        def values(inside: np.ndarray) -> dict[str, records.Value]:
            columns = (outputs.truth[inside], outputs.values[inside])
            options: dict[str, Any] = {"clusters": outputs.items.speakers[inside]}
            return self.values(
                {
                    name: bootstrap.interval(statistic.of, *columns, **options, replicates=replicates)
                    for name, statistic in self.pairing.statistics.items()
                }
            )

        return Measured(values(np.ones(len(outputs.values), dtype=bool)), groups(outputs.items, values))

    def protocol(self, outputs: Rates, evaluation: Evaluation, learned: ValueProbe | None) -> records.Protocol:
        return self.described(outputs, evaluation, {"probe": learned.described} if learned else {})

    def save(self, outputs: Rates, folder: Path, stem: str) -> None:
        """`rates-<stem>.jsonl`: id, truth and prediction in words per second."""
        rows = zip(outputs.items.cuts, outputs.truth.tolist(), outputs.values.tolist(), strict=True)
        write_rows(
            folder / f"rates-{stem}.jsonl",
            ({"id": cut.id, "truth": truth, "prediction": value} for cut, truth, value in rows),
        )
