"""Made-up conversations: every speaker is noise whose level swings in a band of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from lhotse import MonoCut, Recording
from scipy.signal import butter, sosfilt

from voxboard import model, systems
from voxboard.diarization import Conversation
from voxboard.metrics.rttm import Turn
from voxboard.model import EncoderModule

BANDS = {"ann": (100, 500), "béla": (800, 1600), "cem": (2200, 3600)}  # Hz


def conversation(folder: Path, name: str, turns: list[Turn], seconds: float, rate: int = 16_000) -> Conversation:
    """Speech-like noise where the turns are, faint noise elsewhere, in `<name>.wav`."""
    samples = 0.0005 * np.random.default_rng(len(name)).standard_normal(round(seconds * rate))
    for number, (speaker, start, end) in enumerate(turns):
        first, last = round(start * rate), round(end * rate)
        samples[first:last] += voice(speaker, last - first, rate, number)
    path = folder / f"{name}.wav"
    soundfile.write(path, samples.astype(np.float32), rate, subtype="FLOAT")
    return Conversation(name, cut(path), turns, [(0.0, seconds)])


def voice(speaker: str, length: int, rate: int, seed: int) -> np.ndarray:
    """[length] samples of a speaker."""
    noise = np.random.default_rng(seed).standard_normal(length)
    band = sosfilt(butter(4, BANDS[speaker], "band", fs=rate, output="sos"), noise)
    swing = 0.5 + 0.5 * np.sin(2 * np.pi * 5 * np.arange(length) / rate)
    return np.asarray(0.02 * noise + 0.4 * swing * band)


def cut(path: Path) -> MonoCut:
    """A whole file."""
    recording = Recording.from_file(path)
    return MonoCut(path.stem, 0, recording.duration, 0, recording=recording)


def encoder() -> EncoderModule:
    """An untrained one, of no weights."""
    return model.build(systems.parse("fbank+statistics"), None, 0).encoder
