"""Loudness of an utterance in dB, predicted by a network, beside a baseline without one.

The target is a closed-form function of the waveform: measuring it has no error. A ridge regression on 130 acoustic
features comes close. Both stand beside every system, whose own numbers tell how much of the level its embeddings keep.
A system that was trained on the target answers with its head, any other through a ridge regression on its embeddings of
the training split.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from voxboard import records
from voxboard.benchmarks.intensity_baseline import FEATURES
from voxboard.benchmarks.levels import Levels, levels, rows, unreadable
from voxboard.benchmarks.utterances import UtteranceBenchmark, UtteranceOutputs, Validated, groups, write_rows
from voxboard.data import audio
from voxboard.data.corpus import Corpus
from voxboard.embedding.head_values import values as predicted_values
from voxboard.errors import UserError
from voxboard.limits import Count, NotNegative
from voxboard.metrics import bootstrap, regression
from voxboard.metrics.bootstrap import Interval, Scale
from voxboard.records import Measured, Value
from voxboard.records.standard_metrics import metrics
from voxboard.scoring.probe import ValueProbe

if TYPE_CHECKING:
    from voxboard.model import Network
    from voxboard.settings import Evaluation

MAIN_METRIC = "rmse"
ALPHA = 1.0  # of the ridge baseline
METRICS: Mapping[str, Mapping[str, Any]] = {
    MAIN_METRIC: {},
    "mae": {},
    "pearson": {},
    "ccc": {"moments": "population"},
    "rmse@ridge": {"features": FEATURES, "alpha": ALPHA},
    "rmse@measured": {"by": "the function of the waveform that gives the target"},
}
STATISTICS = {
    MAIN_METRIC: regression.rmse,
    "mae": regression.mae,
    "pearson": regression.pearson,
    "ccc": regression.ccc,
}
SCALES: Mapping[str, Scale] = {MAIN_METRIC: "log", "mae": "log"}


@dataclass(frozen=True)
class LearnedIntensity:
    """Models learned from the training split: the ridge baseline, and the probe where the head cannot answer."""

    baseline: ValueProbe
    probe: ValueProbe | None
    utterances: int


@dataclass(frozen=True)
class Told(UtteranceOutputs):
    """Levels [U] in dB as the system tells them, and as the ridge baseline does where it could learn."""

    values: np.ndarray
    baseline: np.ndarray | None
    by: str  # "head" or "probe"
    unmeasured: int

    @property
    def truth(self) -> np.ndarray:
        """[U] the measured levels in dB."""
        return np.array(self.items.labels, dtype=np.float64)


class Intensity(UtteranceBenchmark[Levels, LearnedIntensity, Told]):
    """RMSE, MAE and correlations of the level of unseen speakers' utterances, beside two baselines."""

    task = "intensity"
    metrics = metrics(METRICS)
    default_head = "regression"

    @dataclass(frozen=True)
    class Config:
        """Settings of intensity."""

        label: Literal["rms_dbfs", "lufs"] = "rms_dbfs"
        """What is told: the root mean square in dB below full scale, or the loudness of ITU-R BS.1770-4."""
        predictor: Literal["auto", "head", "probe"] = "auto"
        """Who tells it: the trained head, or a ridge regression on embeddings of the training split; auto takes the
        head where it was trained on the label."""
        probe_alpha: NotNegative = 1.0
        """Strength of the probe's regularisation."""
        probe_utterances: Count = 5_000
        """Training utterances that the probe and the baseline learn from, evenly spread over all; 0 takes all."""

    config: Config

    @property
    def name(self) -> str:
        return f"intensity {self.label}"

    @property
    def label(self) -> str:
        return self.config.label

    def items(self, corpus: Corpus, split: str) -> Levels:
        return levels(corpus, split, self.label)

    def learn(
        self, network: Network, home: Corpus | None, evaluation: Evaluation, seed: int, show_progress: bool = True
    ) -> LearnedIntensity | None:
        """The baseline, and the probe where the head cannot answer; None without a training split to learn from.

        Raises `UserError` where a probe is needed and cannot be learned.
        """
        by_head = self._by_head(network)
        if home is None or "train" not in home.splits:
            if by_head:
                return None
            raise UserError(
                f"{home.name if home else 'nothing'} has no training split that a probe for {self.label} learns from.",
                "Evaluate on a corpus with one, or a run that was trained on this label.",
            )
        measured = levels(home, "train", self.label, self.config.probe_utterances)
        labelled = measured.without(set(unreadable(measured, evaluation.skip_bad_audio)))
        values = np.array(labelled.labels)
        baseline = ValueProbe.fit(rows(labelled), values, ALPHA, standardised=False)
        probe = None
        if not by_head:
            embeddings = self.embedded(network, labelled.cuts, evaluation, show_progress)
            probe = ValueProbe.fit(embeddings.matrix, values, self.config.probe_alpha)
        return LearnedIntensity(baseline, probe, len(labelled.cuts))

    def _by_head(self, network: Network) -> bool:
        """True if the head answers. Raises `UserError` where it is asked to and cannot."""
        able = _tells(network, self.label)
        if self.config.predictor == "head" and not able:
            raise UserError(f"The head was not trained on {self.label}.", "Leave --predictor out, or train for it.")
        return able and self.config.predictor != "probe"

    def run(
        self,
        network: Network,
        items: Levels,
        evaluation: Evaluation,
        learned: LearnedIntensity | None = None,
        fixed: Validated | None = None,
        show_progress: bool = True,
    ) -> Told:
        probe = learned.probe if learned else None
        if probe is None and not _tells(network, self.label):
            raise UserError(f"The head does not tell {self.label}.", f"Train regression(label={self.label}).")
        if probe is not None:
            embeddings = self.embedded(network, items.cuts, evaluation, show_progress)
            values, spent = probe.predict(embeddings.matrix), embeddings.spent
        else:
            values, spent = predicted_values(network, items.cuts, evaluation, show_progress)
        readable = items.without(set(spent.skipped))
        return Told(
            items=readable,
            spent=spent,
            values=values,
            baseline=learned.baseline.predict(rows(readable)) if learned else None,
            by="probe" if probe else "head",
            unmeasured=items.unmeasured,
        )

    def fix(self, outputs: Told) -> Validated:
        return Validated(regression.rmse(outputs.truth, outputs.values), outputs.items.digest)

    def measure(self, outputs: Told, fixed: Validated | None, replicates: int) -> Measured:
        everyone = np.ones(len(outputs.values), dtype=bool)
        return Measured(
            self._values(outputs, everyone, replicates),
            groups(outputs.items, lambda inside: self._values(outputs, inside, replicates)),
        )

    def _values(self, outputs: Told, inside: np.ndarray, replicates: int) -> dict[str, Value]:
        """All metrics of some of the utterances, with intervals over their speakers."""
        truth, predicted, speakers = outputs.truth[inside], outputs.values[inside], outputs.items.speakers[inside]
        options: dict[str, Any] = {"clusters": speakers, "replicates": replicates}
        varies = min(np.ptp(truth), np.ptp(predicted)) > 0.0
        estimates = {
            name: bootstrap.interval(statistic, truth, predicted, **options, scale=SCALES.get(name, ""))
            for name, statistic in STATISTICS.items()
            if varies or name not in ("pearson", "ccc")  # nothing correlates with a constant
        }
        if outputs.baseline is not None:
            ridge = outputs.baseline[inside]
            estimates["rmse@ridge"] = bootstrap.interval(regression.rmse, truth, ridge, **options, scale="log")
        # By definition: the truth is what the function gives.
        estimates["rmse@measured"] = Interval(
            *(0.0, math.nan, math.nan), clusters=len(set(speakers.tolist())), reason="zero by definition"
        )
        return self.values(estimates)

    def protocol(self, outputs: Told, evaluation: Evaluation, learned: LearnedIntensity | None) -> records.Protocol:
        options: dict[str, Any] = {"label": self.label, "predictor": outputs.by, "rate": audio.SAMPLE_RATE}
        if learned is not None:
            options["learned from"] = f"{learned.utterances} training utterances"
            if learned.probe is not None:
                options["probe"] = learned.probe.described
        if outputs.unmeasured:
            options["without a level"] = outputs.unmeasured
        return self.described(outputs, evaluation, options)

    def save(self, outputs: Told, folder: Path, stem: str) -> None:
        """`predictions-<stem>.jsonl`: id, truth, prediction and, where there is one, the ridge baseline's, in dB."""
        columns = {"truth": outputs.truth, "prediction": outputs.values}
        if outputs.baseline is not None:
            columns["ridge"] = outputs.baseline
        write_rows(
            folder / f"predictions-{stem}.jsonl",
            (
                {"id": cut.id, **{name: round(float(column[row]), 4) for name, column in columns.items()}}
                for row, cut in enumerate(outputs.items.cuts)
            ),
        )


def _tells(network: Network, label: str) -> bool:
    """True if the head was trained on the label before any other."""
    trained = network.targets.targets if network.targets and network.head is not None else {}
    return next(iter(trained), "") == label
