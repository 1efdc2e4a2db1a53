"""Where labels come from: tables as corpora bring them, names of utterances, and prepared corpora."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxboard.errors import UserError
from voxboard.trials import Trials, metadata, read, source
from voxboard.trials.labels import Coded
from voxboard.trials.name_patterns import labels_of, speakers_in


def labels(names: list[str]) -> tuple[str, dict[str, list[str | None]]]:
    corpus, found = labels_of(names)
    return corpus, {name: _texts(coded) for name, coded in found.items()}


def _texts(coded: Coded) -> list[str | None]:
    return [coded.values[code] if code >= 0 else None for code in coded.codes]


@pytest.mark.parametrize(
    ("names", "corpus", "found"),
    [
        (
            ["dev-clean/8297/8297-275154-0022.wav", "/x/dev-other/116/288045/116-288045-0000.flac"],
            "LibriSpeech",
            {
                "subset": ["dev-clean", "dev-other"],
                "session": ["8297-275154", "116-288045"],
                "speaker": ["8297", "116"],
            },
        ),
        (["8297-275154-0022"], "LibriSpeech", {"session": ["8297-275154"], "speaker": ["8297"]}),
        (
            ["id10270/5r0dWxy17C8/00001.wav", "wav/id10271/-_GWXujl-xA/00017"],
            "VoxCeleb",
            {"speaker": ["id10270", "id10271"], "session": ["5r0dWxy17C8", "-_GWXujl-xA"]},
        ),
        (
            ["p263/p263_383.wav", "s5_007_mic1.flac"],
            "VCTK",
            {"speaker": ["p263", "s5"], "number": ["383", "007"], "text": [None, "007"]},
        ),
        (["bed\\00f0204f_nohash_0.flac"], "Speech Commands", {"text": ["bed"], "speaker": ["00f0204f"]}),
        (["p263_383", "anna/001.wav"], "", {}),
        ([], "", {}),
    ],
)
def test_names_tell_what_their_corpus_puts_into_them(
    names: list[str], corpus: str, found: dict[str, list[str | None]]
) -> None:
    assert labels(names) == (corpus, found)


def test_a_known_speaker_is_found_in_any_path() -> None:
    found = speakers_in(["x/anna/1.wav", "ben_02.flac", "ben/anna-1/3"], {"anna", "ben", "carl"})
    assert found is not None
    assert _texts(found) == ["anna", "ben", "ben"]
    assert speakers_in(["anna/ben/1.wav"], {"anna", "ben"}) is None
    assert speakers_in(["anna/1.wav", "unknown/1.wav"], {"anna"}) is None


@pytest.mark.parametrize(
    ("table", "speakers", "first"),
    [
        ("voxceleb-lists/vox1_meta.csv", 1251, {"speaker": "id10001", "gender": "male", "nationality": "Ireland"}),
        ("voxceleb-lists/vox2_meta.csv", 6114, {"speaker": "id00012", "gender": "male"}),
        ("librispeech-mini/LibriSpeech/SPEAKERS.TXT", 2484, {"speaker": "14", "gender": "female"}),
        (
            "vctk-mini/VCTK/speaker-info.txt",
            109,
            {"speaker": "p225", "accent": "English", "region": "Southern England"},
        ),
        ("speech-commands-mini/metadata.csv", 200, {"speaker": "00f0204f", "utterance": "bed/00f0204f_nohash_0.flac"}),
        ("librispeech-mini/manifest.csv", 168, {"utterance": "61-70968-0000", "gender": "male"}),
    ],
)
def test_tables_are_read_as_corpora_bring_them(
    table: str, speakers: int, first: dict[str, str], shared_data: Path
) -> None:
    found = metadata.read(shared_data / table)
    assert found["speaker"].nunique() == speakers
    assert {name: found[name].iloc[0] for name in first} == first


def test_a_split_of_a_table_is_chosen_by_its_own_words(shared_data: Path) -> None:
    celebrities = shared_data / "voxceleb-lists/vox1_meta.csv"
    # VoxCeleb's "dev" is what is trained on.
    assert [len(metadata.read(celebrities, split=name)) for name in ("test", "train", "dev")] == [40, 1211, 1211]
    libri = shared_data / "librispeech-mini/LibriSpeech/SPEAKERS.TXT"
    assert [len(metadata.read(libri, split=name)) for name in ("valid", "test", "train", "dev-other")] == [
        73, 73, 2338, 33,
    ]  # fmt: skip
    with pytest.raises(UserError, match="no rows of the split valid"):
        metadata.read(celebrities, split="valid")
    with pytest.raises(UserError, match="no column for the split"):
        metadata.read(shared_data / "vctk-mini/VCTK/speaker-info.txt", split="test")


def test_training_speakers_are_those_of_the_training_split_or_all_without_one(
    shared_data: Path, tmp_path: Path
) -> None:
    celebrities = str(shared_data / "voxceleb-lists/vox1_meta.csv")
    assert len(source.training_speakers(celebrities)) == 1211
    assert len(source.training_speakers(celebrities, "test")) == 40
    (tmp_path / "t.csv").write_text("speaker\na\nb\n")
    assert source.training_speakers(str(tmp_path / "t.csv")) == ["a", "b"]


def test_speakers_get_utterances_by_name_by_number_or_as_the_table_counts(tmp_path: Path) -> None:
    (tmp_path / "speakers.csv").write_text("ID,GENDER,COUNTS\np225,F,2\np226,M,1\n")  # as UniPool-SV writes them
    (tmp_path / "list").write_text("p225/p225_101.wav 3.2\n\np226/p226_007.wav\np999/p999_001.wav\n")
    named, notes = source.utterances(str(tmp_path / "speakers.csv"), listed=tmp_path / "list")
    assert (named["speaker"].tolist(), named["gender"].tolist(), notes) == (["p225", "p226"], ["female", "male"], [])
    counted, notes = source.utterances(str(tmp_path / "speakers.csv"))
    assert counted["utterance"].tolist() == ["p225/0001", "p225/0002", "p226/0001"]
    assert "names speakers only: utterances such as p225/0001 are made up, 3 in all" in notes[0]
    made, _ = source.utterances(str(tmp_path / "speakers.csv"), per_speaker=3)
    assert len(made) == 6


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("name,gender\nx,F\n", "no column for the speaker"),
        ("speaker,gender\nx,F\n", "names speakers, but no utterances"),
        ("speaker,gender\n", "has no rows"),
        ("", "cannot be read as a table"),
        ("speaker,gender\na,b\na,b,c\n", "cannot be read as a table"),
    ],
)
def test_tables_without_what_is_needed_are_refused(content: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(UserError, match=problem):
        source.utterances(str(tmp_path / "t.csv"))


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("speaker,gender\nx,F\n")
    with pytest.raises(UserError, match="Unknown column of t.csv 'who'"):
        source.utterances(str(tmp_path / "t.csv"), columns={"speaker": "who"})


def test_parquet_is_read_where_there_is_a_reader_and_else_asked_for(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(UserError, match="needs pyarrow|cannot be read as Parquet"):
        metadata.read(tmp_path / "t.parquet")


def test_labels_of_a_list_come_from_the_table_and_else_from_names(tmp_path: Path) -> None:
    trials = Trials.of([1, 0], ["p225/p225_101.wav"] * 2, ["p225/p225_102.wav", "p226/p226_101.wav"])
    (tmp_path / "speakers.csv").write_text("speaker,gender,session\np225,F,\n")
    found, how = source.labels_for(trials, str(tmp_path / "speakers.csv"))
    assert _texts(found["gender"]) == ["female", "female", None]
    assert "number" in found
    assert how.endswith("speakers.csv")
    (tmp_path / "files.csv").write_text(
        "file,who,session\nwav48/p225/p225_101.flac,anna,1\nwav48/p226/p226_101.flac,ben,2\n"
    )
    found, _ = source.labels_for(trials, str(tmp_path / "files.csv"), {"speaker": "who"})
    assert _texts(found["speaker"]) == ["anna", None, "ben"]
    with pytest.raises(UserError, match="does not say whose they are"):
        source.labels_for(Trials.of([1], ["a"], ["b"]), str(tmp_path / "speakers.csv"))
    with pytest.raises(UserError, match="No utterance of trials is in"):
        source.labels_for(Trials.of([1], ["a"], ["b"]), str(tmp_path / "files.csv"), {"speaker": "who"})


def test_voxceleb_utterances_meet_their_speakers(shared_data: Path) -> None:
    lists = shared_data / "voxceleb-lists"
    table, _ = source.utterances(str(lists / "vox1_meta.csv"), listed=lists / "vox1_test_durations.txt.gz")
    assert (len(table), table["speaker"].nunique(), table["session"].nunique()) == (4874, 40, 676)
    assert (
        set(read(lists / "vox1_O_cleaned.veri_test2.txt.gz").utterances) - {f"{u}.wav" for u in table["utterance"]}
        == set()
    )
