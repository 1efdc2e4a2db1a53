"""eSpeak NG says the same thing the same way, whatever it said before."""

from __future__ import annotations

import ctypes
import hashlib
import subprocess
import sys
from _ctypes import dlclose
from pathlib import Path

import espeakng_loader
import numpy as np
import numpy.typing as npt
import pytest

from voxboard.data.voices import espeak
from voxboard.data.voices.corpus import make_voices
from voxboard.data.voices.espeak import SAMPLE_RATE, Voice, speak
from voxboard.errors import UserError

TEXT = "the old sailor quietly carried seven boxes"
# Between them: flutter, echo, breath, roughness, and the Klatt synthesiser with C's random numbers.
RESTLESS = [Voice("en-us", name) for name in ("f2", "Alicia", "grandpa", "m2", "Reed", "caleb", "klatt4", "sandro")]


def _f0(samples: npt.NDArray[np.int16]) -> float:
    """Median fundamental frequency of the loud frames, by autocorrelation, Hz."""
    found = []
    for start in range(0, len(samples) - 2048, 512):
        frame = samples[start : start + 2048] / 32768.0
        if np.mean(frame**2) < 0.003:
            continue
        correlation = np.correlate(frame, frame, "full")[2047:]
        found.append(SAMPLE_RATE / (44 + np.argmax(correlation[44:400])))
    return float(np.median(found))


def test_a_voice_does_not_depend_on_what_was_said_before() -> None:
    first = [speak(TEXT, voice) for voice in RESTLESS]
    again = [speak(TEXT, voice) for voice in reversed(RESTLESS)][::-1]
    for voice, one, other in zip(RESTLESS, first, again, strict=True):
        assert np.array_equal(one, other), voice


def test_a_fresh_process_says_the_same() -> None:
    voice = Voice("en-gb-scotland", "f5", rate=150, pitch=40, range=70)
    speak("something else", RESTLESS[0])
    code = (
        "import hashlib; from voxboard.data.voices.espeak import Voice, speak; "
        f"print(hashlib.sha256(speak({TEXT!r}, {voice!r}).tobytes()).hexdigest())"
    )
    fresh = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert fresh == hashlib.sha256(speak(TEXT, voice).tobytes()).hexdigest()


def test_the_knobs_turn() -> None:
    plain = Voice("en-us", "f4", range=0)
    spoken = speak(TEXT, plain)
    assert spoken.dtype == np.int16
    assert 1.0 < len(spoken) / SAMPLE_RATE < 5.0
    assert len(speak(TEXT, Voice("en-us", "f4", rate=230))) < 0.85 * len(spoken)
    higher = speak(TEXT, Voice("en-us", "f4", pitch=round(50 + espeak.PITCH_UNITS / 3), range=0))
    assert np.log2(_f0(higher) / _f0(spoken)) == pytest.approx(1 / 3, abs=0.05)  # a third of an octave
    assert not np.array_equal(speak(TEXT, Voice("en-gb-x-rp", "f4", range=0)), spoken)


def test_every_variant_but_the_plain_ones_has_a_sound_of_its_own() -> None:
    assert len(espeak.variants()) > 90
    digests = [
        hashlib.sha256(speak("violin", Voice("en-us", name)).tobytes()).hexdigest() for name in espeak.variants()
    ]
    assert len(set(digests)) >= len(digests) - 1


def test_what_espeak_does_not_have_is_refused() -> None:
    with pytest.raises(UserError, match="f1"):
        speak(TEXT, Voice("en-us", "f11"))
    with pytest.raises(UserError, match="no language 'xx-nowhere'"):
        speak(TEXT, Voice("xx-nowhere", "f1"))
    assert len(speak(TEXT, Voice("en-us", "f1"))) > SAMPLE_RATE  # and it still speaks


def test_a_library_in_use_elsewhere_is_refused_for_its_state_would_leak() -> None:
    other = ctypes.CDLL(str(espeakng_loader.get_library_path()))
    try:
        with pytest.raises(UserError, match="holds libespeak-ng"):
            speak(TEXT, Voice("en-us", "f1"))
    finally:
        dlclose(other._handle)
    assert len(speak(TEXT, Voice("en-us", "f1"))) > 0


def test_a_data_path_too_long_for_espeak_is_an_error_not_the_end_of_the_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    link = tmp_path / ("x" * 160)
    link.symlink_to(espeakng_loader.get_data_path())
    monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: str(link))
    with pytest.raises(UserError, match="159 characters"):
        speak(TEXT, Voice("en-us", "f1"))


def test_the_version_is_a_version() -> None:
    assert espeak.version().split(".")[0] == "1"


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(UserError, match=r"eSpeak NG, which is not installed") as raised:
        make_voices(tmp_path / "Voices")
    assert "pip install 'voxboard[voices]'" in str(raised.value)
    assert not (tmp_path / "Voices").exists()
