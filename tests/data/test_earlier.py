"""One split prepared after another into one corpus."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from voxboard.cli import main
from voxboard.data.corpus import Corpus
from voxboard.data.prepare_options import PrepareOptions
from voxboard.errors import UserError
from voxboard.preparation import prepare


@pytest.fixture
def parts(tmp_path: Path, speak, corpora: Path) -> Path:
    """Two folders of speech with other speakers, the second with a trial list."""
    for part, speakers in (("one", "ab"), ("two", "cd")):
        for speaker in speakers:
            for take in "12":
                speak(tmp_path / part / speaker / f"{speaker}{take}.wav")
    (tmp_path / "two" / "trials.txt").write_text("1 c/c1.wav c/c2.wav\n0 c/c1.wav d/d1.wav\n")
    return tmp_path


def test_a_split_is_added_from_another_folder_with_its_trial_list(parts, corpora):
    prepare(str(parts / "one"), options=PrepareOptions(split="train", name="X"))
    trials = parts / "two" / "trials.txt"
    prepare(str(parts / "two"), options=PrepareOptions(split="valid", name="X", valid_trials=trials))
    prepare(str(parts / "one"), options=PrepareOptions(split="train", name="X"))
    corpus = Corpus.open(corpora / "X")
    assert {split: [cut.id for cut in corpus.cuts(split)] for split in corpus.splits} == {
        "train": ["a/a1", "a/a2", "b/b1", "b/b2"],
        "valid": ["c/c1", "c/c2", "d/d1", "d/d2"],
    }
    assert corpus.info.counts["valid"]["speakers"] == 2
    assert corpus.trials("valid") == corpora / "X" / "trials-valid.txt"
    assert corpus.trials("valid").is_file()
    assert all(Path(cut.recording.sources[0].source).is_file() for cut in corpus.all_cuts())


def test_what_is_prepared_again_as_another_split_moves_there(parts, corpora):
    prepare(str(parts / "one"), options=PrepareOptions(split="train", name="X"))
    prepare(str(parts / "one"), options=PrepareOptions(split="test", name="X"))
    corpus = Corpus.open(corpora / "X")
    assert corpus.splits == ["test"]
    assert "What the train split held is in this split now." in corpus.info.notes


def test_a_split_that_would_lose_some_utterances_is_left_alone(parts, corpora, speak):
    prepare(str(parts / "one"), options=PrepareOptions(split="train", name="X"))
    speak(parts / "less" / "a" / "a1.wav")
    with pytest.raises(UserError, match=r"1 of 4 utterances of the train split .* are prepared again \(e\.g\. a/a1\)"):
        prepare(str(parts / "less"), options=PrepareOptions(split="valid", name="X"))
    assert len(Corpus.open(corpora / "X").cuts("train")) == 4


def test_a_speaker_of_another_split_is_told(parts, corpora, speak):
    prepare(str(parts / "one"), options=PrepareOptions(split="train", name="X"))
    speak(parts / "more" / "a" / "a9.wav")
    corpus = prepare(str(parts / "more"), options=PrepareOptions(split="valid", name="X"))
    assert any(
        note.startswith("1 speakers are in the train and the valid split (e.g. a)") for note in corpus.info.notes
    )


def test_a_corpus_of_the_other_kind_stays(parts, corpora, speak):
    prepare(str(parts / "one"), options=PrepareOptions(split="train", name="X"))
    speak(parts / "meeting" / "m.wav", seconds=1.0)
    (parts / "m.rttm").write_text("SPEAKER m 1 0.0 0.5 <NA> <NA> s <NA> <NA>\n")
    with pytest.raises(UserError, match="holds utterances, and recordings are prepared"):
        prepare(str(parts / "meeting"), options=PrepareOptions(split="test", name="X", rttm=parts / "m.rttm"))
    assert len(Corpus.open(corpora / "X").cuts("train")) == 4


@pytest.mark.parametrize(("speakers", "warned"), [(5, True), (6, False)])
def test_few_validation_speakers_are_told(tmp_path, speak, corpora, caplog, speakers, warned):
    for number in range(speakers):
        for take in "12":
            speak(tmp_path / "v" / f"s{number}" / f"{number}-{take}.wav")
    speak(tmp_path / "v" / "alone" / "x.wav")
    with caplog.at_level(logging.WARNING, "voxboard"):
        prepare(str(tmp_path / "v"), options=PrepareOptions(split="valid"))
    assert (f"Only {speakers} of {speakers + 1} validation speakers" in caplog.text) == warned


def test_a_trial_list_beside_the_audio_and_the_next_command_are_named(parts, corpora, capsys):
    assert main(["prepare", str(parts / "two"), "--split", "test"]) == 0
    told = capsys.readouterr().err
    assert f"trials.txt looks like a trial list; --test_trials {parts}/two/trials.txt would use it." in told
    assert f"Wrote {corpora}/two/: corpus.json, test.jsonl.gz; the audio stays in {parts}/two." in told
    assert told.endswith("Next: voxboard eval two fbank+statistics\n")
    assert main(["prepare", str(parts / "one"), "--split", "train"]) == 0
    assert "Next: voxboard prepare DATA --split valid --name one" in capsys.readouterr().err
