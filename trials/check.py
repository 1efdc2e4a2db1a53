"""What a trial list holds, and what is wrong with it: repeats, self-trials, leaks, contradictions, imbalance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxboard.trials.table import Trials


@dataclass(frozen=True)
class Findings:
    """Counts over one trial list; None where the labels to tell were not given."""

    digest: str
    trials: int
    targets: int
    non_targets: int
    utterances: int
    utterance_use: tuple[int, int]  # fewest and most appearances of an utterance
    self_trials: int  # an utterance against itself
    duplicates: int  # trials that repeat an earlier pair, in either order
    contradictions: int  # repeated pairs whose label is not that of their first trial
    match_counts: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)
    speakers: int | None = None
    unknown_utterances: int | None = None  # of which no speaker is given
    label_errors: int | None = None  # the label says one thing, the speakers another
    speaker_pairs: tuple[int, int, int] | None = None  # pairs among the non-targets; fewest and most trials of one
    speaker_targets: tuple[int, int] | None = None  # fewest and most target trials of a speaker
    same_session_targets: int | None = None
    same_session_non_targets: int | None = None
    training_speakers: tuple[str, ...] | None = None  # speakers of the list that training saw
    training_trials: int | None = None  # trials that they affect

    def problems(self) -> list[str]:
        """What a reader of results should know, one sentence each; empty when nothing was found."""
        share = f"of {self.targets} targets"
        found = [
            (self.self_trials, "trials compare an utterance with itself"),
            (self.duplicates, "trials repeat an earlier pair"),
            (self.contradictions, "repeated pairs contradict the label of their first trial"),
            (self.label_errors, "labels contradict the speakers"),
            (self.unknown_utterances, "utterances have no known speaker"),
            (self.same_session_targets, f"{share} come from one session"),
            (
                self.training_trials,
                f"trials involve training speakers ({', '.join((self.training_speakers or ())[:3])})",
            ),
        ]
        return [f"{count} {sentence}." for count, sentence in found if count]


def check(
    trials: Trials,
    speakers: Mapping[str, str] | None = None,
    sessions: Mapping[str, str] | None = None,
    training_speakers: Iterable[str] | None = None,
) -> Findings:
    """Counts what is in a list; `speakers` and `sessions` map utterances (as the list names them) to labels.

    A session (chapter, video) counts as shared when its label is the same; a speaker's sessions should be named apart
    from another's unless they are the same recording.
    """
    again, contradictions = _repeats(trials)
    use = np.bincount(np.concatenate([trials.enrol, trials.test]), minlength=len(trials.utterances))
    used = use[use > 0]
    return Findings(
        digest=trials.digest(),
        trials=len(trials),
        targets=trials.targets,
        non_targets=trials.non_targets,
        utterances=int(used.size),
        utterance_use=_range(used),
        self_trials=int(np.count_nonzero(trials.enrol == trials.test)),
        duplicates=again,
        contradictions=contradictions,
        match_counts={name: _match_counts(trials, column) for name, column in trials.matches.items()},
        **({} if speakers is None else _by_speaker(trials, speakers, training_speakers)),
        **({} if sessions is None else _by_session(trials, sessions)),
    )


def codes_of(trials: Trials, labels: Mapping[str, str]) -> tuple[NDArray[np.int32], list[str]]:
    """The number [U] of each utterance's label, −1 where it has none, and the labels' names, sorted."""
    found = [labels.get(name) for name in trials.utterances]
    names = sorted({label for label in found if label is not None})
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([-1 if label is None else numbers[label] for label in found], np.int32), names


def _repeats(trials: Trials) -> tuple[int, int]:
    """How many trials repeat an earlier unordered pair, and how many of these contradict its label."""
    low, high = np.minimum(trials.enrol, trials.test), np.maximum(trials.enrol, trials.test)
    keys = low.astype(np.int64) * len(trials.utterances) + high
    _, first, places = np.unique(keys, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[places] != np.arange(len(trials)))
    return int(again.size), int(np.count_nonzero(trials.labels[again] != trials.labels[first[places[again]]]))


def _match_counts(trials: Trials, column: NDArray[np.floating[Any]]) -> dict[str, tuple[int, int]]:
    """(non-targets, targets) per value of a match column; a continuous column gives none."""
    known = ~np.isnan(column)
    values = np.unique(column[known])
    if values.size > 16:
        return {}
    groups = {f"{value:g}": column == value for value in values}
    if not known.all():
        groups["unknown"] = ~known
    return {
        name: (int(np.count_nonzero(group & (trials.labels == 0))), int(np.count_nonzero(group & (trials.labels == 1))))
        for name, group in groups.items()
    }


def _by_speaker(trials: Trials, speakers: Mapping[str, str], training_speakers: Iterable[str] | None) -> dict[str, Any]:
    codes, names = codes_of(trials, speakers)
    first, second = codes[trials.enrol], codes[trials.test]
    known = (first >= 0) & (second >= 0)
    targets, others = known & (trials.labels == 1), known & (trials.labels == 0) & (first != second)
    low, high = np.minimum(first, second)[others], np.maximum(first, second)[others]
    per_pair = np.unique(low.astype(np.int64) * len(names) + high, return_counts=True)[1]
    per_speaker = np.bincount(first[targets], minlength=len(names))
    result: dict[str, Any] = {
        "speakers": len(names),
        "unknown_utterances": int(np.count_nonzero(codes < 0)),
        "label_errors": int(np.count_nonzero(known & ((first == second) != (trials.labels == 1)))),
        "speaker_pairs": (int(per_pair.size), *_range(per_pair)),
        "speaker_targets": _range(per_speaker),
    }
    if training_speakers is not None:
        seen = set(training_speakers)
        leaked = np.array([name in seen for name in names] + [False])  # the last for −1, no speaker
        result["training_speakers"] = tuple(name for name in names if name in seen)
        result["training_trials"] = int(np.count_nonzero(leaked[first] | leaked[second]))
    return result


def _by_session(trials: Trials, sessions: Mapping[str, str]) -> dict[str, Any]:
    codes, _ = codes_of(trials, sessions)
    same = (codes[trials.enrol] == codes[trials.test]) & (codes[trials.enrol] >= 0)
    return {
        "same_session_targets": int(np.count_nonzero(same & (trials.labels == 1))),
        "same_session_non_targets": int(np.count_nonzero(same & (trials.labels == 0))),
    }


def _range(counts: NDArray[Any]) -> tuple[int, int]:
    return (int(counts.min()), int(counts.max())) if counts.size else (0, 0)
