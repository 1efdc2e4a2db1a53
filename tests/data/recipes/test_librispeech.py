from __future__ import annotations

from collections import Counter

import pytest

from voxboard.data.prepare_options import PrepareOptions
from voxboard.data.recipes import librispeech
from voxboard.errors import UserError

SPEAKERS = """\
; a comment | with | bars
;ID  |SEX| SUBSET           |MINUTES| NAME
14   | F | train-clean-100  | 25.03 | Kristin | LeMoine
20   | M | test-clean       | 30.07 | Gesine
"""


@pytest.fixture
def tree(tmp_path, speak):
    """Two subsets, one of whose chapters has no transcript."""
    root = tmp_path / "LibriSpeech"
    for name in ("14-208-0000", "14-208-0001", "14-99-0000"):
        speak(root / "train-clean-100" / "14" / name.split("-")[1] / f"{name}.flac")
    speak(root / "test-clean" / "20" / "7" / "20-7-0003.flac")
    speak(root / "test-clean" / "20" / "7" / "._20-7-0003.flac")
    (root / "train-clean-100" / "14" / "208" / "14-208.trans.txt").write_text(
        "14-208-0000 HE SAID\n14-208-0001 SHE LEFT\n"
    )
    (root / "SPEAKERS.TXT").write_text(SPEAKERS)
    return root


@pytest.mark.parametrize("start", [".", "..", "train-clean-100"])
def test_the_subsets_are_found_from_the_root_the_folder_above_and_one_of_them(tree, start):
    scan = librispeech.scan((tree / start).resolve(), PrepareOptions())
    counts = Counter(utterance.split for utterance in scan.utterances)
    assert counts == ({"train": 3} if start == "train-clean-100" else {"train": 3, "test": 1})
    assert scan.root == tree


def test_an_utterance_carries_speaker_chapter_gender_and_text(tree):
    first = next(u for u in librispeech.scan(tree, PrepareOptions()).utterances if u.id == "14-208-0000")
    assert (first.speaker, first.gender, first.text) == ("14", "female", "HE SAID")
    assert first.custom == {"session": "208", "subset": "train-clean-100"}


def test_utterances_without_a_transcript_stay_and_are_counted(tree):
    scan = librispeech.scan(tree, PrepareOptions())
    assert {u.id for u in scan.utterances if u.text is None} == {"14-99-0000", "20-7-0003"}
    assert "1 utterances of train-clean-100 have no transcript and are kept." in scan.notes


def test_what_is_missing_is_said_for_every_subset(tree):
    notes = librispeech.scan(tree, PrepareOptions()).notes
    assert "train-clean-100 has 3 of 28,539 utterances, 1 of 251 speakers." in notes
    assert "dev-other is not there (33 valid speakers)." in notes


def test_only_the_subsets_that_are_asked_for_are_read(tree):
    scan = librispeech.scan(tree, PrepareOptions(subsets=("test-clean",)))
    assert [u.id for u in scan.utterances] == ["20-7-0003"]
    with pytest.raises(UserError, match="Did you mean test-clean"):
        librispeech.scan(tree, PrepareOptions(subsets=("test-claen",)))


def test_a_tree_converted_to_wav_without_speakers_table_is_read(tmp_path, speak):
    speak(tmp_path / "preprocess" / "wav16" / "dev-clean" / "84" / "1" / "84-1-0000.wav")
    scan = librispeech.scan(tmp_path, PrepareOptions())
    assert [(u.id, u.split, u.gender) for u in scan.utterances] == [("84-1-0000", "valid", None)]
    assert any("SPEAKERS.TXT" in note for note in scan.notes)


def test_a_folder_without_subsets_says_what_was_looked_for(tmp_path):
    with pytest.raises(UserError, match="train-clean-100"):
        librispeech.scan(tmp_path, PrepareOptions())
    (tmp_path / "test-other").mkdir()
    with pytest.raises(UserError, match="no audio"):
        librispeech.scan(tmp_path, PrepareOptions())


def test_librispeech_mini_is_whole(shared_data):
    scan = librispeech.scan(shared_data / "librispeech-mini", PrepareOptions())
    assert Counter(u.split for u in scan.utterances) == {"train": 218, "test": 65}
    speakers = {split: {u.speaker for u in scan.utterances if u.split == split} for split in ("train", "test")}
    assert (len(speakers["train"]), len(speakers["test"])) == (160, 8)
    assert sum(u.text is not None for u in scan.utterances) == 60 + 65
    assert Counter({u.speaker: u.gender for u in scan.utterances}.values()) == {"female": 83, "male": 85}
