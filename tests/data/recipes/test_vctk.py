from __future__ import annotations

import pytest

from voxboard.data import splits
from voxboard.data.prepare_options import PrepareOptions
from voxboard.data.recipes import vctk
from voxboard.errors import UserError

OLD = """\
ID  AGE  GENDER  ACCENTS  REGION
225  23  F    English    Southern  England
315  18  M    American  New  England
362  29  F    American
374  28  M    Australian  English
"""
NEW = """\
ID  AGE  GENDER  ACCENTS  REGION COMMENTS
p280  25  F    English    France (mic2 files unavailable)
s5    32  F    Indian
"""


def test_release_0_80(tmp_path, speak):
    root = tmp_path / "VCTK-Corpus"
    for name in ("p225_001", "p225_024", "p225_025", "p225_100", "p315_100", "p362_300"):
        speak(root / "wav48" / name[:4] / f"{name}.wav", rate=48000)
    (root / "txt" / "p225").mkdir(parents=True)
    (root / "txt" / "p225" / "p225_025.txt").write_text("Please call Stella.\n")
    (root / "speaker-info.txt").write_text(OLD)
    scan = vctk.scan(tmp_path, PrepareOptions())
    found = {u.id: u for u in scan.utterances}
    assert sorted(found) == ["p225_025", "p225_100", "p362_300"]
    assert (scan.version, scan.splitter) == ("0.80", splits.vctk)
    first = found["p225_025"]
    assert (first.speaker, first.gender, first.text) == ("p225", "female", "Please call Stella.")
    assert first.custom == {"age": 23, "accent": "English", "region": "Southern England"}
    assert found["p362_300"].custom == {"age": 29, "accent": "American", "region": ""}
    assert found["p225_100"].text is None
    assert any("2 utterances of the text that all speakers share" in note for note in scan.notes)
    assert any("p315 is left out" in note for note in scan.notes)
    assert "2 of 108 speakers are there." in scan.notes


def test_release_0_92_takes_the_first_microphone_and_keeps_p280(tmp_path, speak):
    for name in ("p280_030_mic1", "s5_030_mic1", "s5_030_mic2"):
        speak(tmp_path / "wav48_silence_trimmed" / name.split("_")[0] / f"{name}.flac", rate=48000)
    (tmp_path / "txt" / "s5").mkdir(parents=True)
    (tmp_path / "txt" / "s5" / "s5_030.txt").write_text("Hello.")
    (tmp_path / "speaker-info.txt").write_text(NEW)
    scan = vctk.scan(tmp_path, PrepareOptions())
    assert scan.version == "0.92"
    assert [(u.id, u.path.stem, u.text) for u in scan.utterances] == [
        ("p280_030", "p280_030_mic1", None),
        ("s5_030", "s5_030_mic1", "Hello."),
    ]
    assert [u.custom["region"] for u in scan.utterances] == ["France", ""]
    assert "2 of 109 speakers are there." in scan.notes


def test_a_16_khz_copy_without_table_and_texts_is_read(tmp_path, speak):
    speak(tmp_path / "preprocess" / "wav16" / "p226" / "p226_030.wav")
    scan = vctk.scan(tmp_path, PrepareOptions())
    assert [(u.id, u.gender) for u in scan.utterances] == [("p226_030", None)]
    assert any("speaker-info.txt is not there" in note for note in scan.notes)


def test_a_folder_without_vctk_says_what_was_looked_for(tmp_path):
    with pytest.raises(UserError, match="wav48_silence_trimmed"):
        vctk.scan(tmp_path, PrepareOptions())


def test_vctk_mini_holds_only_the_shared_text(shared_data):
    with pytest.raises(UserError, match="only utterances that all speakers read"):
        vctk.scan(shared_data / "vctk-mini", PrepareOptions())


def test_the_speaker_table_of_vctk_is_read_to_its_last_row(shared_data):
    persons, notes = vctk._persons(shared_data / "vctk-mini" / "VCTK")
    assert (len(persons), notes) == (109, [])
    assert persons["p374"] == {"gender": "male", "age": 28, "accent": "Australian", "region": "English"}
    assert persons["p376"] == {"gender": "male", "age": 22, "accent": "Indian", "region": ""}
    assert persons["p280"]["region"] == "France"
