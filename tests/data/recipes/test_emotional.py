"""Corpora with labels, in tiny trees that are laid out as their distributors do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from voxboard import benchmarks
from voxboard.data.catalogue import CORPORA
from voxboard.data.corpus import Corpus
from voxboard.data.labels import label_of
from voxboard.data.prepare_options import PrepareOptions
from voxboard.errors import UserError
from voxboard.preparation import prepare


def labels(corpus: Corpus) -> dict[str, tuple[object, ...]]:
    """Utterance → split, speaker, gender, text, emotion, age."""
    return {
        cut.id: (split, *(label_of(cut, name) for name in ("speaker", "gender", "text", "emotion", "age")))
        for split in corpus.splits
        for cut in corpus.cuts(split)
    }


def test_crema_d_has_its_actors_ages_and_sentences(tmp_path, speak, corpora):
    root = tmp_path / "CREMA-D"
    for actor in range(1001, 1007):
        speak(root / "AudioWAV" / f"{actor}_DFA_ANG_XX.wav")
        speak(root / "AudioWAV" / f"{actor}_IEO_HAP_HI.wav")
    speak(root / "AudioWAV" / "1040_ITH_SAD_X.wav")  # so in the release
    table = "ActorID,Age,Sex,Race,Ethnicity\n" + "".join(
        f"{actor},{50 + actor % 10},{'Male' if actor % 2 else 'Female'},Caucasian,Not Hispanic\n"
        for actor in [*range(1001, 1007), 1040]
    )
    (root / "VideoDemographics.csv").write_text(table)
    corpus = prepare("crema-d", root / "AudioWAV")
    found = labels(corpus)
    assert len(found) == 13
    assert found["1001_DFA_ANG_XX"][1:] == ("1001", "male", "Don't forget a jacket.", "angry", 51)
    assert found["1040_ITH_SAD_X"][1:] == ("1040", "female", "I think I have a doctor's appointment.", "sad", 50)
    assert len({(split, speaker) for split, speaker, *_ in found.values()}) == 7  # nobody is in two splits
    cut = next(cut for split in corpus.splits for cut in corpus.cuts(split) if cut.id == "1001_IEO_HAP_HI")
    assert (label_of(cut, "intensity"), label_of(cut, "age_group")) == ("high", "middle-age adult")


def test_crema_d_without_its_table_says_what_is_unknown(tmp_path, speak, corpora):
    speak(tmp_path / "wav" / "1001_DFA_ANG_XX.wav")
    corpus = prepare("CREMA-D", tmp_path / "wav", options=PrepareOptions(split="test"))
    assert any("VideoDemographics.csv is not there" in note for note in corpus.info.notes)
    assert labels(corpus)["1001_DFA_ANG_XX"][2] is None


def test_ravdess_leaves_songs_out_and_takes_a_file_that_is_there_twice_once(tmp_path, speak, corpora):
    for actor in range(1, 7):
        for copy in (f"Actor_{actor:02d}", f"audio_speech_actors_01-24/Actor_{actor:02d}"):
            speak(tmp_path / "R" / copy / f"03-01-06-01-02-01-{actor:02d}.wav")
            speak(tmp_path / "R" / copy / f"03-01-02-02-01-02-{actor:02d}.wav")
    speak(tmp_path / "R" / "Actor_01" / "03-02-05-01-01-01-01.wav")
    corpus = prepare("RAVDESS", tmp_path / "R")
    found = labels(corpus)
    assert len(found) == 12
    assert found["03-01-06-01-02-01-03"][1:] == ("Actor_03", "male", "Dogs are sitting by the door.", "fear", None)
    assert found["03-01-02-02-01-02-06"][1:5] == ("Actor_06", "female", "Kids are talking by the door.", "calm")
    assert "1 songs are left out." in corpus.info.notes


def test_tess_is_trained_on_one_woman_and_tested_on_the_other(tmp_path, speak, corpora):
    for name in ("OAF_back_angry", "OA_bite_neutral", "YAF_back_ps", "notes"):
        speak(tmp_path / "T" / f"{name}.wav")
    corpus = prepare("TESS", tmp_path / "T")
    assert labels(corpus) == {
        "OAF_back_angry": ("train", "OAF", "female", "Say the word back.", "angry", 64),
        "OA_bite_neutral": ("train", "OAF", "female", "Say the word bite.", "neutral", 64),
        "YAF_back_ps": ("test", "YAF", "female", "Say the word back.", "surprised", 26),
    }
    assert any("1 files have other names" in note for note in corpus.info.notes)


def test_iemocap_has_emotions_ratings_and_texts_and_keeps_sessions_whole(tmp_path, speak, corpora):
    for session, dialogue in (("1", "Ses01F_impro01"), ("4", "Ses04M_script01_1"), ("5", "Ses05F_impro02")):
        root = tmp_path / "IEMOCAP" / f"Session{session}"
        for turn in ("F000", "M000"):
            speak(root / "sentences" / "wav" / dialogue / f"{dialogue}_{turn}.wav")
        emotions = root / "dialog" / "EmoEvaluation" / f"{dialogue}.txt"
        emotions.parent.mkdir(parents=True)
        emotions.write_text(
            "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
            f"[6.2901 - 8.2357]\t{dialogue}_F000\tfru\t[2.5000, 3.5000, 2.0000]\n"
            "C-E2:\tNeutral;\t()\n"
            f"[10.0100 - 11.3925]\t{dialogue}_M000\txxx\t[2.5000, 2.5000, 2.5000]\n"
        )
        texts = root / "dialog" / "transcriptions" / f"{dialogue}.txt"
        texts.parent.mkdir(parents=True)
        texts.write_text(f"{dialogue}_F000 [006.2901-008.2357]: Excuse me.\nF: (laughs)\n")
    corpus = prepare("IEMOCAP", tmp_path / "IEMOCAP")
    found = labels(corpus)
    assert found["Ses01F_impro01_F000"] == ("train", "Ses01F", "female", "Excuse me.", "frustrated", None)
    assert found["Ses01F_impro01_M000"] == ("train", "Ses01M", "male", None, None, None)
    assert [found[f"{name}_F000"][0] for name in ("Ses04M_script01_1", "Ses05F_impro02")] == ["valid", "test"]
    assert found["Ses04M_script01_1_F000"][1] == "Ses04F"  # the dialogue's letter is who wore the markers
    (first, _) = sorted(corpus.cuts("train"), key=lambda cut: cut.id)
    assert [label_of(first, name) for name in ("valence", "activation", "dominance")] == [2.5, 3.5, 2.0]


def test_emo_db_knows_its_speakers_and_keeps_boredom(tmp_path, speak, corpora):
    for speaker in ("03", "08", "09", "10", "11", "16"):
        speak(tmp_path / "wav" / f"{speaker}a01Fa.wav")
        speak(tmp_path / "wav" / f"{speaker}b02Lb.wav")
    corpus = prepare("emo-db", tmp_path)
    found = labels(corpus)
    assert found["16a01Fa"][1:] == ("16", "female", "Der Lappen liegt auf dem Eisschrank.", "happy", 31)
    assert found["10b02Lb"][1:3] + found["10b02Lb"][4:] == ("10", "male", "boredom", 32)
    assert any("6 utterances are bored" in note for note in corpus.info.notes)


def common_voice(root: Path, speak, tables: dict[str, list[str]]) -> None:
    for name, speakers in tables.items():
        rows = ["client_id\tpath\tsentence\tage\tgender\taccents\tlocale"]
        for number, speaker in enumerate(speakers):
            speak(root / "clips" / f"cv_{name}_{number}.mp3")
            rows.append(f'{speaker}\tcv_{name}_{number}.mp3\t"So he said\tfourties\tmale_masculine\tScottish\ten')
        (root / f"{name}.tsv").write_text("\n".join([*rows, ""]))


def test_common_voice_keeps_its_own_splits(tmp_path, speak, corpora):
    common_voice(tmp_path / "cv" / "en", speak, {"train": ["a", "a"], "dev": ["b"], "test": ["c"]})
    corpus = prepare("CommonVoice", tmp_path / "cv")
    found = labels(corpus)
    assert Counter(split for split, *_ in found.values()) == {"train": 2, "valid": 1, "test": 1}
    assert found["cv_dev_0"][1:4] == ("b", "male", '"So he said')
    (cut,) = corpus.cuts("test")
    assert (label_of(cut, "age_group"), label_of(cut, "accent")) == ("fourties", "Scottish")


def test_common_voice_splits_what_has_no_splits_and_refuses_two_languages(tmp_path, speak, corpora):
    common_voice(tmp_path / "cv" / "en", speak, {"validated": [*"aabbccddeeff"]})
    corpus = prepare("CommonVoice", tmp_path / "cv" / "en")
    assert corpus.splits == ["train", "valid", "test"]
    (tmp_path / "cv" / "ca" / "clips").mkdir(parents=True)
    with pytest.raises(UserError, match="several languages: ca, en"):
        prepare("CommonVoice", tmp_path / "cv")


@pytest.mark.parametrize("name", ["CREMA-D", "RAVDESS", "TESS", "EMO-DB", "IEMOCAP", "CommonVoice"])
def test_a_folder_of_something_else_is_refused_with_one_sentence(tmp_path, speak, corpora, name):
    speak(tmp_path / "x" / "speech.wav")
    with pytest.raises(UserError, match=r"under .*looked for"):
        prepare(name, tmp_path / "x")


def test_speakers_can_be_left_out_one_by_one(tmp_path, speak, corpora):
    for speaker in ("03", "08", "09"):
        speak(tmp_path / f"{speaker}a01Fa.wav")
    fold = prepare("EMO-DB", tmp_path, options=PrepareOptions(test_speakers=("08",), name="EMO-DB-08"))
    assert {name: row[0] for name, row in labels(fold).items()} == {
        "03a01Fa": "train",
        "08a01Fa": "test",
        "09a01Fa": "train",
    }
    both = prepare("EMO-DB", tmp_path, options=PrepareOptions(test_speakers=("08",), valid_speakers=("09",)))
    assert labels(both)["09a01Fa"][0] == "valid"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"test_speakers": ("7",)}, "Unknown speaker '7'"),
        ({"test_speakers": ("03",), "valid_speakers": ("03",)}, "03 is both a validation and a test speaker"),
        ({"test_speakers": ("03", "08", "09")}, "none are left to train on"),
        ({"valid_speakers": ("03",)}, "no test speakers"),
        ({"test_speakers": ("03",), "split": "test"}, "both say who is in which split"),
    ],
)
def test_held_out_speakers_that_make_no_split_are_refused(tmp_path, speak, corpora, said, words):
    for speaker in ("03", "08", "09"):
        speak(tmp_path / f"{speaker}a01Fa.wav")
    with pytest.raises(UserError, match=words):
        prepare("EMO-DB", tmp_path, options=PrepareOptions(**said))


def test_every_card_of_a_label_names_a_known_corpus_and_a_task():
    cards = [card for card in benchmarks.cards().values() if card.task == "attributes"]
    assert {"emodb-emotion", "crema-d-age", "vox1-gender", "voices-accent"} <= {card.name for card in cards}
    for card in cards:
        assert card.corpus in CORPORA
        assert benchmarks.create(card.task, **card.options).name == card.options["label"]
