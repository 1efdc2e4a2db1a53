"""Voice activity detection: what it finds in made-up audio, and what it refuses."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.diarization.sources import conversation, cut
from voxboard.diarization import Diarization, regions, vad
from voxboard.errors import UserError

TURNS = [("ann", 1.0, 3.0), ("béla", 4.0, 6.5), ("ann", 6.5, 8.0)]
ENERGY = Diarization(vad="energy")


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_energy_finds_speech_at_any_rate(tmp_path: Path, rate: int) -> None:
    found = vad.detect(conversation(tmp_path, "talk", TURNS, 10.0, rate).cut, ENERGY)
    assert np.allclose(found, [(1.0, 3.0), (4.0, 8.0)], atol=0.12)


def test_energy_does_not_depend_on_the_level(tmp_path: Path) -> None:
    one = conversation(tmp_path, "talk", TURNS, 10.0)
    samples, rate = soundfile.read(tmp_path / "talk.wav")
    soundfile.write(tmp_path / "quiet.wav", samples / 10, rate, subtype="FLOAT")
    found = vad.detect(cut(tmp_path / "quiet.wav"), ENERGY)
    assert np.allclose(found, vad.detect(one.cut, ENERGY), atol=0.05)


@pytest.mark.parametrize("level", [0.0, 0.1])
def test_silence_and_steady_noise_hold_no_speech(tmp_path: Path, level: float) -> None:
    samples = level * np.random.default_rng(0).standard_normal(80_000)
    soundfile.write(tmp_path / "flat.wav", samples, 16_000)
    assert vad.detect(cut(tmp_path / "flat.wav"), ENERGY) == []


def test_blocks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = conversation(tmp_path, "talk", TURNS, 10.0).cut
    whole = vad.detect(one, ENERGY)
    monkeypatch.setattr(vad.blocks, "__defaults__", (None, 1.0))
    assert np.allclose(vad.detect(one, ENERGY), whole, atol=0.011)


def test_the_oracle_knows_the_reference_within_recording_and_uem(tmp_path: Path) -> None:
    one = conversation(tmp_path, "talk", TURNS, 10.0)
    speech = regions.spoken([*TURNS, ("ann", 9.0, 30.0), ("ann", 5.0, 5.0)])
    assert vad.detect(one.cut, Diarization(), speech) == [(1.0, 3.0), (4.0, 8.0), (9.0, 10.0)]
    assert vad.detect(one.cut, Diarization(), speech, [(2.0, 5.0)]) == [(2.0, 3.0), (4.0, 5.0)]
    assert vad.detect(one.cut, Diarization(vad="none")) == [(0.0, 10.0)]
    with pytest.raises(UserError, match="Oracle VAD needs"):
        vad.detect(one.cut, Diarization())


def test_silero_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "silero_vad", None)
    with pytest.raises(UserError, match="pip install 'silero-vad"):
        vad.detect(conversation(tmp_path, "talk", TURNS, 10.0).cut, Diarization(vad="silero"))


def test_silero_hears_real_speech_and_leaves_the_threads_alone(shared_data: Path) -> None:
    pytest.importorskip("silero_vad", reason="silero-vad is not installed")
    audio = shared_data / "diarization" / "ami-excerpts" / "audio" / "sample.flac"
    found = vad.detect(cut(audio), Diarization(vad="silero"))
    assert torch.get_num_threads() == 1
    assert 15 < sum(end - start for start, end in found) < 24  # 22.5 s by the reference
