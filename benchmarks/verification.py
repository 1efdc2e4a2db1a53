"""Speaker verification: do these two utterances have the same speaker?

Every distinct utterance is embedded once, trials are scored by gathering rows, and the numbers come with intervals
clustered by speaker: of all trials, of those whose sides share something, and of those within a group of speakers.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from voxboard import records
from voxboard.benchmarks import score_sets
from voxboard.benchmarks.base import Benchmark, Outputs
from voxboard.benchmarks.trial_sets import TrialSet, trial_set
from voxboard.data.corpus import Corpus, speaker_of
from voxboard.embedding.cache import store_of
from voxboard.embedding.embed import Embeddings, embed
from voxboard.errors import UserError
from voxboard.limits import Count, CountOrZero
from voxboard.metrics import bootstrap, curves, detection, subgroups
from voxboard.metrics.bootstrap import Interval
from voxboard.metrics.enough import few_to_fix
from voxboard.records import Curves, Gap, Group, Measured, Metric, Value
from voxboard.records.standard_metrics import standard
from voxboard.scoring import backend as backends
from voxboard.scoring import calibration, normalization
from voxboard.scoring import cohort as cohorts
from voxboard.scoring.backend import Backend
from voxboard.scoring.calibration import Calibration
from voxboard.scoring.cohort import Cohort
from voxboard.scoring.cosine import BLOCK, cosine
from voxboard.trials import trial_labels

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard.model import Network
    from voxboard.settings import Evaluation

log = logging.getLogger("voxboard")
P_TARGETS = (0.01, 0.05)
ACCEPT: dict[str, Any] = {"accept": "score >= threshold"}
COSTS: dict[str, Any] = {"c_miss": 1, "c_fa": 1, "normalised": True}
CALIBRATED: dict[str, Any] = {"calibration": "logistic, on the validation list"}
MAIN_METRIC = "eer@interpolated"
_METRICS: dict[str, Metric] = {  # by their names in `bootstrap.detection`
    "eer": standard(MAIN_METRIC, ties="blocks", **ACCEPT),
    **{f"min_dcf_{p:g}": standard(f"min_dcf@p={p:g}", **COSTS) for p in P_TARGETS},
    "act_dcf_0.01": standard("act_dcf@p=0.01", **COSTS, **CALIBRATED),
    "cllr": standard("cllr@valid_calibration", **CALIBRATED),
    "far": standard("far@valid_threshold", **ACCEPT),
    "frr": standard("frr@valid_threshold", **ACCEPT),
    "half_total": standard("hter@valid_threshold", **ACCEPT),
}
METRICS = tuple(metric.id for metric in _METRICS.values())
BY_VALIDATION = tuple(name for name in METRICS if name.startswith("act_dcf") or "@valid_" in name)
_SHORT = {metric.id: short for short, metric in _METRICS.items()}
NORMS: Mapping[str, Callable[..., np.ndarray]] = {
    "z-norm": normalization.z_norm,
    "t-norm": normalization.t_norm,
    "s-norm": normalization.s_norm,
    "as-norm": normalization.as_norm,
}


@dataclass(frozen=True)
class OperatingPoint:
    """Operating point and calibration, fixed on the validation list before the test list is looked at."""

    error: float  # the EER
    threshold: float  # of that EER
    calibration: Calibration
    digest: str  # of the validation list
    speakers: int | None = None  # that have target trials; None: nobody counted

    @property
    def lacking(self) -> str:
        """Reason for using neither threshold nor calibration; empty where they may be used."""
        return few_to_fix(self.speakers)

    def to_dict(self) -> dict[str, Any]:
        return {
            "error": self.error,
            "threshold": self.threshold,
            "calibration": self.calibration.to_dict(),
            "digest": self.digest,
            "speakers": self.speakers,
        }

    def logged(self) -> dict[str, float]:
        return {"valid_eer": self.error, "val_threshold": self.threshold}


SCORES = ("LABEL", "SAMPLE1", "SAMPLE2", "SCORE")  # the header of a table of scores


@dataclass(frozen=True)
class Scored(Outputs):
    """Scores [N] of a trial set."""

    items: TrialSet
    scores: np.ndarray


@dataclass(frozen=True, eq=False)
class LearnedScoring:
    """Back-end and cohort, learned from training speakers."""

    backend: Backend | None
    cohort: Cohort | None


class Verification(Benchmark[TrialSet, LearnedScoring, OperatingPoint, Scored]):
    """Equal error rate and costs of a trial list, cosine scores."""

    task = "verification"
    embeds = by_embedding = True
    metrics = tuple(_METRICS.values())

    @dataclass(frozen=True)
    class Config:
        """Settings of verification."""

        valid_trials: Path | None = None
        """Trial list for validation (default: the corpus's own, else one built from its validation speakers)."""
        test_trials: Path | None = None
        """Trial list for the test (default: the corpus's own, else one built from its test speakers)."""
        clamp_scores: bool = False
        """Clamp cosines to [0, 1] as UniPool-SV does (ties all negative scores)."""
        center: bool = False
        """Subtract the training speakers' mean embedding before embeddings are scaled to unit length."""
        lda: CountOrZero = 0
        """Dimensions that linear discriminant analysis of training speakers reduces embeddings to; 0 leaves it out."""
        wccn: bool = False
        """Whiten what varies within training speakers (within-class covariance normalization)."""
        backend: Literal["cosine", "plda"] = "cosine"
        """Score of two embeddings: the cosine, or the log likelihood ratio of PLDA, learned from training speakers."""
        score_norm: Literal["none", "z-norm", "t-norm", "s-norm", "as-norm"] = "none"
        """Score normalisation against a cohort of training speakers."""
        top_k: Count = 300
        """Cohort speakers, those most alike, that as-norm takes its statistics over."""
        cohort_speakers: CountOrZero = 0
        """Training speakers that cohort and back-end are learned from, drawn by the seed; 0 takes all."""
        cohort_utterances: CountOrZero = 10
        """Utterances of each of these speakers, the first by name; 0 takes all."""

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        if config.backend == "plda" and (config.wccn or config.clamp_scores or config.score_norm != "none"):
            raise UserError(
                "PLDA gives likelihood ratios, whose sides --wccn, --clamp_scores and --score_norm know nothing of.",
                "Leave these out, or take --backend cosine.",
            )

    def items(self, corpus: Corpus, split: str) -> TrialSet:
        path = self.config.valid_trials if split == "valid" else self.config.test_trials
        if path is None and split not in corpus.splits:
            raise UserError(f"{corpus.name} has no {split} split.", f"Pass --{split}_trials FILE, or --skiptest.")
        return trial_set(corpus, split, Path(path) if path else None)

    def has_validation(self, corpus: Corpus) -> bool:
        return self.config.valid_trials is not None or super().has_validation(corpus)

    @property
    def mapped(self) -> bool:
        """True if embeddings go through a back-end before they are scored."""
        settings = self.config
        return settings.center or settings.lda > 0 or settings.wccn or settings.backend == "plda"

    def learn(
        self, network: Network, home: Corpus | None, evaluation: Evaluation, seed: int, show_progress: bool = True
    ) -> LearnedScoring | None:
        """The back-end and the cohort, where scores need them."""
        if not self.mapped and self.config.score_norm == "none":
            return None
        if home is None or "train" not in home.splits:
            where = home.name if home else "nothing"
            raise UserError(
                f"{where} has no training speakers to learn from how scores are made.",
                "Leave out --score_norm, --center, --lda, --wccn and --backend.",
            )
        return self.learned_from(network, home.cuts("train"), evaluation, seed, show_progress)

    def learned_from(
        self, network: Network, cuts: Iterable[Cut], evaluation: Evaluation, seed: int, show_progress: bool = True
    ) -> LearnedScoring:
        """The same from `cuts`, the training split: from the first few utterances of speakers that the seed draws.

        Raises `UserError` when the split has too few speakers.
        """
        by_speaker: dict[str, list[Cut]] = {}
        for cut in sorted(cuts, key=lambda cut: cut.id):
            by_speaker.setdefault(speaker_of(cut), []).append(cut)
        try:
            speakers = cohorts.draw(by_speaker, self.config.cohort_speakers, seed)
        except ValueError as error:
            raise UserError(f"{error}.".capitalize(), "Ask for fewer with --cohort_speakers.") from error
        most = self.config.cohort_utterances or None
        chosen = [cut for speaker in speakers for cut in by_speaker[speaker][:most]]
        embeddings = _embedded(network, chosen, evaluation, show_progress, normalized=not self.mapped)
        by_id = {cut.id: speaker_of(cut) for cut in chosen}
        owners = [by_id[name] for name in embeddings.ids]
        rows, heads, backend = embeddings.matrix, embeddings.heads, None
        if self.mapped:
            backend = self._backend(embeddings, owners)
            rows, heads = backend.rows(rows, heads), backend.heads(heads)
        if self.config.score_norm == "none":
            return LearnedScoring(backend, None)
        return LearnedScoring(backend, cohorts.mean_per_speaker(rows, owners, embeddings.ids, heads))

    def _backend(self, embeddings: Embeddings, speakers: Sequence[str]) -> Backend:
        settings = self.config
        try:
            return backends.fit(
                embeddings.matrix,
                speakers,
                center=settings.center,
                lda=settings.lda,
                wccn=settings.wccn,
                plda=settings.backend == "plda",
                utterances=embeddings.ids,
            )
        except ValueError as error:
            reason = str(error)
            raise UserError(
                f"The back-end cannot be learned: {reason}.",
                "Give fewer dimensions with --lda, or more utterances with --cohort_utterances.",
            ) from error

    def top(self, cohort: Cohort) -> int:
        """Number of cohort speakers that as-norm takes its statistics over."""
        return min(self.config.top_k, len(cohort.matrix))

    def run(
        self,
        network: Network,
        items: TrialSet,
        evaluation: Evaluation,
        learned: LearnedScoring | None = None,
        fixed: OperatingPoint | None = None,
        show_progress: bool = True,
    ) -> Scored:
        """Embed every utterance of the list once and scores all trials, normalised where there is a cohort."""
        backend, cohort = (learned.backend, learned.cohort) if learned else (None, None)
        embeddings = _embedded(network, items.cuts, evaluation, show_progress, normalized=backend is None)
        if embeddings.spent.skipped:
            items = items.without(set(embeddings.spent.skipped))
        row_of = embeddings.rows()
        place = np.array([row_of[name] for name in items.trials.utterances])
        enrol, test = place[items.trials.enrol], place[items.trials.test]
        rows, heads, clamp = embeddings.matrix, embeddings.heads, self.config.clamp_scores
        if backend is not None and backend.plda is not None:
            return Scored(items, embeddings.spent, backend.plda.score(rows, enrol, test))
        if backend is not None:
            rows, heads = backend.rows(rows, heads), backend.heads(heads)
        scores = cosine(rows, enrol, test, heads, clamp)
        if cohort is not None:
            options = {"heads": heads, "clamp": clamp}
            if self.config.score_norm == "as-norm":
                options["top_k"] = self.top(cohort)
            scores = NORMS[self.config.score_norm](scores, rows, enrol, test, cohort.matrix, **options)
        return Scored(items, embeddings.spent, scores)

    def reusable(self) -> bool:
        """A run's validations are of plain scores: others need an operating point of their own."""
        return not self.mapped and self.config.score_norm == "none"

    def fix(self, outputs: Scored) -> OperatingPoint:
        """Operating point and calibration of a scored validation list."""
        labels = outputs.items.trials.labels
        error, threshold = detection.eer(outputs.scores, labels)
        speakers = np.unique(outputs.items.speakers[outputs.items.trials.enrol[labels == 1]]).size
        return OperatingPoint(error, threshold, calibration.fit(outputs.scores, labels), outputs.items.digest, speakers)

    def fixed_from(self, content: Mapping[str, Any]) -> OperatingPoint:
        return OperatingPoint(**{**content, "calibration": Calibration.from_dict(content["calibration"])})

    def measure(self, outputs: Scored, fixed: OperatingPoint | None, replicates: int) -> Measured:
        """EER, minDCF and, by what is `fixed`, FAR*, FRR*, EER*, actual DCF and Cllr, with intervals.

        The latter are left out where too few speakers fixed it.
        """
        trials, scores = outputs.items.trials, outputs.scores
        absent: dict[str, str] = {}
        if fixed is not None and (lacking := fixed.lacking):
            log.warning("FAR*, FRR*, EER*, actual DCF and Cllr are left out: %s.", lacking)
            fixed, absent = None, dict.fromkeys(BY_VALIDATION, lacking)
        threshold, calibrated = (fixed.threshold, fixed.calibration.apply(scores)) if fixed else (None, None)
        options: dict[str, Any] = {"p_targets": P_TARGETS, "threshold": threshold, "calibrated": calibrated}
        options |= {"replicates": replicates}
        # Numbers instead of names: four bytes a trial, however long the names are.
        options["names"], numbers = np.unique(outputs.items.speakers, return_inverse=True)
        speakers = numbers.astype(np.int32)
        data = (scores, trials.labels, speakers[trials.enrol], speakers[trials.test])
        groups: list[Group] = []
        gaps: list[Gap] = []
        for label, members in _by_label(outputs.items).items():
            by_group = subgroups.detection(*data, {member.name: member.measured for member in members}, **options)
            for member in members:
                group = by_group.groups[member.name]
                count, targets = int(member.inside.sum()), int(member.targets)
                values = self.values(_by_id(group.values))
                groups.append(Group(member.name, count, targets, values, group.reason, label))
            if label:  # groups by what the sides share are no people: they have no best and worst
                gaps += [
                    Gap(label, name, gap.worst, gap.best, self.values({name: gap.value})[name])
                    for name, gap in ((name, by_group.gaps.get(short)) for name, short in _SHORT.items())
                    if gap is not None
                ]
        ranked = detection.rank(scores, trials.labels)
        values = self.values(_by_id(bootstrap.detection(*data, **options)), _thresholds(ranked, threshold))
        return Measured(
            values | {name: _absent(self.metric(name), reason) for name, reason in absent.items()},
            tuple(groups),
            tuple(gaps),
            Curves(**curves.curves(ranked, trials.labels, calibrated)),
        )

    def protocol(self, outputs: Scored, evaluation: Evaluation, learned: LearnedScoring | None) -> records.Protocol:
        items, settings, skipped = outputs.items, self.config, outputs.spent.skipped
        backend, cohort = (learned.backend, learned.cohort) if learned else (None, None)
        options: dict[str, Any] = {}
        if cohort and settings.score_norm == "as-norm":
            options["top"] = self.top(cohort)
        if backend:
            steps = {"center": settings.center, "lda": settings.lda, "wccn": settings.wccn}
            options |= {name: value for name, value in steps.items() if value}
            options["learned from"] = backend.digest[:12]
        digest = cohort.digest if cohort else ""
        return records.Protocol(
            items=records.Items(
                digest=items.digest,
                count=len(items),
                name=items.trials.name,
                targets=int((items.trials.labels == 1).sum()),
                speakers=len(set(items.speakers.tolist())),
            ),
            metrics=self.parameters,
            crop=records.Crop("whole", evaluation.max_seconds, "mean of chunks"),
            scoring=records.Scoring(settings.backend, settings.clamp_scores, settings.score_norm, digest, options),
            # Without some utterances it is another list, and its numbers belong in another column.
            options={"left out": hashlib.sha256("\n".join(skipped).encode()).hexdigest()[:12]} if skipped else {},
        )

    def save(self, outputs: Scored, folder: Path, stem: str) -> None:
        """`scores-<stem>.txt.gz`: `label enrol test score`, a line per trial; scores are written exactly.

        Names with white space would part in two, and some look like labels: then it is a table with a header, in which
        any name can stand.
        """
        trials = outputs.items.trials
        names = trials.utterances
        headed = any(name.split() != [name] or trial_labels.is_label(name) for name in names)
        columns = (trials.labels, trials.enrol, trials.test, outputs.scores)
        with gzip.open(folder / f"scores-{stem}.txt.gz", "wt", encoding="utf-8", compresslevel=3, newline="") as file:
            table = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
            if headed:
                table.writerow(SCORES)
            for start in range(0, len(outputs.scores), BLOCK):
                rows = zip(*(column[start : start + BLOCK].tolist() for column in columns), strict=True)
                if headed:
                    table.writerows((label, names[a], names[b], repr(score)) for label, a, b, score in rows)
                else:
                    file.writelines(f"{label} {names[a]} {names[b]} {score!r}\n" for label, a, b, score in rows)


def _embedded(
    network: Network, cuts: Sequence[Cut], evaluation: Evaluation, show_progress: bool, normalized: bool
) -> Embeddings:
    return embed(
        network.encoder,
        cuts,
        heads=network.score_heads,
        normalized=normalized,
        max_seconds=evaluation.max_seconds,
        skip_bad_audio=evaluation.skip_bad_audio,
        show_progress=show_progress,
        cache=store_of(evaluation),
    )


def _absent(metric: Metric, reason: str) -> Value:
    return Value(None, metric.better, metric.unit, reason=reason)


def _by_label(items: TrialSet) -> dict[str, list[score_sets.TrialGroup]]:
    """Match strata under the empty label, then groups of speakers by theirs."""
    groups: dict[str, list[score_sets.TrialGroup]] = {}
    for group in (*score_sets.match_strata(items.trials), *score_sets.speaker_groups(items.trials, items.cuts)):
        groups.setdefault(group.label, []).append(group)
    return groups


def _by_id(values: Mapping[str, Interval]) -> dict[str, Interval]:
    """Metric ids in place of the short names."""
    return {name: values[short] for name, short in _SHORT.items() if short in values}


def _thresholds(ranked: detection.Ranked, validation: float | None) -> dict[str, float]:
    thresholds = {MAIN_METRIC: detection.eer(ranked)[1]}
    if validation is not None:
        thresholds |= {name: validation for name in METRICS if name.endswith("@valid_threshold")}
    return {name: place for name, place in thresholds.items() if np.isfinite(place)}
