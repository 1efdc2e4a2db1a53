from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from voxboard.data.prepare_options import PrepareOptions
from voxboard.data.recipes import metadata_table
from voxboard.errors import UserError


def table(root: Path, text: str, name: str = "metadata.csv") -> PrepareOptions:
    (root / name).write_text(text, encoding="utf-8")
    return PrepareOptions(metadata=root / name)


def test_usual_columns_are_recognised_and_all_others_kept(tmp_path, speak):
    speak(tmp_path / "clips" / "a.wav")
    options = table(
        tmp_path,
        "Path,Speaker ID,Sex,Age,Accents,Country,chapter,Sentence,Locale,Subset,emotion,digit,take\n"
        'clips/a.wav,007,F,31,"Scottish, rural",UK,12,"Hello, you.",en,dev-clean,anger,0,03\n',
    )
    scan = metadata_table.scan(tmp_path, options)
    (found,) = scan.utterances
    assert (found.id, found.speaker, found.gender, found.split) == ("clips/a", "007", "female", "valid")
    assert (found.text, found.language) == ("Hello, you.", "en")
    assert found.custom == {
        "age": 31,
        "accent": "Scottish, rural",
        "nationality": "UK",
        "session": "12",
        "emotion": "anger",
        "digit": 0,
        "take": "03",
    }


def test_columns_can_be_mapped_and_ignored(tmp_path, speak):
    speak(tmp_path / "a.wav")
    options = table(tmp_path, "file,clip,who,split\nnonsense,a.wav,s1,holdout\n")
    options = PrepareOptions(metadata=options.metadata, columns={"file": "clip", "speaker": "who", "split": ""})
    (found,) = metadata_table.scan(tmp_path, options).utterances
    assert (found.path.name, found.speaker, found.split) == ("a.wav", "s1", None)
    assert found.custom == {"file": "nonsense", "split": "holdout"}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"spaeker": "who"}, "Did you mean speaker"),
        ({"speaker": "whom"}, "Did you mean who"),
        ({}, "--columns speaker="),
    ],
)
def test_a_mapping_that_fits_nothing_names_the_nearest(tmp_path, columns, words):
    options = table(tmp_path, "file,who\na.wav,s\n")
    with pytest.raises(UserError, match=words):
        metadata_table.scan(tmp_path, PrepareOptions(metadata=options.metadata, columns=columns))


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_any_separator_with_or_without_byte_order_mark(tmp_path, speak, separator, mark):
    speak(tmp_path / "a.wav")
    text = mark + "file,speaker,text\na.wav,s,words\n".replace(",", separator)
    (found,) = metadata_table.scan(tmp_path, table(tmp_path, text)).utterances
    assert (found.speaker, found.text) == ("s", "words")


def test_files_are_found_below_the_table_without_extension_and_by_id(tmp_path, speak):
    speak(tmp_path / "deep" / "clips" / "x" / "a.flac")
    speak(tmp_path / "deep" / "clips" / "y" / "b.flac")
    (tmp_path / "deep").mkdir(exist_ok=True)
    options = table(tmp_path / "deep", "path,speaker\nclips/x/a.flac,s\ny/b.mp3,t\n")
    assert [u.id for u in metadata_table.scan(tmp_path, options).utterances] == ["deep/clips/x/a", "deep/clips/y/b"]
    options = table(tmp_path, "utt,speaker\na,s\nb,t\n")
    found = metadata_table.scan(tmp_path, options).utterances
    assert [(u.id, u.path.name) for u in found] == [("a", "a.flac"), ("b", "b.flac")]


def test_a_name_that_fits_two_files_is_an_error(tmp_path, speak):
    for place in "xy":
        speak(tmp_path / place / "a.wav")
    with pytest.raises(UserError, match=r"could be .*x/a\.wav or .*y/a\.wav"):
        metadata_table.scan(tmp_path, table(tmp_path, "utt,speaker\na,s\n"))


@pytest.mark.parametrize("name", ["../outside.wav", "/etc/passwd"])
def test_a_table_cannot_name_files_outside_the_folder(tmp_path, speak, name):
    speak(tmp_path / "outside.wav")
    (tmp_path / "in").mkdir()
    with pytest.raises(UserError, match="outside"):
        metadata_table.scan(tmp_path / "in", table(tmp_path / "in", f"file,speaker\n{name},s\n"))


@pytest.mark.parametrize(
    ("word", "split"),
    [
        *[("train", "train"), ("Training", "train"), ("train-clean-100", "train")],
        *[("dev", "valid"), ("dev_other", "valid"), ("validation", "valid"), ("val", "valid")],
        *[("test-clean", "test"), ("eval2", "test"), ("testing", "test")],
    ],
)
def test_words_for_splits(tmp_path, word, split):
    (found,) = metadata_table.scan(tmp_path, table(tmp_path, f"file,speaker,split\na.wav,s,{word}\n")).utterances
    assert found.split == split


@pytest.mark.parametrize("word", ["holdout", "", "trainer", "devil", "1"])
def test_other_words_for_splits_are_refused_with_two_ways_out(tmp_path, word):
    with pytest.raises(UserError, match=r"--columns split= or .* --split"):
        metadata_table.scan(tmp_path, table(tmp_path, f"file,speaker,split\na.wav,s,{word}\n"))
    options = PrepareOptions(metadata=tmp_path / "metadata.csv", split="test")
    assert metadata_table.scan(tmp_path, options).utterances[0].split is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no rows"),
        ("file,speaker\n", "no rows"),
        ("file,speaker\na.wav,\n", "a.wav has no speaker"),
        ("speaker\ns\n", "no column for the file"),
        ("file,speaker\na.wav,s\nb.wav,s\na.wav,t\n", "names the utterance 'a' twice"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path, text, words):
    with pytest.raises(UserError, match=words):
        metadata_table.scan(tmp_path, table(tmp_path, text))


def test_a_binary_table_or_none_says_what_is_needed(tmp_path):
    (tmp_path / "metadata.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(UserError, match="CSV file in UTF-8"):
        metadata_table.scan(tmp_path, PrepareOptions())
    (tmp_path / "metadata.csv").unlink()
    with pytest.raises(UserError, match="--metadata TABLE"):
        metadata_table.scan(tmp_path, PrepareOptions())


@pytest.mark.parametrize(
    ("pack", "utterances", "speakers", "custom"),
    [
        ("speech-commands-mini", 891, 200, {"seconds", "rms_dbfs", "peak_dbfs"}),
        ("emodb", 189, 6, {"age", "emotion", "listener_recognition_pct"}),
        ("fsdd-mini", 160, 4, {"accent", "digit", "take"}),
        ("vctk-mini", 20, 2, {"age", "accent", "region"}),
        ("librispeech-mini", 283, 168, {"sha256", "has_transcript"}),
    ],
)
def test_the_tables_of_the_real_packs_are_read(shared_data, pack, utterances, speakers, custom):
    scan = metadata_table.scan(shared_data / pack, PrepareOptions())
    assert len(scan.utterances) == utterances
    assert len({u.speaker for u in scan.utterances}) == speakers
    assert custom <= set(scan.utterances[0].custom)
    assert all(u.path.is_file() for u in scan.utterances)


def test_emodb_keeps_emotion_gender_age_and_leading_zeros(shared_data):
    found = metadata_table.scan(shared_data / "emodb", PrepareOptions()).utterances
    emotions = Counter(u.custom["emotion"] for u in found)
    assert emotions == {"anger": 72, "happiness": 36, "neutral": 47, "sadness": 34}
    assert {(u.speaker, u.gender, u.custom["age"]) for u in found if u.speaker < "09"} == {
        ("03", "male", 31),
        ("08", "female", 34),
    }


def test_audio_that_stands_in_no_row_is_counted(tmp_path, speak):
    for name in "abc":
        speak(tmp_path / f"{name}.wav")
    scan = metadata_table.scan(tmp_path, table(tmp_path, "file,speaker\na.wav,s\n"))
    assert "2 of 3 audio files stand in no row of metadata.csv (e.g. b.wav)." in scan.notes
    scan = metadata_table.scan(tmp_path, table(tmp_path, "file,speaker\na.wav,s\nb.wav,s\nc,t\n"))
    assert not any("stand in no row" in note for note in scan.notes)
