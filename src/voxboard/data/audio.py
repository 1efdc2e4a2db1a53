"""The one place where audio is read: any rate, format and number of channels → mono float32 at the rate asked for."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, lru_cache
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from voxboard.data import m4a
from voxboard.data.audio_file import bad, check_announced, opened, readable
from voxboard.data.manifest_cut import CHANNELS, FASTEST, LONGEST
from voxboard.errors import UserError, printable
from voxboard.files import read_json_object, write_text

if TYPE_CHECKING:
    import soundfile
    from lhotse.cut import Cut

log = logging.getLogger("voxboard")

SAMPLE_RATE = 16000
SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".sph", ".aif", ".aiff"}
    | {".aifc", ".au", ".bwf", ".caf", ".mp2", ".nist", ".oga", ".rf64", ".snd", ".voc", ".w64", ".wave"}
)
# Names of sound that is not read, so that whoever has such files is told.
UNREAD = frozenset(
    {".3gp", ".aac", ".ac3", ".adp", ".amr", ".ape", ".avr", ".awb", ".dsf", ".gsm", ".iff", ".m4b", ".mka", ".mp4"}
    | {".mpc", ".paf", ".pcm", ".pvf", ".ra", ".raw", ".sd2", ".sds", ".shn", ".spx", ".svx", ".tta", ".ul", ".vox"}
    | {".wax", ".weba", ".webm", ".wma", ".wv"}
)

# Flat to 7.3 kHz and below -45 dB from 8.2 kHz for 48 → 16 kHz, at half the cost of the usual 64 zero crossings;
# torchaudio's default of 6 loses 1.8 dB at 7 kHz and folds 8.5 kHz back at -11 dB.
ZERO_CROSSINGS = 32
ROLLOFF = 0.96

# How much less than announced a file may hold: manifests round durations, lossy decoders drop padding.
SHORTAGE = 0.025  # seconds, Lhotse's own tolerance
LOSSY_SHORTAGE = 0.1
LOSSY = frozenset({".mp2", ".mp3", ".oga", ".ogg", ".opus", ".m4a"})

OPPOSITE = 1e-3  # of the channels' power: a mean of channels below it has lost what they say, their phases are opposite
LARGEST_FILTER = 50_000_000  # values; 44,100 Hz needs 80 thousand, rates without a common factor with ours a billion
ANY_LENGTH = 3600  # seconds that a file may announce, however small it is
SKIPPED_AT_ONCE = 1 << 20  # samples of a file that cannot be searched

DIGEST = re.compile("[0-9a-f]{64}")


class Header(NamedTuple):
    """Contents of a file's header; `frames` are samples per channel at `sample_rate`."""

    sample_rate: int
    channels: int
    frames: int


def probe(path: Path) -> Header:
    """Read a file's header. Raises `BadAudio` for what is missing, empty, not audio, or visibly truncated."""
    if m4a.is_m4a(path):
        with readable(path):
            header = Header(*m4a.header(path))
    else:
        with opened(path) as file:
            header = Header(file.samplerate, file.channels, file.frames)
            check_announced(path, file.extra_info)
    if header.frames <= 0:
        raise bad(path, "holds no samples")
    if not 0 < header.sample_rate <= FASTEST or not 0 < header.channels <= CHANNELS:
        raise bad(path, f"announces {header.channels} channels at {header.sample_rate} Hz")
    seconds, size = header.frames / header.sample_rate, path.stat().st_size
    if seconds > min(LONGEST, ANY_LENGTH + size):  # even silence takes a byte a second
        raise bad(path, f"announces {seconds / 3600:,.1f} hours of sound in {size:,} bytes")
    return header


def num_samples(cut: Cut, sample_rate: int = SAMPLE_RATE) -> int:
    """The length in samples that `load` returns for a cut, from the manifest alone."""
    return -(-int(cut.num_samples) * sample_rate // int(cut.sampling_rate))


def load(cut: Cut, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """A whole cut as float32 [N], N = `num_samples(cut, sample_rate)`. Raises `BadAudio`."""
    return window(cut, 0, num_samples(cut, sample_rate), sample_rate)


def window(cut: Cut, start: int, length: int, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Samples `start` … `start + length` − 1 of what `load` returns, reading no more of the file than they need.

    Counted at `sample_rate`; shorter where the cut ends. Raises `BadAudio` for a file that cannot be read.
    """
    total = num_samples(cut, sample_rate)
    stop = min(start + length, total)
    if not 0 <= start < stop:
        raise ValueError(f"Window {start}:{start + length} of {cut.id}, which has {total} samples.")
    rate = int(cut.sampling_rate)
    if rate == sample_rate:
        return _read(cut, start, stop - start)
    # Both rates divided by their common factor: `block` native samples give exactly `made` new ones, so a read
    # that starts at a multiple of `block` has the phase of the whole file, and a margin covers the filter.
    common = gcd(rate, sample_rate)
    block, made = rate // common, sample_rate // common
    if made * (block + 2 * _reach(block, made)) > LARGEST_FILTER:
        raise bad(
            Path(cut.recording.sources[0].source),
            f"has a rate of {rate} Hz, from which resampling to {sample_rate} Hz takes too much memory",
            "Convert it to a usual rate, or pass --skip_bad_audio.",
        )
    margin = 1 + -(-_reach(block, made) // block)
    first = max(0, start // made - margin) * block
    last = min(int(cut.num_samples), (-(-stop // made) + margin) * block)
    skip = start - first // block * made
    return _resample(_read(cut, first, last - first), rate, sample_rate)[skip : skip + stop - start]


def audio_digest(cuts: Iterable[Cut], cache: Path | None = None) -> str:
    """sha256 over what a set of cuts sounds like: ids, spans, channels and the content of their files.

    Independent of order and of where the files lie. `cache` is a JSON file that remembers the digests of files by
    size and time of change; it is made when missing and skipped where it cannot be written.
    """
    described = sorted(
        (
            cut.id,
            str(cut.start),
            str(cut.num_samples),
            str(cut.channel),
            [s.source for s in cut.recording.sources],
        )
        for cut in cuts
    )
    contents = digests({Path(file) for *_, files in described for file in files}, cache)
    total = hashlib.sha256()
    for *about, files in described:
        total.update("\t".join([*about, *(contents[Path(file)] for file in files)]).encode() + b"\n")
    return total.hexdigest()


def _read(cut: Cut, start: int, count: int) -> np.ndarray:
    """`count` samples of a cut at its own rate, the mean of its channels; the first where they cancel each other."""
    wanted = {cut.channel} if isinstance(cut.channel, int) else set(cut.channel)
    first = round(cut.start * cut.sampling_rate) + start
    total = np.zeros(count, dtype=np.float32)
    power, one = 0.0, total
    for source in cut.recording.sources:
        columns = [place for place, channel in enumerate(source.channels) if channel in wanted]
        if columns:
            frames = _file(cut, Path(source.source), first, count, columns)
            total += frames[:, 0] if len(columns) == 1 else frames.sum(axis=1)
            if len(wanted) > 1:
                one = frames[:, 0] if power == 0.0 else one
                power += float(np.einsum("nc,nc->", frames, frames, dtype=np.float64))
    if len(wanted) > 1:
        total /= len(wanted)
        if np.dot(total, total) < OPPOSITE * power / len(wanted):
            _say_opposite(cut.recording.sources[0].source)
            return np.ascontiguousarray(one)
    return total


@cache
def _say_opposite(path: str) -> None:
    """Once for a file."""
    log.warning("The channels of %s have opposite phases and would cancel: the first is read alone.", printable(path))


def _file(cut: Cut, path: Path, first: int, count: int, columns: list[int]) -> np.ndarray:
    """Some channels of a file between two frames, [count, C] float32."""
    rate = int(cut.sampling_rate)
    if m4a.is_m4a(path):
        with readable(path):
            frames = m4a.decode(path, rate)[first : first + count]
    else:
        with opened(path) as file:
            if file.samplerate != rate:
                raise bad(path, f"has a rate of {file.samplerate} Hz where the manifest says {rate} Hz")
            _seek(file, min(first, file.frames))
            frames = file.read(min(count, file.frames), dtype="float32", always_2d=True)
    missing = count - len(frames)
    if missing > rate * (LOSSY_SHORTAGE if path.suffix.lower() in LOSSY else SHORTAGE):
        raise bad(path, f"ends {missing / rate:.2f} s before the length that its manifest or header announces")
    if max(columns) >= frames.shape[1]:
        raise bad(path, f"has {frames.shape[1]} channels where the manifest says at least {max(columns) + 1}")
    frames = frames[:, columns]
    if not np.isfinite(frames).all():
        raise bad(path, "holds samples that are not numbers (NaN or infinity)")
    return np.pad(frames, ((0, missing), (0, 0))) if missing else frames


def _seek(file: soundfile.SoundFile, place: int) -> None:
    """Go to a frame; in what cannot be searched, such as GSM 6.10, by reading up to it."""
    if file.seekable():
        file.seek(place)
        return
    while place > 0:
        read = len(file.read(min(place, SKIPPED_AT_ONCE), dtype="float32"))
        place = place - read if read else 0


def _reach(block: int, made: int) -> int:
    """Native samples on each side of an output that torchaudio's filter looks at."""
    return int(np.ceil(ZERO_CROSSINGS * block / (min(block, made) * ROLLOFF))) + 1


@lru_cache(maxsize=16)
def _resampler(rate: int, sample_rate: int) -> Any:
    # The transform keeps its filter; the function of the same name computes it anew in every call.
    from torchaudio.transforms import Resample

    return Resample(rate, sample_rate, lowpass_filter_width=ZERO_CROSSINGS, rolloff=ROLLOFF)


def _resample(samples: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    import torch

    with torch.inference_mode():
        return np.asarray(_resampler(rate, sample_rate)(torch.from_numpy(samples)).numpy())


def digests(files: set[Path], cache: Path | None = None) -> dict[Path, str]:
    """The sha256 of each file's content, from the cache where size and time of change are as remembered."""
    remembered = _remembered(cache)
    stamps: dict[Path, list[Any]] = {}
    for file in files:
        with readable(file):
            status = file.stat()
        stamps[file] = [status.st_size, status.st_mtime_ns]
    fresh = [file for file in files if remembered.get(str(file), [])[:2] != stamps[file]]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for file, digest in zip(fresh, pool.map(_sha256, fresh), strict=True):
            remembered[str(file)] = [*stamps[file], digest]
    if cache is not None and fresh:
        _remember(cache, remembered)
    return {file: remembered[str(file)][2] for file in files}


def _sha256(file: Path) -> str:
    with readable(file), file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _remembered(cache: Path | None) -> dict[str, list[Any]]:
    """File → size, time of change, digest; rows of another form are not remembered."""
    if cache is None or not cache.is_file():
        return {}
    try:
        content = read_json_object(cache)
    except UserError:
        return {}
    return {file: row for file, row in content.items() if _is_row(row)}


def _is_row(row: Any) -> bool:
    return isinstance(row, list) and len(row) == 3 and isinstance(row[2], str) and DIGEST.fullmatch(row[2]) is not None


def _remember(cache: Path, remembered: dict[str, list[Any]]) -> None:
    # A read-only or full disk costs time in the next run, not this result.
    with suppress(UserError, UnicodeEncodeError):
        write_text(cache, json.dumps(remembered, sort_keys=True))
