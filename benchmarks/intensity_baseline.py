"""The acoustic baseline of intensity: 130 numbers of a waveform, for a ridge regression.

As in speech2text-intensity-regression's baseline, whose features are librosa's with its defaults.
"""

from __future__ import annotations

from functools import cache

import numpy as np

FRAME, STEP = 2048, 512  # samples of a frame of zero crossings, and between two
FFT, HOP = 512, 160
BANDS = 64
FEATURES = 2 + 2 * BANDS


def features(wave: np.ndarray, rate: int) -> np.ndarray:
    """Samples [N] at `rate` Hz → float32 [130]: zero-crossing rate, mean square, mean and deviation of 64 mel bands.

    Mel bands are in dB, of magnitudes (not powers) 10 ms apart at 16 kHz, at most 80 dB below the loudest; the
    deviation is over time.
    """
    mel = mel_decibels(wave, rate)
    first = [zero_crossing_rate(wave), float(np.mean(np.square(wave)))]
    return np.concatenate([first, mel.mean(1), mel.std(1)]).astype(np.float32)


def zero_crossing_rate(wave: np.ndarray) -> float:
    """The share of samples [N] whose sign is not that of the one before, averaged over frames of 2048 every 512."""
    padded = np.pad(wave, FRAME // 2, mode="edge")
    negative = np.signbit(np.where(np.abs(padded) <= 1e-10, 0.0, padded))
    crossing = np.diff(negative, prepend=negative[:1])
    frames = np.lib.stride_tricks.sliding_window_view(crossing, FRAME)[::STEP]
    # The first sample of a frame has none before it.
    return float((frames[:, 1:].sum(1) / FRAME).mean())


def mel_decibels(wave: np.ndarray, rate: int) -> np.ndarray:
    """Samples [N] → 64 mel bands in dB [64, T], T = 1 + ⌊N / 160⌋."""
    import torch

    signal = torch.from_numpy(np.ascontiguousarray(wave, dtype=np.float32))
    spectrum = torch.stft(
        signal, FFT, HOP, window=torch.hann_window(FFT), center=True, pad_mode="constant", return_complex=True
    )
    bands = _filters(rate) @ spectrum.abs().numpy()
    decibels = 10.0 * np.log10(np.maximum(bands + 1e-9, 1e-10))
    floored: np.ndarray = np.maximum(decibels, decibels.max() - 80.0)
    return floored


@cache
def _filters(rate: int) -> np.ndarray:
    """Slaney's mel filters up to half the rate, each of unit area, [64, 257]."""
    from transformers.audio_utils import mel_filter_bank

    filters: np.ndarray = mel_filter_bank(FFT // 2 + 1, BANDS, 0.0, rate / 2, rate, norm="slaney", mel_scale="slaney")
    return filters.T.astype(np.float32)
