from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from voxboard.data import audio, m4a
from voxboard.errors import BadAudio, UserError


def box(kind: bytes, *content: bytes, large: bool = False) -> bytes:
    inner = b"".join(content)
    if large:
        return struct.pack(">I4sQ", 1, kind, len(inner) + 16) + inner
    return struct.pack(">I4s", len(inner) + 8, kind) + inner


def movie(
    rate: int = 16000,
    channels: int = 1,
    length: int = 17408,
    edit: tuple[int, int] | None = (1000, 1024),
    handler: bytes = b"soun",
    wide: bool = False,
) -> bytes:
    """An MPEG-4 file with a sound track as encoders write them, without the sound."""
    entry = struct.pack(">I4s6xH8xHH4xI", 36, b"mp4a", 1, channels, 16, rate << 16)
    times = struct.pack(">B3xQQIQ", 1, 0, 0, rate, length) if wide else struct.pack(">B3xIIII", 0, 0, 0, rate, length)
    media = box(
        b"mdia",
        box(b"mdhd", times, bytes(4)),
        box(b"hdlr", struct.pack(">8x4s12x", handler)),
        box(b"minf", box(b"stbl", box(b"stsd", struct.pack(">4xI", 1), entry))),
    )
    edits = box(b"edts", box(b"elst", struct.pack(">4xIIii", 1, *edit, 0x10000))) if edit else b""
    head = box(b"mvhd", struct.pack(">B3xIIII", 0, 0, 0, 1000, 1000), bytes(80))
    return (
        box(b"ftyp", b"M4A isom")
        + box(b"mdat", bytes(3000), large=wide)
        + box(b"moov", head, box(b"trak", edits, media))
    )


def test_the_header_tells_rate_channels_and_samples_without_the_priming(tmp_path):
    path = tmp_path / "a.m4a"
    path.write_bytes(movie())
    assert audio.probe(path) == audio.Header(16000, 1, 16000)


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ({"edit": None}, (16000, 1, 17408)),
        ({"edit": (0, 1024)}, (16000, 1, 16384)),
        ({"rate": 44100, "channels": 2, "length": 45124, "wide": True}, (44100, 2, 44100)),
    ],
)
def test_other_headers(tmp_path, options, header):
    (tmp_path / "a.m4a").write_bytes(movie(**options))
    assert m4a.header(tmp_path / "a.m4a") == header


@pytest.mark.parametrize(
    "content",
    [b"not an mpeg file, though its name says so", movie()[:-100], movie()[:100], movie(handler=b"vide"), b"\0" * 64],
)
def test_what_is_not_a_sound_file_is_bad_audio(tmp_path, content):
    (tmp_path / "a.m4a").write_bytes(content)
    with pytest.raises(BadAudio, match=r"a\.m4a is not an MPEG-4 file with sound"):
        audio.probe(tmp_path / "a.m4a")


def test_an_empty_or_missing_file_is_said_to_be_that(tmp_path):
    (tmp_path / "a.m4a").touch()
    with pytest.raises(BadAudio, match="is empty"):
        audio.probe(tmp_path / "a.m4a")
    with pytest.raises(BadAudio, match="is not there"):
        audio.probe(tmp_path / "b.m4a")


@pytest.fixture
def ffmpeg(tmp_path, monkeypatch):
    """A stand-in that writes given samples, whatever it is asked for, and notes what that was."""
    programs = tmp_path / "bin"
    programs.mkdir()

    def install(samples: np.ndarray, code: int = 0) -> Path:
        (programs / "samples").write_bytes(samples.astype("<f4").tobytes())
        script = f'#!/bin/sh\necho "$@" > {programs}/asked\necho "moov atom not found" >&2\n'
        (programs / "ffmpeg").write_text(script + f"cat {programs}/samples\nexit {code}\n")
        (programs / "ffmpeg").chmod(0o755)
        return programs / "asked"

    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return install


def test_sound_is_decoded_by_ffmpeg_and_has_the_length_that_was_announced(tmp_path, cut_of, ffmpeg):
    (tmp_path / "a.m4a").write_bytes(movie())
    cut = cut_of(tmp_path / "a.m4a")
    samples = np.linspace(-1, 1, 15900, dtype=np.float32)  # a decoder may drop some at the end
    asked = ffmpeg(samples)
    loaded = audio.load(cut)
    assert len(loaded) == audio.num_samples(cut) == 16000
    np.testing.assert_array_equal(loaded[:15900], samples)
    np.testing.assert_array_equal(audio.window(cut, 5000, 100), samples[5000:5100])
    assert "-protocol_whitelist file -f mov -i file:" in asked.read_text()


def test_a_file_that_ffmpeg_refuses_or_that_ends_early_is_bad_audio(tmp_path, cut_of, ffmpeg):
    (tmp_path / "a.m4a").write_bytes(movie())
    cut = cut_of(tmp_path / "a.m4a")
    ffmpeg(np.zeros(0), code=1)
    with pytest.raises(BadAudio, match="moov atom not found"):
        audio.load(cut)
    ffmpeg(np.zeros(8000))
    with pytest.raises(BadAudio, match=r"ends 0\.50 s before"):
        audio.load(cut)


def test_without_ffmpeg_the_error_says_so_and_is_no_fault_of_the_file(tmp_path, cut_of, monkeypatch):
    (tmp_path / "a.m4a").write_bytes(movie())
    cut = cut_of(tmp_path / "a.m4a")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="needs ffmpeg") as error:
        audio.load(cut)
    assert not isinstance(error.value, BadAudio)
