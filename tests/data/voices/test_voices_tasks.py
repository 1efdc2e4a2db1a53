"""What Voices is made into: labels for every task, meetings with turns, and a closed set by session."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from voxboard.data import audio
from voxboard.data.corpus import Corpus, attributes_of, speaker_of
from voxboard.data.labels import ORDERS, label_of, texts_of
from voxboard.data.prepare_options import PrepareOptions
from voxboard.data.voices.corpus import make_voices
from voxboard.data.voices.labels import AGE_GROUPS, labels
from voxboard.data.voices.meetings import SAMPLE_RATE, audible, make_meetings
from voxboard.data.voices.sessions import make_sessions
from voxboard.data.voices.speakers import ACCENTS, Speaker, draw_speakers
from voxboard.errors import UserError
from voxboard.metrics.rttm import read_rttm
from voxboard.preparation import prepare

SPEAKER = Speaker("v001", "train", "female", "adult", "f1", "en-gb-scotland", 0.0, 1.0, 30.0, 160.0)


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make_voices(tmp_path_factory.mktemp("voices"), speakers=8, utterances=4, workers=1)


@pytest.fixture(scope="module")
def meetings(voices: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make_meetings(tmp_path_factory.mktemp("made") / "meetings", voices)


def test_a_caption_says_what_the_settings_were() -> None:
    said = labels(SPEAKER, "a" * 20, 2.0)
    assert (said["age_group"], said["pace"], said["style"]) == ("middle-age adult", "slow", "calm")
    assert said["captions"] == [
        "a woman with a Scottish accent speaks slowly",
        "a woman speaks in a calm voice with a Scottish accent",
    ]
    lively = replace(SPEAKER, gender="male", age="senior", language="en-us", liveliness=79.0)
    assert labels(lively, "a" * 40, 2.0)["captions"][0] == "an old man with an American accent speaks fast"


def test_pace_counts_letters_and_age_groups_have_an_order() -> None:
    assert labels(SPEAKER, "ab cd", 1.0)["pace"] == labels(SPEAKER, "abcd", 1.0)["pace"]
    assert set(AGE_GROUPS.values()) <= set(ORDERS[0])
    assert {speaker.accent for speaker in draw_speakers(120, 0)} == set(ACCENTS.values())


def test_every_task_finds_its_labels(voices: Corpus) -> None:
    for cut in voices.all_cuts():
        for name in ("speaker", "gender", "accent", "age_group", "text", "session", "pace", "style"):
            assert label_of(cut, name)
        assert len(texts_of(cut, "caption")) == 2
        assert label_of(cut, "emotion") is None
    assert np.ptp([attributes_of(cut)["level"] for cut in voices.all_cuts()]) > 6


def test_meetings_have_turns_of_unseen_speakers(voices: Corpus, meetings: Corpus) -> None:
    assert (meetings.info.kind, meetings.info.synthetic, meetings.splits) == ("recordings", True, ["valid", "test"])
    for split in meetings.splits:
        speakers = {speaker_of(cut) for cut in voices.cuts(split)}
        written = read_rttm(meetings.folder / "rttm" / f"{split}.rttm")
        for cut in meetings.recordings(split):
            heard = {turn.speaker for turn in cut.supervisions}
            assert len(heard) >= 2
            assert heard <= speakers
            assert max(turn.end for turn in cut.supervisions) < cut.duration
            assert [(t.speaker, t.start, pytest.approx(t.end)) for t in cut.supervisions] == written[cut.id]


def test_turns_are_where_speech_is(meetings: Corpus) -> None:
    for cut in meetings.recordings("test"):
        wave = audio.load(cut)
        inside = np.zeros(len(wave), dtype=bool)
        for turn in cut.supervisions:
            inside[round(turn.start * SAMPLE_RATE) : round(turn.end * SAMPLE_RATE)] = True
        loud, quiet = (np.sqrt(np.mean(wave[mask] ** 2)) for mask in (inside, ~inside))
        assert loud > 4 * quiet


def test_audible_leaves_out_the_noise_at_both_ends() -> None:
    rng = np.random.default_rng(0)
    wave = rng.normal(0, 0.01, 16_000)
    wave[4_000:12_000] += rng.normal(0, 0.1, 8_000)
    first, beyond = audible(wave)
    assert abs(first - 4_000) <= 160
    assert abs(beyond - 12_000) <= 160


def test_the_same_voices_give_the_same_meetings(voices: Corpus, meetings: Corpus, tmp_path: Path) -> None:
    def digests(folder: Path) -> dict[str, str]:
        files = (file for file in folder.rglob("*") if file.suffix in (".flac", ".rttm", ".gz"))
        return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    again = make_meetings(tmp_path / "again", voices)
    assert digests(again.folder) == digests(meetings.folder)
    make_meetings(tmp_path / "again", voices, seed=1)
    assert digests(again.folder) != digests(meetings.folder)


def test_a_folder_with_something_else_is_left_alone(voices: Corpus, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all I have")
    with pytest.raises(UserError, match="something other"):
        make_meetings(tmp_path, voices)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_sessions_have_the_same_speakers_in_every_split(voices: Corpus, tmp_path: Path) -> None:
    closed = make_sessions(tmp_path / "closed", voices)
    speakers = [{speaker_of(cut) for cut in closed.cuts(split)} for split in closed.splits]
    assert closed.splits == ["train", "valid", "test"]
    assert speakers[0] == speakers[1] == speakers[2] == {speaker_of(cut) for cut in voices.cuts("train")}
    assert {attributes_of(cut)["session"][-1] for cut in closed.cuts("train")} == {"1"}
    assert {attributes_of(cut)["session"][-1] for cut in closed.cuts("test")} == {"2"}
    assert all(Path(cut.recording.sources[0].source).is_file() for cut in closed.all_cuts())


def test_what_is_made_takes_no_flags_of_what_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VOXBOARD_CORPORA", str(tmp_path))
    with pytest.raises(UserError, match="speakers says nothing"):
        prepare("Voices-meetings", options=PrepareOptions(speakers=9))
    with pytest.raises(UserError, match="data_path says nothing"):
        prepare("Voices-sessions", tmp_path)
