"""Names in lists and utterances of a corpus: every published way of naming finds its utterance, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxboard.errors import UserError
from voxboard.trials import Trials, read, resolve

LIBRISPEECH = {
    "8297-275154-0022": "/data/LibriSpeech/dev-clean/8297/275154/8297-275154-0022.flac",
    "8297-275155-0008": "/data/LibriSpeech/dev-clean/8297/275155/8297-275155-0008.flac",
}
VOXCELEB = {
    f"id10270/{video}/{number}": f"/vox/wav/id10270/{video}/{number}.wav"
    for video in ("5r0dWxy17C8", "x6uYqmx31kE")
    for number in ("00001", "00002")
}
VCTK = {"p263_383": "/vctk/wav48_silence_trimmed/p263/p263_383_mic1.flac", "p263_179": "/vctk/wav48/p263/p263_179.wav"}
OWN = {"001": "/audio/anna/001.wav", "002": "/audio/anna/002.wav", "b1": "/audio/ben/001.wav"}


@pytest.mark.parametrize(
    ("ids", "name", "utterance"),
    [
        (LIBRISPEECH, "dev-clean/8297/8297-275154-0022.wav", "8297-275154-0022"),  # UniPool-SV: no chapter
        (LIBRISPEECH, "dev-clean/8297/275155/8297-275155-0008.flac", "8297-275155-0008"),
        (LIBRISPEECH, "8297-275154-0022", "8297-275154-0022"),
        (LIBRISPEECH, "/data/LibriSpeech/dev-clean/8297/275154/8297-275154-0022.flac", "8297-275154-0022"),
        (VOXCELEB, "id10270/5r0dWxy17C8/00001.wav", "id10270/5r0dWxy17C8/00001"),
        (VOXCELEB, "wav/id10270/x6uYqmx31kE/00002.wav", "id10270/x6uYqmx31kE/00002"),
        (VOXCELEB, "x6uYqmx31kE/00002.m4a", "id10270/x6uYqmx31kE/00002"),
        (VCTK, "p263/p263_383.wav", "p263_383"),
        (VCTK, "wav16/p263/p263_179.wav", "p263_179"),
        (OWN, "anna/001.WAV", "001"),
        (OWN, "ben/001.wav", "b1"),  # the path counts before the stem
        (OWN, ".\\ben\\001.wav", "b1"),
        ({"x-1": "/corpus/anna/monday/1.wav", "x-2": "/corpus/ben/monday/1.wav"}, "anna/1.wav", "x-1"),
    ],
)
def test_published_names_find_their_utterance(ids: dict[str, str], name: str, utterance: str) -> None:
    trials = resolve(Trials.of([1], [name], [name]), ids)
    assert trials.utterances == (utterance,)


def test_two_names_of_one_utterance_become_one() -> None:
    trials = resolve(Trials.of([1, 0], ["p263_383", "p263/p263_383.wav"], ["p263/p263_383.wav", "p263_179"]), VCTK)
    assert trials.utterances == ("p263_383", "p263_179")
    assert (trials.enrol.tolist(), trials.test.tolist()) == ([0, 0], [0, 1])


@pytest.mark.parametrize("name", ["id99999/5r0dWxy17C8/00001.wav", "00009.wav", "id10270/00001.mp4", "", "/"])
def test_names_of_other_corpora_are_refused_with_the_trials_they_affect(name: str) -> None:
    known = "id10270/5r0dWxy17C8/00001.wav"
    trials = Trials.of([1, 0, 0], [known, known, known], [known, name, name], name="list")
    with pytest.raises(UserError) as error:
        resolve(trials, VOXCELEB)
    assert f"1 of 2 utterances of list are not in the corpus: {name};" in error.value.problem
    assert "2 of 3 trials" in error.value.problem


def test_names_that_fit_several_utterances_are_refused_and_the_candidates_named() -> None:
    trials = Trials.of([1], ["00001.wav"], ["id10270/5r0dWxy17C8/00002.wav"])
    with pytest.raises(UserError) as error:
        resolve(trials, VOXCELEB)
    assert "1 of 2 utterances of trials fit several utterances" in error.value.problem
    assert "(id10270/5r0dWxy17C8/00001 or id10270/x6uYqmx31kE/00001)" in error.value.problem


def test_only_the_first_of_many_unknown_names_are_shown() -> None:
    with pytest.raises(UserError, match=r"9 of 9 utterances .*: n0, n1, n2 …; they affect 8 of 8 trials"):
        resolve(Trials.of([1] * 8, [f"n{k}" for k in range(8)], [f"n{k + 1}" for k in range(8)]), VCTK)


def test_real_lists_resolve_to_the_paths_of_their_corpora(shared_data: Path) -> None:
    trials = read(shared_data / "unipool-sv-trials/librispeech-trials-dev.csv.gz")
    ids = {}
    for name in trials.utterances:
        subset, speaker, file = name.split("/")
        utterance = file.removesuffix(".wav")
        ids[utterance] = f"/corpora/LibriSpeech/{subset}/{speaker}/{utterance.split('-')[1]}/{utterance}.flac"
    resolved = resolve(trials, ids)
    assert resolved.utterances == tuple(ids)
    assert resolved.enrol.tolist() == trials.enrol.tolist()
