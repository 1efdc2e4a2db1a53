"""The noise, music and impulse responses that augment: which files there are, and reading what is needed of one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voxboard.data import audio
from voxboard.data.augmentation import Augmentation
from voxboard.data.scan import find_audio, root_of
from voxboard.errors import BadAudio, UserError

if TYPE_CHECKING:
    from lhotse.cut import MonoCut, MultiCut

LONGEST_RESPONSE = 20.0  # seconds; concert halls and churches ring for less


def sound_files(settings: Augmentation, kind: str) -> tuple[Path, ...]:
    """The files of "noise" or "music" in the folder that is given for it and in MUSAN."""
    own: Path | None = getattr(settings, f"{kind}_path")
    folders = [] if own is None else [own]
    if settings.musan_path is not None:
        musan = root_of(settings.musan_path, ("musan",), ("noise", "music"))
        if musan is None:
            raise UserError(
                f"There is no MUSAN in {settings.musan_path}: it has folders named noise, music and speech.",
                "Give the folder that they lie in as --musan_path, or other folders as --noise_path and --music_path.",
            )
        folders.append(musan / kind)
    return tuple(path for folder in folders for path in _listed(folder, kind))


def response_files(folder: Path) -> tuple[Path, ...]:
    """The impulse responses of a folder: OpenSLR 28 keeps noises beside them, in a folder and by name."""
    files = tuple(
        path
        for path in _listed(folder, "impulse responses")
        if "noise" not in path.stem.lower() and "pointsource_noises" not in path.relative_to(folder).parts
    )
    if not files:
        raise UserError(f"All audio files in {folder} are noises by their names.", "Check --rir_path.")
    return files


def excerpt(path: Path, place: float, samples: int, sample_rate: int) -> np.ndarray:
    """`samples` of a file, float32, cut at `place` in [0, 1) of where they can begin; a shorter file is repeated.

    Reads no more of the file than that. Raises `BadAudio`.
    """
    with _naming():
        cut = _cut(path)
        total = audio.num_samples(cut, sample_rate)
        start = int(place * (max(total - samples, 0) + 1))
        return np.resize(audio.window(cut, start, min(samples, total), sample_rate), samples)


def impulse_response(path: Path, sample_rate: int) -> np.ndarray:
    """The first channel of an impulse response, [R] float32: the mean of several would blur the direct path.

    Raises `BadAudio` for what cannot be read, is silent, or is too long to be one.
    """
    with _naming():
        cut = _cut(path, first_channel=True)
        if cut.duration > LONGEST_RESPONSE:
            raise BadAudio(f"{path} lasts {cut.duration:.0f} s, which is too long for a room impulse response.")
        response = audio.load(cut, sample_rate)
        if not response.any():
            raise BadAudio(f"{path} is an impulse response of nothing but zeros.")
        return response


def _listed(folder: Path, kind: str) -> list[Path]:
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder} to take {kind} from.", "Check its name.")
    files = find_audio(folder)
    if not files:
        raise UserError(f"There are no audio files in {folder} to take {kind} from.", "Check the folder.")
    return files


@lru_cache(maxsize=4096)
def _cut(path: Path, first_channel: bool = False) -> MonoCut | MultiCut:
    """A whole file as a cut, of all its channels or the first alone; its header is read once per process."""
    from lhotse import MonoCut, Recording
    from lhotse.audio import AudioSource

    header = audio.probe(path)
    source = AudioSource(type="file", channels=list(range(header.channels)), source=str(path))
    duration = header.frames / header.sample_rate
    recording = Recording(path.stem, [source], header.sample_rate, header.frames, duration)
    if first_channel:
        return MonoCut(path.stem, 0.0, duration, 0, recording=recording)
    return recording.to_cut()


@contextmanager
def _naming() -> Iterator[None]:
    """Give advice for files that belong to no corpus."""
    try:
        yield
    except BadAudio as error:
        raise BadAudio(error.problem, "Replace the file, or take it out of the folder that augments.") from error
