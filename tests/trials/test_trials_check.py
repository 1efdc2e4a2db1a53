"""What `check` finds: planted faults, and what is known of the published lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voxboard.trials import Trials, check, read


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
    assert len(found.problems()) == 6


def test_repeats_with_another_label_contradict() -> None:
    found = check(Trials.of([1, 0, 1], ["a", "b", "a"], ["b", "a", "b"]))
    assert (found.duplicates, found.contradictions) == (2, 1)


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
