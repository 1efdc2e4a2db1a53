"""Diarization: who speaks when in a recording of several people?

Windows of speech are embedded and clustered; the threshold that decides how many speakers there are is tuned on the
validation recordings. Beside every error rate stands that of saying that one person speaks wherever anybody does.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voxboard import progress, published, records
from voxboard.benchmarks.base import Benchmark, Outputs
from voxboard.benchmarks.conversations import ERRORS, DiarizationScores, RecordingItems, recordings
from voxboard.data.corpus import Corpus, speaker_of
from voxboard.diarization import (
    Diarization,
    Prepared,
    known_speakers,
    prepare_one,
    segmentation,
    tunable,
    tune_prepared,
)
from voxboard.diarization.config import HEARD
from voxboard.embedding.embed import Spent, embed, peak_memory_mib
from voxboard.errors import BadAudio, UserError
from voxboard.limits import NotNegative
from voxboard.metrics import bootstrap
from voxboard.metrics.bootstrap import Interval
from voxboard.metrics.enough import SPEAKERS, many
from voxboard.metrics.rttm import Turn, worded, write_rttm
from voxboard.records import Group, Measured, Metric
from voxboard.records.standard_metrics import metrics
from voxboard.scoring import plda
from voxboard.scoring.plda import Plda

if TYPE_CHECKING:
    from voxboard.model import Network
    from voxboard.settings import Evaluation

log = logging.getLogger("voxboard")
RATES = (*ERRORS, "der_one_speaker")
TUNED = ("threshold", "center")
CUT = ("window", "hop")  # in protocols of windows alone
SEGMENTED = ("segmentation", "segmentation_hop")  # not in protocols of windows, which are older than these
SAID = ("collar", "skip_overlap", "untuned")  # elsewhere in a protocol


@dataclass(frozen=True)
class Tuning:
    """Parameters fixed on the validation recordings: where clustering stops, and whether embeddings are centred."""

    error: float  # the DER
    digest: str
    threshold: float | None = None  # None: nothing was tuned
    center: bool | None = None
    recordings: int | None = None  # that it was tuned on; None: nobody counted

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def logged(self) -> dict[str, float]:
        return {"valid_der": self.error}


@dataclass(frozen=True)
class Diarized(Outputs):
    """The turns of every recording, and on validation what they were made of."""

    items: RecordingItems
    turns: Mapping[str, list[Turn]]
    prepared: Mapping[str, Prepared]


class DiarizationTask(Benchmark[RecordingItems, Plda, Tuning, Diarized]):
    """Diarization error rate with its parts, and Jaccard error rate, per recording too."""

    task = "diarization"
    clustered_by = "recording"
    fixed_at_home = False

    @dataclass(frozen=True)
    class Config(Diarization):
        """Settings of diarization."""

        collar: NotNegative = 0.25
        """Seconds on each side of every turn of the reference that the DER does not score; the JER has no collar."""
        skip_overlap: bool = False
        """Leave out of the DER where several people speak."""
        untuned: bool = False
        """Take threshold and centring as they are given, even where validation recordings could tell better ones."""

        def __post_init__(self) -> None:
            super().__post_init__()
            self._require(0 <= self.collar < math.inf, "collar", "Give seconds, 0 for none.")

    config: Config

    @property
    def metrics(self) -> tuple[Metric, ...]:
        scored = {"collar": self.config.collar, "overlap": not self.config.skip_overlap, "mapping": "scored"}
        parameters = dict.fromkeys(RATES, scored)
        parameters["jer"] = {"collar": 0.0, "overlap": True}
        parameters["der_one_speaker"] = {**scored, "hypothesis": "one speaker wherever the reference has speech"}
        return metrics({metric: parameters[rate] for rate, metric in self.ids.items()})

    @property
    def ids(self) -> dict[str, str]:
        """Rate → metric id."""
        scored = f"collar={self.config.collar:g}" + (",no_overlap" if self.config.skip_overlap else "")
        return {rate: f"{rate}@{'collar=0' if rate == 'jer' else scored}" for rate in RATES}

    def items(self, corpus: Corpus, split: str) -> RecordingItems:
        return recordings(corpus, split)

    def has_validation(self, corpus: Corpus) -> bool:
        return corpus.info.kind == "recordings" and super().has_validation(corpus)

    def learn(
        self, network: Network, home: Corpus | None, evaluation: Evaluation, seed: int, show_progress: bool = True
    ) -> Plda | None:
        """The PLDA of the training utterances, where VBx needs one."""
        if self.config.resegmentation != "vbx":
            return None
        if home is None or home.info.kind != "utterances" or "train" not in home.splits:
            where = home.name if home else "nothing"
            raise UserError(
                f"VBx needs a PLDA, and {where} has no training utterances for it.",
                "Evaluate a run with --eval_path, or leave --resegmentation out.",
            )
        cuts = sorted(home.cuts("train"), key=lambda cut: cut.id)
        embeddings = embed(
            network.encoder,
            cuts,
            heads=network.score_heads,
            max_seconds=evaluation.max_seconds,
            skip_bad_audio=evaluation.skip_bad_audio,
            show_progress=show_progress,
        )
        speakers = {cut.id: speaker_of(cut) for cut in cuts}
        try:
            return plda.fit(embeddings.matrix, [speakers[name] for name in embeddings.ids])
        except ValueError as error:
            raise UserError(f"The PLDA of VBx cannot be fitted: {error}.", "Leave --resegmentation out.") from error

    def run(
        self,
        network: Network,
        items: RecordingItems,
        evaluation: Evaluation,
        learned: Plda | None = None,
        fixed: Tuning | None = None,
        show_progress: bool = True,
    ) -> Diarized:
        """Turns, recording by recording. Raises `BadAudio` for one that cannot be read, unless it may be skipped."""
        settings, started = self._settled(fixed), time.perf_counter()
        if items.split != "valid":
            _warn_of_seen(settings, items.corpus.name)
        turns: dict[str, list[Turn]] = {}
        by_recording: dict[str, Prepared] = {}
        windows, skipped = 0, []
        with progress.bar("diarizing", len(items), show_progress, "recordings") as advance:
            for one in items.conversations:
                try:
                    prepared = prepare_one(network.encoder, one, settings, network.score_heads)
                except BadAudio:
                    if not evaluation.skip_bad_audio:
                        raise
                    skipped.append(one.name)
                else:
                    turns[one.name] = prepared.turns(settings, known_speakers(one, settings), learned)
                    windows += len(prepared.embeddings)
                    if items.split == "valid":  # for tuning; a test's embeddings are not kept
                        by_recording[one.name] = prepared
                advance(1)
        if not turns:
            raise UserError(f"No {items.split} recording can be read.", "Check the audio of the corpus.")
        items = items.without(set(skipped))
        spent = Spent(
            utterances=windows,
            batching="windows, recording by recording",
            audio_seconds=sum(cut.duration for cut in items.cuts),
            wall_seconds=time.perf_counter() - started,
            peak_mib=peak_memory_mib(),
            skipped=tuple(skipped),
        )
        return Diarized(items, spent, turns, by_recording)

    def _settled(self, fixed: Tuning | None) -> Config:
        """The settings, with what validation fixed."""
        if fixed is None or fixed.threshold is None or fixed.center is None:
            return self.config
        return replace(self.config, threshold=fixed.threshold, center=fixed.center)

    def fix(self, outputs: Diarized) -> Tuning:
        """The tuned threshold and centring with their DER, or the DER of the settings where nothing is to be tuned."""
        collar, skip, digest = self.config.collar, self.config.skip_overlap, outputs.items.digest
        plain = outputs.items.score(outputs.turns, collar, skip).der
        if self.config.untuned or not tunable(self.config):
            return Tuning(plain, digest)
        recordings, prepared = outputs.items.conversations, outputs.prepared
        tuned = tune_prepared(recordings, prepared, self.config, collar=collar, skip_overlap=skip)
        return Tuning(tuned.der, digest, tuned.settings.threshold, tuned.settings.center, len(prepared))

    def fixed_from(self, content: Mapping[str, Any]) -> Tuning:
        return Tuning(**content)

    def measure(self, outputs: Diarized, fixed: Tuning | None, replicates: int) -> Measured:
        if fixed is not None and fixed.recordings is not None and fixed.recordings < SPEAKERS:
            some = many(fixed.recordings, "validation recording")
            log.warning("Threshold and centring were tuned on %s: another %d may give others.", some, fixed.recordings)
        scores = self._scores(outputs)
        options: dict[str, Any] = {"clusters": np.array(list(scores.system.files)), "scale": "log"}
        values = {
            metric: bootstrap.ratio(*scores.columns(rate), **options, replicates=replicates)
            for rate, metric in self.ids.items()
        }
        threshold = {} if fixed is None or fixed.threshold is None else {self.main_metric: fixed.threshold}
        return Measured(self.values(values, threshold), self._groups(outputs, scores))

    def _scores(self, outputs: Diarized) -> DiarizationScores:
        items, scoring = outputs.items, (self.config.collar, self.config.skip_overlap)
        return DiarizationScores(items.score(outputs.turns, *scoring), items.score(items.one_speaker, *scoring))

    def _groups(self, outputs: Diarized, scores: DiarizationScores) -> tuple[Group, ...]:
        """A group per recording; one without scored speech has no rates."""
        rates = {metric: scores.of_each(rate) for rate, metric in self.ids.items()}
        groups = []
        for place, cut in enumerate(outputs.items.cuts):
            own = {metric: values[place] for metric, values in rates.items()}
            silent = not scores.system.files[cut.id].total
            shown = {} if silent else {metric: _plain(value) for metric, value in own.items() if not math.isnan(value)}
            reason = "no speech of the reference is scored" if silent else ""
            groups.append(
                Group(f"recording={cut.id}", len(cut.supervisions), None, self.values(shown), reason, "recording")
            )
        return tuple(groups)

    def protocol(self, outputs: Diarized, evaluation: Evaluation, learned: Plda | None) -> records.Protocol:
        items, settings = outputs.items, self.config
        tuned = not settings.untuned and tunable(settings) and self.has_validation(items.corpus)
        local = settings.segmentation != "windows"
        left = {*SAID, *(TUNED if tuned else ()), *(CUT if local else SEGMENTED)}
        pipeline = {f.name: getattr(settings, f.name) for f in fields(settings) if f.name not in left}
        skipped = {"left out": sorted(outputs.spent.skipped)} if outputs.spent.skipped else {}
        return records.Protocol(
            items=records.Items(items.digest, len(items), "recordings", speakers=len(items.speakers)),
            metrics=self.parameters,
            crop=records.Crop("windows", HEARD if local else settings.window),
            options={
                **pipeline,
                **_networks(settings),
                "tuned on": "validation recordings" if tuned else "nothing",
                **skipped,
            },
        )

    def save(self, outputs: Diarized, folder: Path, stem: str) -> None:
        """`turns-<stem>.rttm`, and `recordings-<stem>.csv`: seconds, speakers and rates of every recording."""
        write_rttm(worded(outputs.turns), folder / f"turns-{stem}.rttm")
        counts = {name: len({speaker for speaker, _, _ in turns}) for name, turns in outputs.turns.items()}
        self._scores(outputs).write(folder / f"recordings-{stem}.csv", RATES, counts)


def _networks(settings: Diarization) -> dict[str, Any]:
    """The published networks in front of the encoder, with the digests of their weights."""
    used = segmentation.NAME in (settings.vad, settings.segmentation)
    hop = {"segmentation_hop": settings.segmentation_hop} if settings.vad == segmentation.NAME else {}
    return {**hop, segmentation.NAME: published.entry(segmentation.NAME).sha256} if used else {}


def _warn_of_seen(settings: Diarization, corpus: str) -> None:
    """Say where a published network was trained on the corpus that it is tested on."""
    seen = [one for one in published.entry(segmentation.NAME).seen if one.partition("/")[0] == corpus]
    if seen and segmentation.NAME in (settings.vad, settings.segmentation):
        log.warning("%s was trained on %s: this test is in its domain.", segmentation.NAME, ", ".join(seen))


def _plain(value: float) -> Interval:
    """One recording's value: there is nothing to resample."""
    return Interval(value, math.nan, math.nan, clusters=1)
