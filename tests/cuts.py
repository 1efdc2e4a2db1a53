"""Cuts of noise, for tests that need audio but no speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from lhotse import MonoCut, Recording, SupervisionSegment


def noise_cuts(folder: Path, seconds: list[float]) -> list[MonoCut]:
    """Cuts `u0`, `u1`, … of the given lengths, each of a speaker of its own, in `<number>.wav`."""
    found = []
    for number, length in enumerate(seconds):
        path = folder / f"{number}.wav"
        samples = np.random.default_rng(number).uniform(-0.5, 0.5, int(length * 16_000)).astype(np.float32)
        soundfile.write(path, samples, 16_000)
        recording = Recording.from_file(path)
        speech = SupervisionSegment(str(number), recording.id, 0, recording.duration, speaker=str(number))
        cut = MonoCut(f"u{number}", 0, recording.duration, 0, supervisions=[speech], recording=recording)
        found.append(cut)
    return found
