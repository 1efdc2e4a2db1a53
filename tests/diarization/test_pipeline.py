"""Diarization from audio to turns: made-up conversations, a real meeting, and what is not speech."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from lhotse import MonoCut, Recording

from tests.diarization.sources import conversation, cut, encoder
from tests.diarization.test_vbx import speech
from voxboard.diarization import Conversation, Diarization, Prepared, diarize, diarize_all, regions, tune
from voxboard.errors import BadAudio, UserError
from voxboard.metrics.diarization import der
from voxboard.metrics.rttm import read_rttm, read_uem, write_rttm

DEV = [("ann", 0.5, 4.0), ("béla", 4.0, 7.0), ("cem", 8.0, 11.0), ("ann", 11.0, 13.0), ("cem", 13.5, 15.0)]
TEST = [("cem", 0.0, 3.0), ("ann", 3.2, 6.0), ("cem", 6.0, 8.5), ("béla", 9.0, 11.4), ("béla", 11.8, 12.0)]


def two(folder: Path, rate: int = 16_000) -> tuple[Conversation, Conversation]:
    return conversation(folder, "dev", DEV, 15.5, rate), conversation(folder, "meeting", TEST, 12.5, rate)


@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_speakers_are_told_apart_with_a_threshold_from_dev(tmp_path: Path, rate: int) -> None:
    dev, test = two(tmp_path, rate)
    tuned = tune(encoder(), [dev], Diarization())
    assert tuned.der == min(error for _, error in tuned.tried) < 0.06
    assert tuned.der < max(error for _, error in tuned.tried)
    found = diarize_all(encoder(), [test], tuned.settings)
    assert der({"meeting": TEST}, found, 0.25) < 0.02
    assert der({"meeting": TEST}, found, 0.0) < 0.1
    assert len({speaker for speaker, _, _ in found["meeting"]}) == 3
    assert found == diarize_all(encoder(), [test], tuned.settings)


@pytest.mark.parametrize("clustering", ["agglomerative", "spectral"])
def test_the_oracle_counts_speakers(tmp_path: Path, clustering: str) -> None:
    _, test = two(tmp_path)
    settings = Diarization(clustering=clustering, oracle_speakers=True)
    found = diarize_all(encoder(), [test], settings)["meeting"]
    assert der(TEST, found, 0.25) < 0.05
    only = diarize(encoder(), test.cut, settings, regions.spoken(TEST), 1)
    assert {speaker for speaker, _, _ in only} == {"speaker00"}
    with pytest.raises(UserError, match="no reference to count"):
        diarize_all(encoder(), [replace(test, reference=None)], replace(settings, vad="none"))


def test_without_the_reference_energy_finds_the_speech(tmp_path: Path) -> None:
    said = [("cem", 0.5, 3.5), ("ann", 4.5, 7.5), ("béla", 8.5, 11.5), ("cem", 12.5, 15.5)]
    one = conversation(tmp_path, "apart", said, 16.0)
    found = diarize(encoder(), one.cut, Diarization(vad="energy"), num_speakers=3)
    assert der(said, found, 0.25) < 0.02
    assert der(said, found, 0.0) < 0.1


def test_turns_stay_within_the_uem_and_go_through_rttm(tmp_path: Path) -> None:
    _, test = two(tmp_path)
    found = diarize_all(encoder(), [replace(test, uem=[(2.0, 5.0)])], Diarization())
    assert found["meeting"][0][1] == 2.0
    assert found["meeting"][-1][2] == 5.0
    write_rttm(found, tmp_path / "found.rttm")
    again = read_rttm(tmp_path / "found.rttm")
    assert [turn[0] for turn in again["meeting"]] == [turn[0] for turn in found["meeting"]]
    assert np.allclose([turn[1:] for turn in again["meeting"]], [turn[1:] for turn in found["meeting"]])


def test_nothing_said_is_no_turns(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(32_000), 16_000)
    silent = cut(tmp_path / "silent.wav")
    assert diarize(encoder(), silent, Diarization(vad="energy")) == []
    assert diarize(encoder(), silent, Diarization(), []) == []
    assert diarize(encoder(), silent, Diarization(), [(0.5, 0.5)]) == []
    assert diarize(encoder(), silent, Diarization(vad="none"), uem=[(5.0, 9.0)]) == []


def test_audio_of_no_length_is_no_turns(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16_000)
    recording = Recording.from_file(tmp_path / "empty.wav")
    empty = MonoCut("empty", 0, recording.duration, 0, recording=recording)
    for vad in ("energy", "none"):
        assert diarize(encoder(), empty, Diarization(vad=vad)) == []


def test_audio_that_is_gone_is_named(tmp_path: Path) -> None:
    dev, _ = two(tmp_path)
    (tmp_path / "dev.wav").unlink()
    with pytest.raises(BadAudio, match=r"dev\.wav is not there"):
        diarize(encoder(), dev.cut, Diarization(vad="energy"))


def test_vbx_wants_a_plda_and_refines_with_it() -> None:
    rows, truth, plda = speech([0, 1, 0, 1], 20)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    from voxboard.diarization.windows import windows

    pieces = windows([(0.0, 60.75)], 100, 6075, Diarization())
    assert len(pieces) == len(truth)
    prepared = Prepared([(0.0, 60.75)], pieces, rows, 100)
    settings = Diarization(resegmentation="vbx", num_speakers=5)
    with pytest.raises(UserError, match="PLDA"):
        prepared.turns(settings)
    refined, plain = prepared.turns(settings, plda=plda), prepared.turns(replace(settings, resegmentation="none"))
    assert len(refined) < len(plain)


def test_settings_that_cannot_be_are_refused() -> None:
    for wrong in ({"hop": 2.0}, {"window": 0.0}, {"threshold": 3.0}, {"max_speakers": 0}, {"fa": 0.0}, {"loop": 1.0}):
        with pytest.raises(UserError):
            Diarization(**wrong)
    with pytest.raises(UserError, match="Did you mean spectral"):
        Diarization(clustering="spectrl")  # type: ignore[arg-type]


def test_real_meetings_are_one_speaker_at_worst_where_that_is_told(shared_data: Path) -> None:
    folder = shared_data / "diarization" / "ami-excerpts"
    reference, uem = read_rttm(folder / "rttm"), read_uem(folder / "uem")
    names = ["trn00", "trn02", "dev01"]
    meetings = [
        Conversation(name, cut(folder / "audio" / f"{name}.flac"), reference[name], uem[name]) for name in names
    ]
    kept = {name: reference[name] for name in names}
    tuned = tune(encoder(), meetings, Diarization())
    one = diarize_all(encoder(), meetings, Diarization(num_speakers=1))
    scored = {name: uem[name] for name in names}
    found = diarize_all(encoder(), meetings, tuned.settings)
    assert tuned.der == der(kept, found, 0.0, uem=scored) <= der(kept, one, 0.0, uem=scored)
