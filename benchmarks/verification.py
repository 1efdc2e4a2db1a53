"""Speaker verification: do these two utterances have the same speaker?

Every distinct utterance is embedded once, trials are scored by gathering rows, and the numbers come with intervals
clustered by speaker: of all trials, of those whose sides share something, and of those within a group of speakers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voxboard import trials as trial_lists
from voxboard.data.corpus import Corpus, speaker_of
from voxboard.errors import UserError
from voxboard.metrics import bootstrap, curves, detection, subgroups
from voxboard.metrics.bootstrap import Interval
from voxboard.metrics.subgroups import Gap, Group
from voxboard.scoring import calibration, normalisation
from voxboard.scoring import cohort as cohorts
from voxboard.scoring.calibration import Calibration
from voxboard.scoring.cohort import Cohort
from voxboard.scoring.cosine import cosine
from voxboard.scoring.embed import Embeddings, embed
from voxboard.scoring.portions import Portion, match_strata, speaker_groups
from voxboard.trials import Trials

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard.model import Network
    from voxboard.training.config import Evaluation

BUILT_TRIALS = 10_000  # size of a list that is built because a corpus has none
P_TARGETS = (0.01, 0.05)
ACCEPT = {"accept": "score >= threshold"}
COSTS = {"c_miss": 1, "c_fa": 1, "normalised": True}
CALIBRATED = {"calibration": "logistic, on the validation list"}
MAIN_METRIC = "eer@interpolated"
# metric id → its name in `bootstrap.detection`, and the parameters that fix what it means
_METRICS: dict[str, tuple[str, dict[str, Any]]] = {
    MAIN_METRIC: ("eer", {"ties": "blocks", **ACCEPT}),
    **{f"min_dcf@p={p:g}": (f"min_dcf_{p:g}", COSTS) for p in P_TARGETS},
    "act_dcf@p=0.01": ("act_dcf_0.01", COSTS | CALIBRATED),
    "cllr@valid_calibration": ("cllr", CALIBRATED),
    "far@valid_threshold": ("far", ACCEPT),
    "frr@valid_threshold": ("frr", ACCEPT),
    "hter@valid_threshold": ("half_total", ACCEPT),
}
METRICS: Mapping[str, Mapping[str, Any]] = {name: parameters for name, (_, parameters) in _METRICS.items()}
_SHORT = {name: short for name, (short, _) in _METRICS.items()}
NORMS: Mapping[str, Callable[..., np.ndarray]] = {
    "z-norm": normalisation.z_norm,
    "t-norm": normalisation.t_norm,
    "s-norm": normalisation.s_norm,
    "as-norm": normalisation.as_norm,
}


@dataclass(frozen=True)
class TrialSet:
    """A trial list on a corpus: `trials.utterances` are the ids of `cuts`, in the same order."""

    corpus: Corpus
    split: str
    trials: Trials
    cuts: tuple[Cut, ...]
    digest: str  # of the list as it was read, whatever was left out later

    @property
    def speakers(self) -> np.ndarray:
        """[U] the speaker of every utterance."""
        return np.array([speaker_of(cut) for cut in self.cuts])

    def first(self, count: int) -> TrialSet:
        """A small list for a rehearsal: the first targets and the first non-targets, `count` in all."""
        labels = self.trials.labels
        keep = np.sort(np.concatenate([np.flatnonzero(labels == label)[: -(-count // 2)] for label in (0, 1)]))
        return _compact(self, keep)


def trial_set(corpus: Corpus, split: str, path: Path | None = None, seed: int = 0) -> TrialSet:
    """The trials of a split: `path`, else the corpus's own list, else a balanced one built from the split's speakers.

    Raises `UserError` when a trial names an utterance that the corpus does not have.
    """
    listed = path or corpus.trials(split)
    if listed is None:
        cuts = list(corpus.cuts(split))
        trials = _built(corpus, split, cuts, seed)
    else:
        trials = trial_lists.read(listed)
        cuts = corpus.all_cuts()
    digest = trials.digest()
    by_id = {cut.id: cut for cut in cuts}
    resolved = trial_lists.resolve(trials, _names(cuts))
    used = tuple(by_id[name] for name in resolved.utterances)
    return TrialSet(corpus, split, resolved, used, digest)


def _names(cuts: Sequence[Cut]) -> dict[str, str]:
    """Cut id → audio path."""
    return {cut.id: str(cut.recording.sources[0].source) for cut in cuts}


def _built(corpus: Corpus, split: str, cuts: Sequence[Cut], seed: int) -> Trials:
    per_speaker = Counter(speaker_of(cut) for cut in cuts)
    # A list that asks for more targets than there are pairs would not be balanced.
    targets = min(BUILT_TRIALS // 2, sum(count * (count - 1) // 2 for count in per_speaker.values()))
    if not targets or len(per_speaker) < 2:
        raise UserError(
            f"No balanced trial list can be built from the {split} speakers of {corpus.name}.",
            f"Pass one with --{split}_trials FILE.",
        )
    trials, _ = trial_lists.build_balanced(trial_lists.table_of(cuts), trials=2 * targets, seed=seed)
    return replace(trials, name=f"{corpus.name}-{split}-balanced")


@dataclass(frozen=True)
class Reference:
    """What the validation list fixes before the test list is looked at."""

    eer: float
    threshold: float  # of that EER
    calibration: Calibration
    digest: str  # of the validation list


@dataclass(frozen=True)
class Scored:
    """Scores [N] of a trial set, and what computing them took."""

    trial_set: TrialSet
    scores: np.ndarray
    embeddings: Embeddings


def score(
    network: Network,
    trials: TrialSet,
    settings: Evaluation,
    cohort: Cohort | None = None,
    show_progress: bool = True,
) -> Scored:
    """Embeds every utterance of the list once and scores all trials, normalised where there is a cohort."""
    embeddings = _embedded(network, trials.cuts, settings, show_progress)
    if embeddings.skipped:
        trials = _without(trials, set(embeddings.skipped))
    rows = embeddings.rows()
    place = np.array([rows[name] for name in trials.trials.utterances])
    enrol, test = place[trials.trials.enrol], place[trials.trials.test]
    scores = cosine(embeddings.matrix, enrol, test, embeddings.heads, settings.clamp_scores)
    if cohort is None:
        return Scored(trials, scores, embeddings)
    normalise, options = NORMS[settings.score_norm], {"heads": embeddings.heads, "clamp": settings.clamp_scores}
    if settings.score_norm == "as-norm":
        options["top_k"] = top_k(cohort, settings)
    return Scored(trials, normalise(scores, embeddings.matrix, enrol, test, cohort.matrix, **options), embeddings)


def cohort_of(
    network: Network, cuts: Iterable[Cut], settings: Evaluation, seed: int, show_progress: bool = True
) -> Cohort:
    """The mean embeddings of training speakers, from their first few utterances; `cuts` are the training split.

    Raises `UserError` when the split has too few speakers.
    """
    by_speaker: dict[str, list[Cut]] = {}
    for cut in sorted(cuts, key=lambda cut: cut.id):
        by_speaker.setdefault(speaker_of(cut), []).append(cut)
    try:
        speakers = cohorts.draw(by_speaker, settings.cohort_speakers, seed)
    except ValueError as error:
        raise UserError(f"{error}.".capitalize(), "Ask for fewer with --cohort_speakers.") from error
    chosen = [cut for speaker in speakers for cut in by_speaker[speaker][: settings.cohort_utterances]]
    embeddings = _embedded(network, chosen, settings, show_progress)
    by_id = {cut.id: speaker_of(cut) for cut in chosen}
    owners = [by_id[name] for name in embeddings.ids]
    return cohorts.mean_per_speaker(embeddings.matrix, owners, embeddings.ids, embeddings.heads)


def top_k(cohort: Cohort, settings: Evaluation) -> int:
    """How many speakers of the cohort as-norm looks at: no more than there are."""
    return min(settings.top_k, len(cohort.matrix))


def _embedded(network: Network, cuts: Sequence[Cut], settings: Evaluation, show_progress: bool) -> Embeddings:
    return embed(
        network.encoder,
        cuts,
        heads=network.score_heads,
        max_seconds=settings.max_seconds,
        skip_bad_audio=settings.skip_bad_audio,
        show_progress=show_progress,
    )


def _without(trials: TrialSet, skipped: set[str]) -> TrialSet:
    """The list without the trials of utterances that could not be read."""
    lost = np.array([cut.id in skipped for cut in trials.cuts])
    keep = np.flatnonzero(~(lost[trials.trials.enrol] | lost[trials.trials.test]))
    if len(set(trials.trials.labels[keep].tolist())) < 2:
        raise UserError("Without the unreadable audio no trial of one kind is left.", "Repair the files first.")
    return _compact(trials, keep)


def _compact(trials: TrialSet, keep: np.ndarray) -> TrialSet:
    """Only the trials `keep`, and only the utterances that they use."""
    smaller = trials.trials.select(keep)
    by_id = {cut.id: cut for cut in trials.cuts}
    return replace(trials, trials=smaller, cuts=tuple(by_id[name] for name in smaller.utterances))


def reference(scored: Scored) -> Reference:
    """Operating point and calibration of a scored validation list."""
    labels = scored.trial_set.trials.labels
    error, threshold = detection.eer(scored.scores, labels)
    return Reference(error, threshold, calibration.fit(scored.scores, labels), scored.trial_set.digest)


@dataclass(frozen=True)
class Measured:
    """The numbers of a scored list: of all trials, per portion, and how far groups of speakers are apart."""

    values: Mapping[str, Interval]  # metric id → value
    portions: Sequence[tuple[Portion, Group]]  # a group's values are by metric id too
    gaps: Sequence[tuple[str, str, Gap]]  # label, "gender"; metric id; the gap
    thresholds: Mapping[str, float]  # where each value was taken, where that is one finite score
    curves: curves.Fields


def measure(scored: Scored, known: Reference | None, seed: int, replicates: int) -> Measured:
    """EER, minDCF and, by what is `known` from validation, FAR*, FRR*, EER*, actual DCF and Cllr, with intervals."""
    trials, scores = scored.trial_set.trials, scored.scores
    threshold, calibrated = (known.threshold, known.calibration.apply(scores)) if known else (None, None)
    options: dict[str, Any] = {"p_targets": P_TARGETS, "threshold": threshold, "calibrated": calibrated}
    options |= {"replicates": replicates, "seed": seed}
    # Numbers instead of names: four bytes a trial, however long the names are.
    speakers = np.unique(scored.trial_set.speakers, return_inverse=True)[1].astype(np.int32)
    data = (scores, trials.labels, speakers[trials.enrol], speakers[trials.test])
    portions: list[tuple[Portion, Group]] = []
    gaps: list[tuple[str, str, Gap]] = []
    for label, members in _by_label(scored).items():
        found = subgroups.detection(*data, {portion.name: portion.measured for portion in members}, **options)
        portions += [(portion, _named(found.groups[portion.name])) for portion in members]
        if label:  # strata by what the sides share are no groups of people: they have no best and worst
            gaps += [(label, name, found.gaps[short]) for name, short in _SHORT.items() if short in found.gaps]
    values = bootstrap.detection(*data, **options)
    ranked = detection.rank(scores, trials.labels)
    return Measured(
        {name: values[short] for name, short in _SHORT.items() if short in values},
        portions,
        gaps,
        _thresholds(ranked, threshold),
        curves.curves(ranked, trials.labels, calibrated),
    )


def _by_label(scored: Scored) -> dict[str, list[Portion]]:
    """Match strata under the empty label, then groups of speakers by theirs."""
    trials = scored.trial_set.trials
    found: dict[str, list[Portion]] = {}
    for portion in (*match_strata(trials), *speaker_groups(trials, scored.trial_set.cuts)):
        found.setdefault(portion.label, []).append(portion)
    return found


def _named(group: Group) -> Group:
    """A group with metric ids in place of the short names."""
    return replace(group, values={name: group.values[short] for name, short in _SHORT.items() if short in group.values})


def _thresholds(ranked: detection.Ranked, validation: float | None) -> dict[str, float]:
    found = {MAIN_METRIC: detection.eer(ranked)[1]}
    if validation is not None:
        found |= {name: validation for name in METRICS if name.endswith("@valid_threshold")}
    return {name: place for name, place in found.items() if np.isfinite(place)}
