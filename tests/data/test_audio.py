from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from voxboard.data import audio
from voxboard.data.scan import find_audio
from voxboard.errors import BadAudio


def tone(path: Path, frequency: float, rate: int, seconds: float = 0.5, **options: object) -> Path:
    times = np.arange(round(rate * seconds)) / rate
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * frequency * times), rate, **options)
    return path


def level(samples: np.ndarray) -> float:
    """dB of a sine's amplitude, away from the edges."""
    return float(20 * np.log10(np.std(samples[500:-500]) * np.sqrt(2) + 1e-9))


@pytest.mark.parametrize(
    ("suffix", "subtype"), [("wav", "PCM_16"), ("wav", "PCM_24"), ("wav", "FLOAT"), ("flac", "PCM_24"), ("ogg", None)]
)
def test_every_encoding_comes_out_as_the_same_float32(tmp_path, cut_of, suffix, subtype):
    samples = audio.load(cut_of(tone(tmp_path / f"a.{suffix}", 440, 16000, subtype=subtype)))
    assert samples.dtype == np.float32
    assert samples.shape == (8000,)
    assert level(samples) == pytest.approx(-6.02, abs=0.05)


@pytest.mark.smoke
@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_other_rates_are_converted_to_16_khz_without_changing_pitch_or_level(tmp_path, cut_of, rate):
    cut = cut_of(tone(tmp_path / "a.wav", 1000, rate))
    samples = audio.load(cut)
    assert len(samples) == audio.num_samples(cut) == -(-round(rate / 2) * 16000 // rate)
    assert level(samples) == pytest.approx(-6.02, abs=0.05)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert spectrum.argmax() * 16000 / len(samples) == pytest.approx(1000, abs=3)


def test_converting_48_khz_keeps_7_khz_and_removes_what_would_fold_back(tmp_path, cut_of):
    kept = audio.load(cut_of(tone(tmp_path / "kept.wav", 7000, 48000)))
    folded = audio.load(cut_of(tone(tmp_path / "folded.wav", 8500, 48000)))
    assert level(kept) == pytest.approx(-6.02, abs=0.1)
    assert level(folded) < -60


def test_stereo_becomes_the_mean_of_its_channels(tmp_path, cut_of):
    left, right = np.full(1600, 0.5), np.full(1600, -0.25)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), 16000, subtype="FLOAT")
    np.testing.assert_allclose(audio.load(cut_of(tmp_path / "a.wav")), 0.125, atol=1e-6)


def test_a_recording_of_one_file_per_channel_is_read_from_all_of_them(tmp_path, cut_of, speak):
    cut = cut_of(speak(tmp_path / "both.wav", channels=2, subtype="FLOAT"))
    both = audio.load(cut)
    samples, _ = soundfile.read(tmp_path / "both.wav", dtype="float32")
    source = cut.recording.sources[0]
    sources = []
    for channel in (0, 1):
        soundfile.write(tmp_path / f"{channel}.wav", samples[:, channel], 16000, subtype="FLOAT")
        sources.append(type(source)(type="file", channels=[channel], source=str(tmp_path / f"{channel}.wav")))
    cut.recording.sources = sources
    np.testing.assert_allclose(audio.load(cut), both, atol=1e-7)


def test_a_cut_from_the_middle_of_a_recording_is_that_part(tmp_path, cut_of, speak):
    cut = cut_of(speak(tmp_path / "a.wav", seconds=1.0))
    part = cut.truncate(offset=0.25, duration=0.5)
    np.testing.assert_array_equal(audio.load(part), audio.load(cut)[4000:12000])
    np.testing.assert_array_equal(audio.window(part, 100, 50), audio.load(cut)[4100:4150])


@pytest.fixture(scope="module")
def recordings(tmp_path_factory, cut_of, speak):
    folder = tmp_path_factory.mktemp("rates")
    cuts = [cut_of(speak(folder / f"{rate}.wav", 1.37, rate)) for rate in (8000, 16000, 22050, 44100, 48000)]
    return [(cut, audio.load(cut)) for cut in cuts]


@settings(max_examples=150, deadline=None)
@given(which=st.integers(0, 4), start=st.floats(0, 1, exclude_max=True), length=st.integers(1, 30_000))
def test_a_window_equals_that_part_of_the_whole_at_any_rate(recordings, which, start, length):
    cut, whole = recordings[which]
    first = int(start * len(whole))
    part = audio.window(cut, first, length)
    assert len(part) == min(length, len(whole) - first)
    np.testing.assert_allclose(part, whole[first : first + length], atol=1e-6)


def test_a_window_outside_the_cut_is_a_mistake_of_the_code(tmp_path, cut_of, speak):
    cut = cut_of(speak(tmp_path / "a.wav"))
    for start, length in ((-1, 10), (800, 10), (0, 0)):
        with pytest.raises(ValueError, match="Window"):
            audio.window(cut, start, length)


def test_a_window_of_a_long_file_reads_only_what_it_needs(tmp_path, cut_of, speak, monkeypatch):
    cut = cut_of(speak(tmp_path / "long.flac", seconds=60))
    read: list[int] = []
    original = soundfile.SoundFile.read
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda file, n, **k: read.append(n) or original(file, n, **k))
    assert len(audio.window(cut, 500_000, 48_000)) == 48_000
    assert read == [48_000]


def broken(folder: Path) -> dict[str, tuple[Path, str]]:
    """Files that cannot be used, and the words that have to explain each."""
    whole = folder / "whole.wav"
    soundfile.write(whole, np.zeros(16000), 16000)
    content = whole.read_bytes()
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("hello world\n" * 100)
    (folder / "header.wav").write_bytes(content[:44])
    (folder / "half.wav").write_bytes(content[:9000])
    (folder / "cut header.wav").write_bytes(content[:20])
    soundfile.write(folder / "silent.wav", np.zeros(0), 16000)
    (folder / "folder.wav").mkdir()
    return {
        "missing": (folder / "missing.flac", "is not there"),
        "empty": (folder / "empty.wav", "is empty"),
        "text": (folder / "text.wav", "not audio"),
        "header": (folder / "header.wav", "truncated"),
        "half": (folder / "half.wav", "truncated"),
        "cut header": (folder / "cut header.wav", "not audio"),
        "no samples": (folder / "silent.wav", "no samples"),
        "folder": (folder / "folder.wav", "cannot be opened"),
    }


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "header", "half", "cut header", "no samples", "folder"])
def test_a_file_that_cannot_be_used_is_named_with_what_is_wrong(tmp_path, kind):
    path, words = broken(tmp_path)[kind]
    with pytest.raises(BadAudio, match=words) as error:
        audio.probe(path)
    assert str(path) in error.value.problem


def test_a_stream_header_that_announces_the_largest_size_is_fine(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(1600), 16000)
    content = bytearray(path.read_bytes())
    content[40:44] = b"\xff" * 4
    path.write_bytes(content)
    assert audio.probe(path).frames == 1600


@pytest.mark.parametrize("suffix", ["flac", "wav", "mp3"])
def test_a_file_truncated_after_it_was_prepared_is_found_when_it_is_read(tmp_path, cut_of, speak, suffix):
    path = speak(tmp_path / f"a.{suffix}", seconds=2.0)
    cut = cut_of(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadAudio, match=f"a.{suffix}"):
        audio.load(cut)


def test_a_file_replaced_by_one_of_another_rate_or_with_nan_is_refused(tmp_path, cut_of, speak):
    cut = cut_of(speak(tmp_path / "a.wav"))
    speak(tmp_path / "a.wav", rate=8000)
    with pytest.raises(BadAudio, match="8000 Hz where the manifest says 16000 Hz"):
        audio.load(cut)
    soundfile.write(tmp_path / "a.wav", np.full(800, np.nan), 16000, subtype="FLOAT")
    with pytest.raises(BadAudio, match="not numbers"):
        audio.load(cut)


def test_the_digest_depends_on_ids_spans_and_content_and_on_nothing_else(tmp_path, cut_of, speak):
    first, second = (cut_of(speak(tmp_path / "x" / f"{name}.wav")) for name in "ab")
    digest = audio.audio_digest([first, second])
    assert audio.audio_digest([second, first]) == digest
    moved = [cut_of(Path(shutil.copy(tmp_path / "x" / f"{name}.wav", tmp_path))) for name in "ab"]
    assert audio.audio_digest(moved) == digest
    assert audio.audio_digest([first]) != digest
    assert audio.audio_digest([first, second.truncate(duration=0.02)]) != digest
    speak(tmp_path / "x" / "a.wav", seconds=0.06)
    assert audio.audio_digest([first, second]) != digest


def test_the_digest_cache_spares_reading_and_notices_a_change(tmp_path, cut_of, speak, monkeypatch):
    cut = cut_of(speak(tmp_path / "a.wav"))
    cache = tmp_path / "digests.json"
    digest = audio.audio_digest([cut], cache)
    with monkeypatch.context() as patch:
        patch.setattr(audio, "_sha256", lambda file: pytest.fail("the file was read again"))
        assert audio.audio_digest([cut], cache) == digest
    (tmp_path / "a.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:-2] + b"\1\1")
    os.utime(tmp_path / "a.wav", ns=(0, 0))
    assert audio.audio_digest([cut], cache) != digest
    cache.write_text("{")
    assert audio.audio_digest([cut], cache) == audio.audio_digest([cut])
    assert json.loads(cache.read_text())


def test_a_missing_file_has_no_digest(tmp_path, cut_of, speak):
    cut = cut_of(speak(tmp_path / "a.wav"))
    (tmp_path / "a.wav").unlink()
    with pytest.raises(BadAudio, match="is not there"):
        audio.audio_digest([cut])


def test_real_8_khz_speech_is_converted(shared_data, cut_of):
    cut = cut_of(shared_data / "fsdd-mini" / "recordings" / "0_george_0.flac")
    samples = audio.load(cut)
    assert len(samples) == audio.num_samples(cut) == 2 * cut.num_samples
    assert np.abs(samples).max() == pytest.approx(10 ** (-10.01 / 20), rel=0.1)


@pytest.mark.parametrize(
    ("suffix", "kind", "subtype"),
    [
        ("au", "AU", "PCM_16"), ("snd", "AU", "PCM_16"), ("caf", "CAF", "PCM_16"), ("w64", "W64", "PCM_16"),
        ("rf64", "RF64", "PCM_16"), ("aifc", "AIFF", "PCM_16"), ("voc", "VOC", "PCM_16"), ("nist", "NIST", "PCM_16"),
        ("oga", "OGG", "VORBIS"), ("mp2", "MP3", "MPEG_LAYER_III"), ("wave", "WAV", "PCM_16"), ("bwf", "WAV", "PCM_16"),
    ],
)  # fmt: skip
def test_other_formats_of_libsndfile_are_found_and_read(tmp_path, cut_of, suffix, kind, subtype):
    tone = np.sin(np.arange(16000) / 20) * 0.3
    soundfile.write(tmp_path / f"a.{suffix}", tone, 16000, format=kind, subtype=subtype)
    (path,) = find_audio(tmp_path)
    assert np.corrcoef(audio.load(cut_of(path))[2000:14000], tone[2000:14000])[0, 1] > 0.99


def test_sound_that_is_not_read_is_told(tmp_path, speak, caplog):
    speak(tmp_path / "a.wav")
    for name in ("b.wma", "c.amr", "notes.txt"):
        (tmp_path / name).write_text("x")
    assert [path.name for path in find_audio(tmp_path)] == ["a.wav"]
    assert "2 files in formats that are not read (.amr, .wma) are left out" in caplog.text


@pytest.mark.parametrize("subtype", ["GSM610", "G721_32"])
def test_files_that_cannot_be_searched_are_read_from_anywhere(tmp_path, cut_of, subtype):
    tone = np.sin(np.arange(8000) / 5) * 0.3
    soundfile.write(tmp_path / "a.wav", tone, 16000, subtype=subtype)
    cut = cut_of(tmp_path / "a.wav")
    whole = audio.load(cut)
    assert np.corrcoef(whole[1000:8000], tone[1000:8000])[0, 1] > 0.95
    np.testing.assert_array_equal(audio.window(cut, 3000, 500), whole[3000:3500])


def test_channels_in_opposite_phase_are_not_mixed_to_silence(tmp_path, cut_of, caplog):
    left = np.sin(np.arange(16000) / 7).astype(np.float32) * 0.3
    soundfile.write(tmp_path / "a.wav", np.stack([left, -left], axis=1), 16000, subtype="PCM_16")
    cut = cut_of(tmp_path / "a.wav")
    assert np.abs(audio.load(cut) - left).max() < 1e-4
    np.testing.assert_array_equal(audio.window(cut, 900, 50), audio.load(cut)[900:950])
    assert caplog.text.count("opposite phases") == 1
    soundfile.write(tmp_path / "b.wav", np.stack([left, left * 0.5], axis=1), 16000, subtype="FLOAT")
    np.testing.assert_allclose(audio.load(cut_of(tmp_path / "b.wav")), left * 0.75, atol=1e-6)
