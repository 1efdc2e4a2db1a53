"""Who speaks when, told by loudness alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxboard.diarization.external import Diarizer


class Energy(Diarizer):
    """Speech is where the energy is, and the loud half of it is one speaker, the quiet half another."""

    @dataclass(frozen=True)
    class Config:
        """Options of `energy`."""

        block: float = 0.5
        """Seconds over which the energy is taken."""
        floor: float = 0.02
        """Share of the energy of the loudest block below which nobody speaks."""

    config: Config

    def turns(self, waveform: NDArray[np.float32]) -> Iterator[tuple[str, float, float]]:
        step = int(self.config.block * self.sample_rate)
        blocks = [waveform[start : start + step] for start in range(0, len(waveform), step)]
        energy = np.array([float(np.mean(np.square(block))) for block in blocks])
        speech = energy > self.config.floor * energy.max(initial=0.0)
        middle = np.median(energy[speech]) if speech.any() else 0.0
        for number in np.flatnonzero(speech):
            start = number * self.config.block
            length = len(blocks[number]) / self.sample_rate
            yield ("loud" if energy[number] > middle else "quiet"), start, start + length
