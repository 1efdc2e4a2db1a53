"""Resemblyzer's voice encoder: an LSTM over windows of 1.6 s, trained with GE2E.

Wan et al., "Generalized End-to-End Loss for Speaker Verification", ICASSP 2018, in the layout of Resemblyzer 0.1.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.backbones.base import Backbone, BackboneSpec
from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.backbones.named_weights import origin, weights_of
from voxboard.limits import Positive, Share, Size
from voxboard.reference_weights import load_reference

RATE, HOP, FFT, BANDS = 16_000, 160, 400, 40
WINDOW = 160  # frames of a window
LOUDNESS = -30.0  # dB below full scale, to which quiet utterances are raised


class Resemblyzer(Backbone):
    """Embeddings of windows [B, 1, W, embedding], of unit length; their mean is the utterance's.

    Its name alone stands for it with that mean. Silences are not trimmed: what the package does before it embeds needs
    a voice activity detector of its own, and costs words on short utterances.
    """

    alone = True

    @dataclass(frozen=True)
    class Config:
        """Options of `resemblyzer`."""

        weights: str = "published"
        """published: those of `voxboard weights get resemblyzer`; random; or a file in Resemblyzer's layout."""
        rate: Positive = 1.3
        """Windows per second."""
        coverage: Share = 0.75
        """Share of the last window that the utterance must fill, unless it is the only one."""
        hidden: Size = 256
        """Units of each LSTM layer. This and the following are for random weights only."""
        layers: Size = 3
        """Layers of the LSTM."""
        embedding: Size = 256
        """Size of the embedding."""

    mel: Tensor
    window: Tensor

    def __init__(self, config: Config) -> None:
        from transformers.audio_utils import mel_filter_bank

        super().__init__()
        self.config = config
        self.step = max(1, round(RATE / config.rate / HOP))  # frames
        bank = mel_filter_bank(FFT // 2 + 1, BANDS, 0.0, RATE / 2, RATE, norm="slaney", mel_scale="slaney")
        self.register_buffer("mel", torch.from_numpy(bank).float(), persistent=False)
        self.register_buffer("window", torch.hann_window(FFT), persistent=False)
        self.lstm = nn.LSTM(BANDS, config.hidden, config.layers, batch_first=True)
        self.linear = nn.Linear(config.hidden, config.embedding)
        native: tuple[str, dict[str, Any]] = ("mean", {})
        self.spec = BackboneSpec(
            FramesSpec(1, config.embedding, self.step * HOP / RATE, native=native),
            min_samples=1,
            parameters=sum(p.numel() for p in self.parameters()),
            code_licence="MIT",
            **origin("resemblyzer", config.weights, "Wan et al., Generalized End-to-End Loss, ICASSP 2018"),
        )
        if given := weights_of("resemblyzer", config.weights):
            load_reference("resemblyzer", given, backbone=self)

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Frames:
        counts = self.windows(lengths)
        needed = ((int(counts.max()) - 1) * self.step + WINDOW) * HOP
        x = F.pad(raised(waveforms, lengths), (0, max(0, needed - waveforms.shape[1])))
        windows = self.mels(x).unfold(1, WINDOW, self.step).transpose(2, 3)  # [B, ≥ W, 160, bands]
        inside = torch.arange(int(counts.max()), device=counts.device) < counts[:, None]
        states = windows.new_zeros(*inside.shape, self.config.embedding)
        states[inside] = self.partials(windows[:, : inside.shape[1]][inside])
        return Frames(states[:, None], counts, self.spec.frames.hop)

    def windows(self, lengths: Tensor) -> Tensor:
        """Number of windows [B] of utterances of `lengths` [B] samples."""
        frames = torch.div(lengths, HOP, rounding_mode="floor") + 1  # the ceiling of (samples + 1) / hop
        counts = torch.div(frames - WINDOW + self.step, self.step, rounding_mode="floor").clamp(min=0) + 1
        last = (counts - 1) * self.step * HOP
        short = (lengths - last) / (WINDOW * HOP) < self.config.coverage
        return torch.where(short & (counts > 1), counts - 1, counts)

    def mels(self, waveforms: Tensor) -> Tensor:
        """Waveforms [B, N] → mel energies [B, T, bands], a frame in the middle of every 160th sample; no logarithm."""
        frames = F.pad(waveforms, (FFT // 2, FFT // 2)).unfold(-1, FFT, HOP) * self.window
        return torch.fft.rfft(frames).abs().square() @ self.mel

    def partials(self, mels: Tensor) -> Tensor:
        """Windows [W, 160, bands] → embeddings [W, embedding] of unit length."""
        _, (hidden, _) = self.lstm(mels)
        return F.normalize(F.relu(self.linear(hidden[-1])), dim=-1)

    def preprocessing(self) -> dict[str, Any]:
        return {"features": "mel energies", "rate": self.config.rate, "coverage": self.config.coverage}


def gain(waveforms: Tensor, lengths: Tensor) -> Tensor:
    """Factors [B] that raise quiet utterances [B, N], of `lengths` [B], to -30 dB; 1 for loud or silent ones."""
    power = waveforms.double().square().sum(-1) / lengths
    level = 10.0 * power.clamp(min=torch.finfo(torch.float64).tiny).log10()
    raising = torch.where(power > 0, 10.0 ** ((LOUDNESS - level) / 20.0), 1.0)
    return raising.clamp(min=1.0).to(waveforms.dtype)


def raised(waveforms: Tensor, lengths: Tensor) -> Tensor:
    """Waveforms [B, N] with quiet utterances raised."""
    return waveforms * gain(waveforms, lengths)[:, None]
