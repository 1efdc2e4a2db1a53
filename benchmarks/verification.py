"""Speaker verification: do these two utterances have the same speaker?

Every distinct utterance is embedded once, trials are scored by gathering rows, and the numbers come with intervals
clustered by speaker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voxboard import trials as trial_lists
from voxboard.data.corpus import Corpus, speaker_of
from voxboard.errors import UserError
from voxboard.metrics import bootstrap, detection
from voxboard.metrics.bootstrap import Interval
from voxboard.scoring.cosine import cosine
from voxboard.scoring.embed import Embeddings, embed
from voxboard.trials import Trials

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard.model import Network
    from voxboard.training.config import Evaluation

BUILT_TRIALS = 10_000  # size of a list that is built because a corpus has none
P_TARGETS = (0.01, 0.05)
ACCEPT = {"accept": "score >= threshold"}
MAIN_METRIC = "eer@interpolated"
# metric id → its name in `bootstrap.detection`, and the parameters that fix what it means
_METRICS: dict[str, tuple[str, dict[str, Any]]] = {
    MAIN_METRIC: ("eer", {"ties": "blocks", **ACCEPT}),
    **{f"min_dcf@p={p:g}": (f"min_dcf_{p:g}", {"c_miss": 1, "c_fa": 1, "normalised": True}) for p in P_TARGETS},
    "far@valid_threshold": ("far", ACCEPT),
    "frr@valid_threshold": ("frr", ACCEPT),
    "hter@valid_threshold": ("half_total", ACCEPT),
}
METRICS: Mapping[str, Mapping[str, Any]] = {name: parameters for name, (_, parameters) in _METRICS.items()}
MIN_STRATUM = 30  # targets and non-targets below which a stratum gets no number


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
class Scored:
    """Scores [N] of a trial set, and what computing them took."""

    trial_set: TrialSet
    scores: np.ndarray
    embeddings: Embeddings


def score(network: Network, trials: TrialSet, settings: Evaluation, show_progress: bool = True) -> Scored:
    """Embeds every utterance of the list once and scores all trials."""
    embeddings = embed(
        network.encoder,
        trials.cuts,
        heads=network.score_heads,
        max_seconds=settings.max_seconds,
        skip_bad_audio=settings.skip_bad_audio,
        show_progress=show_progress,
    )
    if embeddings.skipped:
        trials = _without(trials, set(embeddings.skipped))
    rows = embeddings.rows()
    place = np.array([rows[name] for name in trials.trials.utterances])
    scores = cosine(
        embeddings.matrix,
        place[trials.trials.enrol],
        place[trials.trials.test],
        embeddings.heads,
        settings.clamp_scores,
    )
    return Scored(trials, scores, embeddings)


def _without(trials: TrialSet, skipped: set[str]) -> TrialSet:
    """The list without the trials of utterances that could not be read."""
    lost = np.array([cut.id in skipped for cut in trials.cuts])
    keep = np.flatnonzero(~(lost[trials.trials.enrol] | lost[trials.trials.test]))
    if len(set(trials.trials.labels[keep].tolist())) < 2:
        raise UserError("Without the unreadable audio no trial of one kind is left.", "Repair the files first.")
    return _compact(trials, keep)


def _compact(trials: TrialSet, keep: np.ndarray) -> TrialSet:
    """Only the trials `keep`, and only the utterances that they use."""
    old = trials.trials
    used, numbers = np.unique(np.concatenate([old.enrol[keep], old.test[keep]]), return_inverse=True)
    half = len(keep)
    smaller = replace(
        old,
        utterances=[old.utterances[place] for place in used],
        enrol=numbers[:half].astype(np.int32),
        test=numbers[half:].astype(np.int32),
        labels=old.labels[keep],
        matches={name: column[keep] for name, column in old.matches.items()},
    )
    return replace(trials, trials=smaller, cuts=tuple(trials.cuts[place] for place in used))


def operating_point(scored: Scored) -> tuple[float, float]:
    """EER and its threshold."""
    return detection.eer(scored.scores, scored.trial_set.trials.labels)


def thresholds(scored: Scored, validation: float | None) -> dict[str, float]:
    """Where on the score axis each value was taken, where that is one place that is not infinite."""
    found = {MAIN_METRIC: operating_point(scored)[1]}
    if validation is not None:
        found |= {name: validation for name in METRICS if name.endswith("@valid_threshold")}
    return {name: place for name, place in found.items() if np.isfinite(place)}


@dataclass(frozen=True)
class Stratum:
    """The numbers of the trials that share a match column's value; `values` is empty where they are too few."""

    name: str
    trials: int
    targets: int
    values: Mapping[str, Interval]
    reason: str = ""


def measure(scored: Scored, threshold: float | None, seed: int, replicates: int) -> dict[str, Interval]:
    """EER, minDCF and, at the validation threshold, FAR*, FRR* and EER*, with 95 % intervals."""
    everything = np.arange(len(scored.scores))
    return _measure(scored, everything, threshold, seed, replicates)


def _measure(
    scored: Scored, chosen: np.ndarray, threshold: float | None, seed: int, replicates: int
) -> dict[str, Interval]:
    trials = scored.trial_set.trials
    # Numbers instead of names: four bytes a trial, however long the names are.
    speakers = np.unique(scored.trial_set.speakers, return_inverse=True)[1].astype(np.int32)
    found = bootstrap.detection(
        scored.scores[chosen],
        trials.labels[chosen],
        speakers[trials.enrol[chosen]],
        speakers[trials.test[chosen]],
        p_targets=P_TARGETS,
        threshold=threshold,
        replicates=replicates,
        seed=seed,
    )
    return {name: found[short] for name, (short, _) in _METRICS.items() if short in found}


def strata(scored: Scored, threshold: float | None, seed: int, replicates: int) -> list[Stratum]:
    """The same numbers per value of every match column.

    A stratum that holds non-targets only (two genders, say) is set against all targets, and the other way round.
    """
    trials = scored.trial_set.trials
    found: list[Stratum | None] = []
    for column, values in sorted(trials.matches.items()):
        levels = np.unique(values[~np.isnan(values.astype(float))])
        if len(levels) > 8:  # a continuous column such as FREQ_MATCH has no strata
            continue
        found += [
            _stratum(scored, f"{column}={level:g}", values == level, threshold, seed, replicates) for level in levels
        ]
    return [stratum for stratum in found if stratum is not None]


def _stratum(
    scored: Scored, name: str, inside: np.ndarray, threshold: float | None, seed: int, replicates: int
) -> Stratum | None:
    """None for a stratum that is the whole list."""
    labels = scored.trial_set.trials.labels
    counts = (int(inside.sum()), int((inside & (labels == 1)).sum()))
    chosen, against = inside.copy(), ""
    for label, word in ((1, "targets"), (0, "non-targets")):
        if not (inside & (labels == label)).any():
            chosen |= labels == label
            against = f", against all {word}"
    if chosen.all():
        return None
    kept = labels[chosen]
    if min((kept == 0).sum(), (kept == 1).sum()) < MIN_STRATUM:
        return Stratum(name + against, *counts, values={}, reason=f"fewer than {MIN_STRATUM} trials of one kind")
    values = _measure(scored, np.flatnonzero(chosen), threshold, seed, replicates)
    return Stratum(name + against, *counts, values=values)
