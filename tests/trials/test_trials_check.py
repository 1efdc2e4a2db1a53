"""What `check` finds: planted faults, and what is known of the published lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxboard.trials import Trials, check, read
from voxboard.trials.speaker_exposure import TrialExposure


def test_planted_faults_are_counted() -> None:
    trials = Trials.of(
        [1, 1, 0, 0, 1, 0],
        ["a1", "a2", "a1", "b1", "a1", "c1"],
        ["a2", "a1", "b1", "b1", "b2", "b2"],
        {"GENDER_MATCH": np.array([1, 1, 0, 1, np.nan, 0])},
    )
    speakers = {"a1": "a", "a2": "a", "b1": "b", "b2": "b"}
    sessions = {"a1": "monday", "a2": "monday", "b1": "monday", "b2": "tuesday"}
    found = check(trials, speakers, sessions, training_speakers=["b", "z"])
    assert (found.trials, found.targets, found.non_targets) == (6, 3, 3)
    assert found.self_trials == 1  # b1 b1
    assert (found.duplicates, found.contradictions) == (1, 0)  # a1 a2, a2 a1
    assert found.label_errors == 2  # b1 b1 is a non-target, a1 b2 a target
    assert found.unknown_utterances == 1
    assert (found.same_session_targets, found.same_session_non_targets) == (2, 2)
    assert (found.training_speakers, found.training_trials) == (("b",), 4)
    assert found.match_counts == {"GENDER_MATCH": {"0": (2, 0), "1": (1, 2), "unknown": (0, 1)}}
    assert (found.repeated, found.on_both_sides, found.alternating) == ((0, 1), 3, False)
    assert found.problems() == [
        "1 trials compare an utterance with itself.",
        "1 trials repeat an earlier pair (1 targets, 0 non-targets).",
        "2 labels contradict the speakers.",
        "1 utterances have no known speaker.",
        "2 of 3 targets come from one session (66.7 %).",
        "2 of 3 non-targets come from one session.",
        "4 trials involve training speakers (b).",
        "gender differs in 2 of 3 non-targets (66.7 %) and in no target: gender alone tells these apart.",
    ]
    assert found.faults() == ["2 labels contradict the speakers."]


def test_repeats_with_another_label_contradict() -> None:
    found = check(Trials.of([1, 0, 1], ["a", "b", "a"], ["b", "a", "b"]))
    assert (found.duplicates, found.repeated, found.contradictions) == (2, (1, 1), 1)
    assert found.faults() == ["1 repeated pairs contradict the label of their first trial."]
    assert found.alternating


def test_a_list_of_one_kind_cannot_be_used() -> None:
    assert check(Trials.of([1], ["a"], ["b"])).faults() == ["There are no non-targets."]
    assert check(Trials.of([0], ["a"], ["b"])).faults() == ["There are no targets."]


def test_a_missing_region_that_is_compared_is_told() -> None:
    # UniPool-SV's script compares NaN with NaN, which is never equal: 0, also where a speaker meets itself.
    trials = Trials.of(
        [1, 1, 0, 0],
        ["a1", "b1", "a1", "b1"],
        ["a2", "b2", "c1", "c1"],
        {"REGION_MATCH": np.array([0, 1, 0, 1]), "AGE_MATCH": np.array([1.0, 1.0, 1.0, np.nan])},
    )
    region = {"b1": "north", "b2": "north", "c1": "north"}
    age = {"a1": "20", "a2": "20", "b1": "30", "b2": "30", "c1": "30"}
    found = check(trials, region=region, age=age)
    assert found.label_counts["region"] == {"1": (1, 1), "unknown": (1, 1)}
    assert (found.column_errors, found.column_guesses) == ({"AGE_MATCH": (1, 0)}, {"REGION_MATCH": (1, 0)})
    assert found.problems()[:3] == [
        "REGION_MATCH is 0 for 1 targets, though a speaker shares its own label: it was unknown (NaN).",
        "AGE_MATCH contradicts the labels in 0 targets and 1 non-targets.",
        "REGION_MATCH is 0 for 1 non-targets of which a side is unknown.",
    ]


def test_values_of_labels_and_texts_are_counted() -> None:
    trials = Trials.of([1, 0, 0], ["a1", "a1", "b1"], ["a2", "b1", "c1"])
    found = check(
        trials,
        gender={"a1": "F", "a2": "F", "b1": "M", "c1": "M"},
        text={"a1": "yes", "a2": "yes", "b1": "yes", "c1": "no"},
    )
    assert found.value_counts == {"gender": {"F × F": (0, 1), "F × M": (1, 0), "M × M": (1, 0)}}
    assert (found.same_text_targets, found.same_text_non_targets) == (1, 1)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 1)), min_size=1, max_size=40))
def test_repeats_are_what_going_through_the_list_finds(rows: list[tuple[int, int, int]]) -> None:
    found = check(Trials.of([row[2] for row in rows], [f"u{row[0]}" for row in rows], [f"u{row[1]}" for row in rows]))
    first: dict[frozenset[int], int] = {}
    again, wrong = [], 0
    for one, other, label in rows:
        pair = frozenset((one, other))
        if pair in first:
            again.append(label)
            wrong += label != first[pair]
        first.setdefault(pair, label)
    assert (found.duplicates, found.repeated) == (len(again), (again.count(0), again.count(1)))
    assert found.contradictions == wrong


@given(st.lists(st.integers(0, 300), min_size=1, max_size=60))
def test_a_histogram_is_short_and_counts_every_member_once(trials: list[int]) -> None:
    found = TrialExposure.of(np.array(trials))
    assert (found.count, found.least, found.most) == (len(trials), min(trials), max(trials))
    assert len(found.histogram) <= 12
    for name, members in found.histogram.items():
        low, _, high = name.partition("-")
        assert members == sum(int(low) <= value <= int(high or low) for value in trials)
    assert sum(found.histogram.values()) == len(trials)


def test_a_clean_list_has_no_problems() -> None:
    found = check(
        Trials.of([1, 0], ["a1", "a1"], ["a2", "b1"]),
        {"a1": "a", "a2": "a", "b1": "b"},
        {"a1": "1", "a2": "2", "b1": "3"},
        training_speakers=["c"],
    )
    assert found.problems() == []
    assert (found.speaker_pairs, found.speaker_targets, found.utterance_use) == ((1, 1, 1), (0, 1), (1, 2))


def test_voxceleb1_o_repeats_338_pairs_and_2060_targets_are_of_one_video(shared_data: Path) -> None:
    trials = read(shared_data / "voxceleb-lists/vox1_O_original.veri_test.txt.gz")
    parts = {name: name.split("/") for name in trials.utterances}
    found = check(trials, {n: p[0] for n, p in parts.items()}, {n: p[1] for n, p in parts.items()})
    assert (found.speakers, found.utterances, found.duplicates, found.contradictions) == (40, 4715, 338, 0)
    assert found.same_session_targets == 2060
    assert (found.speaker_pairs, found.speaker_targets, found.utterance_use) == ((780, 1, 128), (168, 1040), (8, 27))


def test_unipool_librispeech_has_half_its_targets_from_one_chapter(shared_data: Path) -> None:
    trials = read(shared_data / "unipool-sv-trials/librispeech-trials-dev.csv.gz")
    parts = {name: name.split("/")[-1].removesuffix(".wav").split("-") for name in trials.utterances}
    found = check(trials, {n: p[0] for n, p in parts.items()}, {n: "-".join(p[:2]) for n, p in parts.items()})
    assert found.same_session_targets is not None
    assert found.same_session_targets / found.targets == pytest.approx(0.519, abs=5e-4)
    assert found.match_counts["GENDER_MATCH"] == {"0": (9324, 0), "1": (9072, 18031)}
    assert (found.duplicates, found.self_trials, found.label_errors) == (0, 0, 0)
    assert (found.speaker_pairs, found.speaker_targets) == ((2628, 7, 7), (247, 247))


def test_unipool_vctk_exposes_speaker_pairs_unevenly(shared_data: Path) -> None:
    trials = read(shared_data / "unipool-sv-trials/vctk-trials-valid.csv.gz")
    found = check(trials, {name: name.split("/")[0] for name in trials.utterances})
    assert (found.speaker_pairs, found.speaker_targets, found.utterance_use) == ((153, 31, 182), (445, 445), (1, 16))
    assert found.match_counts["REGION_MATCH"] == {"0": (7666, 0), "1": (364, 8010)}
