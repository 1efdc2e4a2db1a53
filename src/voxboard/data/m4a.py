"""AAC in MPEG-4 files (VoxCeleb 2): the header is read here, the sound is decoded by ffmpeg.

Reading the header needs no ffmpeg and no process per file, which for the million files of VoxCeleb 2 is the difference
between minutes and hours. Boxes as in ISO/IEC 14496-12 (size, type, content).
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from voxboard.errors import BadAudio, UserError, printable

CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts")
DETAILS = (b"mvhd", b"mdhd", b"hdlr", b"stsd", b"elst")
LARGEST = 1 << 20  # bytes of one of DETAILS; real ones have some hundred
DEEPEST = 16  # containers in containers; real files have five
MOST = 100_000  # boxes of a file
CHANNELS = 64  # AAC has up to 48
FASTEST = 10_000_000  # Hz


class _Box(NamedTuple):
    kind: bytes
    content: bytes


def is_m4a(path: Path) -> bool:
    """Return whether a file is M4A by its name."""
    return path.suffix.lower() == ".m4a"


def header(path: Path) -> tuple[int, int, int]:
    """The sample rate, number of channels and number of samples of the first sound track. Raises `BadAudio`.

    The edit list is honoured as ffmpeg does: the encoder's priming samples do not count.
    """
    try:
        with path.open("rb") as file:
            boxes = list(islice(_boxes(file, path.stat().st_size, 0), MOST + 1))
        if len(boxes) > MOST:
            raise struct.error("more boxes than any recording has")
        movie_scale, track = _sound_track(boxes)
        rate, length = _times(track[b"mdhd"])
        channels = struct.unpack_from(">H", track[b"stsd"], 32)[0]
        if b"elst" in track:
            length = _edited(track[b"elst"], length, rate, movie_scale)
        if not (0 < channels <= CHANNELS and 0 < rate <= FASTEST):
            raise struct.error("a number of channels or a rate that cannot be")
    except (struct.error, LookupError, ZeroDivisionError) as error:
        raise BadAudio(
            f"{printable(str(path))} is not an MPEG-4 file with sound, or is truncated.",
            "Replace the file, or pass --skip_bad_audio.",
        ) from error
    return rate, channels, length


def decode(path: Path, rate: int) -> np.ndarray:
    """The samples of a file at `rate`, float32 [N, channels]. Raises `BadAudio`; `UserError` without ffmpeg."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise UserError(
            f"{printable(str(path))} needs ffmpeg to be read, which is not installed.",
            "Install ffmpeg, or convert the corpus to WAV or FLAC.",
        )
    _, channels, _ = header(path)
    # Only local files and only the MPEG-4 reader: a playlist that calls itself .m4a cannot make ffmpeg read elsewhere.
    command = [
        program,
        "-nostdin",
        "-v",
        "error",
        "-protocol_whitelist",
        "file",
        "-f",
        "mov",
        "-i",
        f"file:{path}",
    ]
    command += ["-map", "0:a:0", "-ac", str(channels), "-ar", str(rate), "-f", "f32le", "pipe:1"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        reason = printable(lines[-1]) if lines else f"exit code {done.returncode}"
        raise BadAudio(
            f"{printable(str(path))} cannot be decoded by ffmpeg ({reason}).",
            "Replace the file, or pass --skip_bad_audio.",
        )
    whole = len(done.stdout) // (4 * channels) * channels
    return np.frombuffer(done.stdout, dtype="<f4", count=whole).reshape(-1, channels)


def _boxes(file: BinaryIO, end: int, depth: int) -> Iterator[_Box]:
    """The boxes of a file in order, containers before what they hold; only `DETAILS` come with their content."""
    if depth > DEEPEST:
        raise struct.error("containers in containers without end")
    while (start := file.tell()) + 8 <= end:
        size, kind = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1:
            size, head = struct.unpack(">Q", file.read(8))[0], 16
        stop = start + size if size else end
        if stop < start + head or stop > end:
            raise struct.error("a box leaves its container")
        if kind in CONTAINERS:
            yield _Box(kind, b"")
            yield from _boxes(file, stop, depth + 1)
        elif kind in DETAILS:
            yield _Box(kind, file.read(min(stop - start - head, LARGEST)))
        else:
            yield _Box(kind, b"")
        file.seek(stop)


def _sound_track(boxes: list[_Box]) -> tuple[int, dict[bytes, bytes]]:
    """The time scale of the movie, and the boxes of the first track whose handler is sound. Raises `IndexError`."""
    tracks: list[dict[bytes, bytes]] = []
    scale = 0
    for kind, content in boxes:
        if kind == b"trak":
            tracks.append({})
        elif kind == b"mvhd":
            scale = _times(content)[0]
        elif tracks and kind not in tracks[-1]:
            tracks[-1][kind] = content
    sound = [track for track in tracks if track.get(b"hdlr", b"")[8:12] == b"soun"]
    return scale, sound[0]


def _times(content: bytes) -> tuple[int, int]:
    """The time scale (ticks per second) and duration (ticks) of an `mvhd` or `mdhd` box."""
    scale, length = (
        struct.unpack_from(">IQ", content, 20) if content[:1] == b"\1" else struct.unpack_from(">II", content, 12)
    )
    return int(scale), int(length)


def _edited(content: bytes, length: int, rate: int, movie_scale: int) -> int:
    """The samples that the first edit which shows sound leaves."""
    wide = content[:1] == b"\1"
    (count,) = struct.unpack_from(">I", content, 4)
    for place in range(count):
        shown, start = struct.unpack_from(">Qq" if wide else ">Ii", content, 8 + place * (20 if wide else 12))
        if start >= 0:
            there = length - start
            return min(there, round(shown * rate / movie_scale)) if shown else there
    return length
