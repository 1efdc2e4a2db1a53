"""Loudness of a recording: a closed-form function of its samples, in dB below full scale.

`rms_dbfs` and `lufs` are labels that a head can learn (`data.labels.SIGNALS`). The others are what the intensity
reference does instead, for comparison with its numbers.
"""

from __future__ import annotations

import math

import numpy as np

RMS_FLOOR = -60.0  # dBFS: what is quieter, silence too, counts as this
LUFS_FLOOR = -70.0  # LUFS: the absolute gate, below which a programme has no loudness
BLOCK = 0.4  # seconds of a gating block: the shortest recording with a loudness


def rms_dbfs(wave: np.ndarray, rate: int) -> float:
    """20 log₁₀ of the root mean square of samples [N] in [-1, 1], clipped to [-60, 0] dBFS; silence is -60."""
    power = max(float(np.mean(np.square(wave, dtype=np.float64))), 1e-12)
    return float(np.clip(20.0 * math.log10(math.sqrt(power) + 1e-12), RMS_FLOOR, 0.0))


def lufs(wave: np.ndarray, rate: int) -> float:
    """Integrated gated loudness (ITU-R BS.1770-4) of samples [N] at `rate` Hz, clipped to [-70, 0] LUFS.

    Silence is -70. NaN, a missing label, where there is no loudness: below 0.4 s, or with samples that are not finite.
    """
    if len(wave) < BLOCK * rate or not np.isfinite(wave).all():
        return math.nan
    import pyloudnorm

    return float(np.clip(pyloudnorm.Meter(rate).integrated_loudness(wave), LUFS_FLOOR, 0.0))


def lufs_or_rms(wave: np.ndarray, rate: int) -> tuple[float, bool]:
    """The reference's LUFS, and whether it is none: too short a recording silently gets its RMS in dBFS."""
    level = lufs(wave, rate)
    return (rms_dbfs(wave, rate), True) if math.isnan(level) else (level, False)


def endpoint_rms_dbfs(wave: np.ndarray) -> float:
    """The RMS that the reference's deployed endpoint returns, dBFS: not clipped, silence is about -90."""
    return 20.0 * math.log10(math.sqrt(float(np.mean(np.square(wave, dtype=np.float64))) + 1e-9) + 1e-9)
