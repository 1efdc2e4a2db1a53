"""The 80-bin filter bank beside torchaudio's, kaldi-native-fbank's, Lhotse's and double precision."""

from __future__ import annotations

from collections.abc import Callable

import kaldi_native_fbank
import numpy as np
import torch
from lhotse.features.kaldi.extractors import Fbank, FbankConfig
from torchaudio.compliance import kaldi

from tests.conformance.section import Row, Section
from tests.peers import Fbank as SpeechBrainFbank
from voxboard.backbones.features import KaldiFbank

TEXT = """
Kaldi's `compute-fbank-feats` at 16 kHz: samples on the 16-bit scale, no dither, frames of 25 ms every 10 ms that lie
wholly inside the utterance, mean removed, pre-emphasis 0.97, Povey's window, 80 bins of 20 to 8,000 Hz, natural
logarithm of the power, floor 2⁻²³. The input is one second of three modulated tones in noise. All agree to 1e-3 when
they are told so; what they do by default differs.
"""
POINTS = ((0, 0), (0, 79), (31, 5), (50, 40), (96, 60), (97, 20))
SETTINGS = {"num_mel_bins": 80, "dither": 0.0, "sample_frequency": 16_000.0}


def section() -> Section:
    """Chosen points of one utterance, then the conventions that change them."""
    wave = audio()
    ways = {"torchaudio": torchaudio, "kaldi-native-fbank": native, "Lhotse": lhotse, "double precision": exact}
    found = {name: way(wave) for name, way in ways.items()}
    mine = ours(wave)

    def row(case: str, value: Callable[[np.ndarray], float]) -> Row:
        return Row(case, float(value(mine)), {name: float(value(theirs)) for name, theirs in found.items()})

    rows = [
        row("frames of 1 s", len),
        *(row(f"frame {frame}, bin {mel}", lambda values, at=(frame, mel): values[at]) for frame, mel in POINTS),
        row("mean of all values", np.mean),
        *_conventions(wave, mine),
    ]
    return Section("Filter banks", TEXT, rows, tolerance=1e-3, digits=2)


def _conventions(wave: np.ndarray, mine: np.ndarray) -> list[Row]:
    speechbrain = SpeechBrainFbank(n_mels=80)(torch.from_numpy(wave)[None])[0].numpy()
    return [
        Row(
            "frames of 1 s, as the peers come",
            float(len(mine)),
            {"Lhotse": float(len(lhotse(wave, snip_edges=False))), "SpeechBrain": float(len(speechbrain))},
            "frames that reach over the ends of the utterance (mirrored, or padded with zeros)",
        ),
        Row(
            "mean of all values, samples in [−1, 1]",
            float(mine.mean()),
            {"torchaudio": float(torchaudio(wave, scale=1.0).mean()), "Lhotse": float(lhotse(wave, scale=1.0).mean())},
            "2 ln 32768 = 20.79 lower: the peers take the scale that they are given, ours is always Kaldi's",
        ),
        Row(
            "mean of all values, as the peer comes",
            float(mine.mean()),
            {"SpeechBrain": float(speechbrain.mean())},
            "not Kaldi's: decibels, Hamming window, other triangles, no pre-emphasis",
        ),
    ]


def audio() -> np.ndarray:
    """One second [16,000] of modulated tones and noise, float32."""
    time = np.arange(16_000) / 16_000
    tones = sum(level * np.sin(2 * np.pi * hertz * time) for hertz, level in ((190, 0.3), (820, 0.2), (2_950, 0.1)))
    noise = 0.02 * np.random.default_rng(0).uniform(-1, 1, 16_000)
    return np.asarray(tones * (0.6 + 0.4 * np.sin(4 * np.pi * time)) + noise, np.float32)


def ours(wave: np.ndarray) -> np.ndarray:
    """[T, 80]"""
    return KaldiFbank()(torch.from_numpy(wave)[None], torch.tensor([len(wave)]))[0][0].numpy()


def torchaudio(wave: np.ndarray, scale: float = 32_768.0) -> np.ndarray:
    """[T, 80]"""
    return kaldi.fbank(torch.from_numpy(wave)[None] * scale, **SETTINGS).numpy()


def lhotse(wave: np.ndarray, scale: float = 32_768.0, snip_edges: bool = True) -> np.ndarray:
    """[T, 80]"""
    config = FbankConfig(num_filters=80, dither=0.0, high_freq=8_000.0, snip_edges=snip_edges)
    return Fbank(config).extract(torch.from_numpy(wave) * scale, 16_000).numpy()


def native(wave: np.ndarray) -> np.ndarray:
    """[T, 80]"""
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0.0
    options.mel_opts.num_bins = 80
    computer = kaldi_native_fbank.OnlineFbank(options)
    computer.accept_waveform(16_000, (wave * 32_768).tolist())
    computer.input_finished()
    return np.stack([computer.get_frame(frame) for frame in range(computer.num_frames_ready)])


def exact(wave: np.ndarray) -> np.ndarray:
    """The definition in float64 [T, 80]."""
    frames = np.lib.stride_tricks.sliding_window_view(wave.astype(np.float64) * 32_768, 400)[::160]
    frames = frames - frames.mean(1, keepdims=True)
    frames = frames - 0.97 * np.concatenate([frames[:, :1], frames[:, :-1]], 1)
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** 0.85
    power = np.abs(np.fft.rfft(frames * window, 512)) ** 2
    edges = np.linspace(*(1127 * np.log1p(hertz / 700) for hertz in (20.0, 8_000.0)), 82)[:, None]
    mel = 1127 * np.log1p(np.arange(257) * 16_000 / 512 / 700)
    rising, falling = (mel - edges[:-2]) / (edges[1:-1] - edges[:-2]), (edges[2:] - mel) / (edges[2:] - edges[1:-1])
    return np.log(np.maximum(power @ np.maximum(np.minimum(rising, falling), 0.0).T, 2.0**-23))
