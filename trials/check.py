"""Examination of a trial list: counts, and faults such as repeats, self-trials, leaks, contradictions, imbalance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxboard.trials.findings import Counts, Findings
from voxboard.trials.labels import Coded
from voxboard.trials.speaker_exposure import TrialExposure
from voxboard.trials.table import Trials

MOST_VALUES = 4  # of a label whose pairs of values are counted (F with F, F with M …)
NO_STRATA = 16  # a match column with more values is a measurement, e.g. FREQ_MATCH


def check(
    trials: Trials,
    speakers: Mapping[str, str] | None = None,
    sessions: Mapping[str, str] | None = None,
    training_speakers: Iterable[str] | None = None,
    **labels: Mapping[str, str],
) -> Findings:
    """Count what is in a list; `speakers`, `sessions` and any other labels map utterances (as the list names them).

    A session (chapter, video) counts as shared when its label is the same; a speaker's sessions should be named apart
    from another's unless they are the same recording. `text` is what was said; other labels (gender, age …) are counted
    by whether both sides share them, and compared with the list's own column of that name.
    """
    given = {"speaker": speakers, "session": sessions, **labels}
    coded = {name: Coded.of(label, trials.utterances) for name, label in given.items() if label is not None}
    return examine(trials, coded, training_speakers)


def examine(
    trials: Trials, labels: Mapping[str, Coded] | None = None, training_speakers: Iterable[str] | None = None
) -> Findings:
    """Like `check`, with labels [U] that are numbered already."""
    labels = labels or {}
    again, others_again, contradictions = _repeats(trials)
    sides = [np.bincount(side, minlength=len(trials.utterances)) for side in (trials.enrol, trials.test)]
    use = sides[0] + sides[1]
    others = {name: coded for name, coded in labels.items() if name not in ("speaker", "session", "text")}
    speaker = labels.get("speaker")
    by_speaker, exposure = ({}, {}) if speaker is None else _by_speaker(trials, speaker, training_speakers)
    exposure = {"utterance": TrialExposure.of(use[use > 0]), **exposure}
    if "session" in labels:
        exposure["session"] = TrialExposure.of(_sessions_use(labels["session"], use))
    return Findings(
        digest=trials.digest(),
        trials=len(trials),
        targets=trials.targets,
        non_targets=trials.non_targets,
        utterances=int(np.count_nonzero(use)),
        utterance_use=_range(use[use > 0]),
        self_trials=int(np.count_nonzero(trials.enrol == trials.test)),
        duplicates=again,
        contradictions=contradictions,
        repeated=(others_again, again - others_again),
        on_both_sides=int(np.count_nonzero((sides[0] > 0) & (sides[1] > 0))),
        alternating=len(trials) > 2 and bool((trials.labels[1:] != trials.labels[:-1]).all()),
        match_counts={name: _match_counts(trials, column) for name, column in trials.matches.items()},
        label_counts={name: _label_counts(trials, coded) for name, coded in others.items()},
        value_counts={name: counts for name, coded in others.items() if (counts := _value_counts(trials, coded))},
        exposure=exposure,
        **_columns(trials, others),
        **by_speaker,
        **_same(trials, labels.get("session"), "session"),
        **_same(trials, labels.get("text"), "text"),
    )


def _repeats(trials: Trials) -> tuple[int, int, int]:
    """Trials that repeat an earlier unordered pair, non-targets among them, and those that contradict its label."""
    low, high = np.minimum(trials.enrol, trials.test), np.maximum(trials.enrol, trials.test)
    keys = low.astype(np.int64) * len(trials.utterances) + high
    ordered = np.sort(keys)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not twice.size:
        return 0, 0, 0
    places = np.flatnonzero(np.isin(keys, twice))
    _, first, pair = np.unique(keys[places], return_index=True, return_inverse=True)
    again = first[pair] != np.arange(places.size)
    label, of_first = trials.labels[places], trials.labels[places][first[pair]]
    return (
        int(np.count_nonzero(again)),
        int(np.count_nonzero(again & (label == 0))),
        int(np.count_nonzero(again & (label != of_first))),
    )


def _counted(trials: Trials, group: NDArray[np.bool_]) -> Counts:
    targets = int(np.count_nonzero(group & (trials.labels == 1)))
    return int(np.count_nonzero(group)) - targets, targets


def _match_counts(trials: Trials, column: NDArray[np.floating[Any]]) -> dict[str, Counts]:
    """Trials per value of a match column; a continuous column gives none."""
    labelled = ~np.isnan(column)
    values = np.unique(column[labelled])
    if values.size > NO_STRATA:
        return {}
    groups = {f"{value:g}": column == value for value in values}
    if not labelled.all():
        groups["unknown"] = ~labelled
    return {name: _counted(trials, group) for name, group in groups.items()}


def _shared(trials: Trials, coded: Coded) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks of the trials whose sides have the same value, and of those whose sides both have one."""
    one, other = coded.codes[trials.enrol], coded.codes[trials.test]
    labelled = (one >= 0) & (other >= 0)
    return (one == other) & labelled, labelled


def _label_counts(trials: Trials, coded: Coded) -> dict[str, Counts]:
    same, labelled = _shared(trials, coded)
    groups = {"0": labelled & ~same, "1": same, "unknown": ~labelled}
    return {name: _counted(trials, group) for name, group in groups.items() if group.any()}


def _value_counts(trials: Trials, coded: Coded) -> dict[str, Counts]:
    """Trials per unordered pair of values, for labels with few of them."""
    if not 1 < len(coded.values) <= MOST_VALUES:
        return {}
    one, other = coded.codes[trials.enrol], coded.codes[trials.test]
    order = sorted(range(len(coded.values)), key=coded.values.__getitem__)
    return {
        f"{coded.values[a]} × {coded.values[b]}": _counted(
            trials, ((one == a) & (other == b)) | ((one == b) & (other == a))
        )
        for a, b in combinations_with_replacement(order, 2)
    }


def _columns(trials: Trials, labels: Mapping[str, Coded]) -> dict[str, Any]:
    """Counts of match columns that contradict the labels, or say "different" though a label is unknown."""
    errors: dict[str, Counts] = {}
    guesses: dict[str, Counts] = {}
    for name, coded in labels.items():
        column = trials.matches.get(f"{name.upper()}_MATCH")
        if column is None:
            continue
        same, labelled = _shared(trials, coded)
        # A speaker shares any label with itself, known or not: there is nothing to guess in a target.
        wrong = labelled & (same != (column == 1)) & ~np.isnan(column)
        guess = ~labelled & (column == 0) & (trials.labels == 0)
        for pairs, group in ((errors, wrong), (guesses, guess)):
            if group.any():
                pairs[f"{name.upper()}_MATCH"] = _counted(trials, group)
    return {"column_errors": errors, "column_guesses": guesses}


def _by_speaker(
    trials: Trials, coded: Coded, training_speakers: Iterable[str] | None
) -> tuple[dict[str, Any], dict[str, TrialExposure]]:
    codes, names = coded.codes, coded.values
    first, second = codes[trials.enrol], codes[trials.test]
    labelled = (first >= 0) & (second >= 0)
    targets, others = labelled & (trials.labels == 1), labelled & (trials.labels == 0) & (first != second)
    low, high = np.minimum(first, second)[others], np.maximum(first, second)[others]
    per_pair = np.unique(low.astype(np.int64) * len(names) + high, return_counts=True)[1]
    per_speaker = np.bincount(first[targets], minlength=len(names))
    per_other = np.bincount(low, minlength=len(names)) + np.bincount(high, minlength=len(names))
    there = np.isin(np.arange(len(names)), codes)  # a table may name speakers that the list has not
    result: dict[str, Any] = {
        "speakers": int(np.count_nonzero(there)),
        "unknown_utterances": int(np.count_nonzero(codes < 0)),
        "label_errors": int(np.count_nonzero(labelled & ((first == second) != (trials.labels == 1)))),
        "speaker_pairs": (int(per_pair.size), *_range(per_pair)),
        "speaker_targets": _range(per_speaker[there]),
    }
    if training_speakers is not None:
        seen = set(training_speakers)
        leaked = np.array([name in seen for name in names] + [False])  # the last for −1, no speaker
        result["training_speakers"] = tuple(
            name for name, is_there in zip(names, there, strict=True) if is_there and name in seen
        )
        result["training_trials"] = int(np.count_nonzero(leaked[first] | leaked[second]))
    return result, {
        "targets of a speaker": TrialExposure.of(per_speaker[there]),
        "non-targets of a speaker": TrialExposure.of(per_other[there]),
        "non-targets of a speaker pair": TrialExposure.of(per_pair),
    }


def _sessions_use(coded: Coded, use: NDArray[Any]) -> NDArray[Any]:
    """Number of trials of every session that occurs."""
    total = np.bincount(coded.codes[coded.known], use[coded.known], minlength=len(coded.values)).astype(np.int64)
    return total[total > 0]


def _same(trials: Trials, coded: Coded | None, name: str) -> dict[str, Any]:
    if coded is None:
        return {}
    others, targets = _counted(trials, _shared(trials, coded)[0])
    return {f"same_{name}_targets": targets, f"same_{name}_non_targets": others}


def _range(counts: NDArray[Any]) -> tuple[int, int]:
    return (int(counts.min()), int(counts.max())) if counts.size else (0, 0)
