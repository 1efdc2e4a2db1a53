"""Rendering of a speaker of Voices in one session: text → 16-bit samples at 16 kHz.

eSpeak speaks; resampling from a rate slightly off its own scales the formants (the vocal tract); the session, that is
microphone and room, adds a spectral tilt, a resonance, stationary noise and a level. SciPy would do the resampling,
but importing scipy.signal costs each worker more than the work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from voxboard.data.voices import espeak
from voxboard.data.voices.speakers import Speaker

SAMPLE_RATE = 16000
_UP, _DOWN = 3200, 4410  # 22,050 → 16,000 Hz
_PRIMES = 2 * 3 * 5 * 7 * 11 * 13
_SILENCE = 0.02  # of the peak: what is below at both ends is cut

Samples = npt.NDArray[np.float64]


@dataclass(frozen=True)
class VoiceSession:
    """Traits that a speaker's utterances of one session share."""

    id: str  # v001-s1
    level: float  # dBFS, root mean square
    tilt: float  # dB per octave around 1 kHz
    resonance: float  # Hz, the middle of a broad boost or dip
    boost: float  # dB
    snr: float  # dB
    noise_tilt: float  # dB per octave
    semitones: float  # against the speaker's base pitch
    rate: float  # factor on the speaker's rate


@dataclass(frozen=True)
class Rendered:
    """One utterance: samples [N] at `SAMPLE_RATE`, and its level in dBFS (root mean square of all samples)."""

    samples: npt.NDArray[np.int16]
    level: float


def draw_session(name: str, rng: np.random.Generator) -> VoiceSession:
    """Draw the circumstances of a session: light enough to leave the speaker, heavy enough to be heard."""
    return VoiceSession(
        id=name,
        level=rng.uniform(-36.0, -20.0),
        tilt=rng.normal(0.0, 1.0),
        resonance=400.0 * 2.0 ** rng.uniform(0.0, 3.5),
        boost=rng.uniform(-5.0, 5.0),
        snr=rng.uniform(18.0, 38.0),
        noise_tilt=rng.uniform(-5.0, 0.0),
        semitones=rng.normal(0.0, 0.4),
        rate=rng.uniform(0.94, 1.06),
    )


def render(text: str, speaker: Speaker, session: VoiceSession, rng: np.random.Generator) -> Rendered:
    """Speak a text as this speaker in this session; `rng` gives the small differences between utterances."""
    semitones = speaker.semitones + session.semitones + rng.normal(0.0, 0.4)
    rate = speaker.rate * session.rate * rng.uniform(0.96, 1.04)
    down = _smooth(round(_DOWN * speaker.formants))
    spoken = _spoken(text, speaker, semitones, rate, down / _DOWN)
    padded = np.pad(spoken, rng.integers(1100, 3300, size=2))  # 0.05 to 0.15 s
    return _levelled(_heard(padded, down, session, rng), session.level + rng.normal(0.0, 2.0))


def _spoken(text: str, speaker: Speaker, semitones: float, rate: float, formants: float) -> Samples:
    """eSpeak's samples without the silence around them, made to have this pitch and rate once they are resampled.

    Read `formants` times too fast, they have formants, pitch and tempo raised alike; so eSpeak is asked for a pitch
    and a tempo that much lower.
    """
    octaves = semitones / 12.0 - np.log2(formants)
    voice = espeak.Voice(
        language=speaker.language,
        variant=speaker.variant,
        rate=round(rate / formants),
        pitch=int(np.clip(round(50 + espeak.PITCH_UNITS * octaves), 0, 99)),
        range=round(speaker.liveliness),
    )
    samples = espeak.speak(text, voice).astype(np.float64)
    loud = np.flatnonzero(np.abs(samples) > _SILENCE * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1]


def _heard(samples: Samples, down: int, session: VoiceSession, rng: np.random.Generator) -> Samples:
    """Resample by `_UP / down` and add the session's colour and noise, all on one spectrum (zero phase)."""
    blocks = _smooth(-(-len(samples) // down))
    size = blocks * _UP
    speech = np.fft.rfft(samples, blocks * down)[: size // 2 + 1]
    octaves = np.log2(np.maximum(np.fft.rfftfreq(size, 1.0 / SAMPLE_RATE), 50.0) / 1000.0)
    bump = np.exp(-2.0 * (octaves - np.log2(session.resonance / 1000.0)) ** 2)
    speech *= _gain(session.tilt * octaves + session.boost * bump)
    noise = rng.standard_normal(2 * len(octaves)).view(np.complex128) * _gain(session.noise_tilt * octaves)
    noise *= _rms(np.abs(speech)) / _rms(np.abs(noise)) * _gain(-session.snr)
    return np.fft.irfft(speech + noise, size)[: len(samples) * _UP // down]


def _smooth(number: int) -> int:
    """The next number without a prime factor above 13: Fourier transforms of such sizes are fast."""
    while pow(_PRIMES, number.bit_length(), number) != 0:
        number += 1
    return number


def _gain(decibel: Any) -> Any:
    return 10.0 ** (decibel / 20.0)


def _levelled(samples: Samples, level: float) -> Rendered:
    """Scale to a level in dBFS, lower where the peak would clip."""
    gain = min(_gain(level) / _rms(samples), 0.98 / float(np.abs(samples).max()))
    whole = np.round(samples * gain * 32767.0).astype(np.int16)
    return Rendered(whole, round(20.0 * float(np.log10(_rms(whole / 32768.0))), 2))


def _rms(samples: Samples) -> float:
    # Not np.linalg.norm: BLAS sums in as many pieces as there are threads, and equal requests must have equal bytes.
    return float(np.sqrt(np.mean(samples**2)))
