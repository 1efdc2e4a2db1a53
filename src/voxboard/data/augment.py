"""Augmentation of training crops: speed, music, noise, room impulse responses, all through Lhotse's own classes.

A crop goes through them in this order, the last three as in the GE2E encoder's training. Levels: the speech keeps its
own under music and noise, whose SNRs both count from the speech alone, so at 10 dB each the crop grows by 0.8 dB; a
room keeps the power of the crop. Nothing is clipped: samples may leave [-1, 1], which float32 carries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import gcd
from pathlib import Path

import numpy as np

from voxboard.data.augment_files import excerpt, impulse_response, response_files, sound_files
from voxboard.data.augmentation import Augmentation
from voxboard.errors import UserError

LARGEST_RATIO = 1000  # the resampling filter of a factor grows with the square of its denominator at the sample rate


@dataclass(frozen=True)
class Added:
    """A sound to mix in: `snr` in dB, `place` in [0, 1) says which part of a file that is longer than the crop."""

    path: Path
    snr: float
    place: float


@dataclass(frozen=True)
class Drawn:
    """All that is random about one crop: `needed` source samples become `samples` of augmented audio."""

    samples: int
    needed: int
    speed: float = 1.0
    music: Added | None = None
    noise: Added | None = None
    room: Path | None = None


class Augmenter:
    """Draw and apply augmentation; the files are listed once, by name, and read when they are drawn.

    What is drawn depends on the generator, the settings and the names below the folders, not on where these lie.
    Raises `UserError` for a folder that is missing or has no audio, and for a speed that the rate has no ratio for.
    """

    def __init__(self, settings: Augmentation, sample_rate: int) -> None:
        self.settings, self.sample_rate = settings, sample_rate
        self.noise = sound_files(settings, "noise") if settings.has_noise else ()
        self.music = sound_files(settings, "music") if settings.has_music else ()
        self.rooms = response_files(settings.rir_path) if settings.rir_path and settings.has_rooms else ()
        if settings.speed_prob > 0:
            for factor in settings.speed_factors:
                if _ratio(factor, sample_rate)[1] > LARGEST_RATIO:
                    raise UserError(
                        f"The speed factor {factor} is no simple ratio at {sample_rate} Hz.",
                        "Give --speed_factors with one decimal, such as 0.9 1.1.",
                    )

    def plan(self, random: np.random.Generator, samples: int) -> Drawn:
        """Draw what happens to a crop that shall have `samples` in the end, reading nothing."""
        settings = self.settings
        speed = 1.0
        if settings.speed_prob > 0 and random.random() < settings.speed_prob:
            speed = settings.speed_factors[int(random.integers(len(settings.speed_factors)))]
        music = _draw(random, self.music, settings.music_prob, settings.music_snr)
        noise = _draw(random, self.noise, settings.noise_prob, settings.noise_snr)
        room = None
        if self.rooms and random.random() < settings.rir_prob:
            room = self.rooms[int(random.integers(len(self.rooms)))]
        return Drawn(samples, _needed(samples, speed, self.sample_rate), speed, music, noise, room)

    def plan_whole(self, random: np.random.Generator, source: int) -> Drawn:
        """The same for a whole utterance of `source` samples: a speed changes its length and cuts nothing off."""
        drawn = self.plan(random, source)
        block, made = _ratio(drawn.speed, self.sample_rate)
        return replace(drawn, needed=source, samples=-(-source * made // block))

    def apply(self, wave: np.ndarray, drawn: Drawn) -> np.ndarray:
        """Float32 [drawn.needed] → float32 [drawn.samples]; the argument is left as it is.

        A crop of zeros stays one, because no SNR can be had against it; a part of a sound that is silent adds nothing.
        Raises `BadAudio` that names a noise, music or impulse response file that cannot be used.
        """
        if wave.shape != (drawn.needed,):
            raise ValueError(f"A crop of shape {wave.shape} where {drawn.needed} samples were asked for.")
        with _one_thread():
            if drawn.speed != 1.0:
                from lhotse.augmentation import Speed

                wave = Speed(drawn.speed)(wave[None], self.sample_rate)[0, : drawn.samples]
            if wave.any():
                wave = self._mix(wave, [added for added in (drawn.music, drawn.noise) if added])
            return wave if drawn.room is None else self._reverberate(wave, drawn.room)

    def _mix(self, wave: np.ndarray, sounds: Sequence[Added]) -> np.ndarray:
        from lhotse.audio.mixer import AudioMixer

        if not sounds:
            return wave
        mixer = AudioMixer(wave[None], self.sample_rate)
        for added in sounds:
            mixer.add_to_mix(excerpt(added.path, added.place, len(wave), self.sample_rate)[None], snr=added.snr)
        return np.asarray(mixer.mixed_audio[0])

    def _reverberate(self, wave: np.ndarray, path: Path) -> np.ndarray:
        from lhotse.augmentation import ReverbWithImpulseResponse

        response = impulse_response(path, self.sample_rate)
        # Lhotse takes the largest sample for the direct path; where that has a negative peak, both signs are turned.
        sign = np.sign(response[np.abs(response).argmax()])
        room = ReverbWithImpulseResponse(rir_generator=lambda nsource: sign * response[None])
        return np.asarray(sign * room(wave[None], self.sample_rate)[0])


def _draw(
    random: np.random.Generator, files: Sequence[Path], probability: float, snr: tuple[float, float]
) -> Added | None:
    if not files or random.random() >= probability:
        return None
    return Added(files[int(random.integers(len(files)))], float(random.uniform(*snr)), float(random.random()))


def _ratio(factor: float, sample_rate: int) -> tuple[int, int]:
    """Source samples and what Lhotse makes of them at a speed, in lowest terms."""
    played = round(sample_rate * factor)
    common = gcd(played, sample_rate)
    return played // common, sample_rate // common


def _needed(samples: int, factor: float, sample_rate: int) -> int:
    """The fewest source samples that give at least `samples`: n of them give ⌈n · made / block⌉."""
    block, made = _ratio(factor, sample_rate)
    return (samples - 1) * block // made + 1


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread, as workers have: a transform on several has other last bits, so `workers` would change a run."""
    import torch

    threads = torch.get_num_threads()
    if threads > 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if threads > 1:
            torch.set_num_threads(threads)
