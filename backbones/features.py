"""Log-mel features, batched and exact: the features of an utterance do not depend on its batch mates."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from voxboard.backbones.base import valid

WINDOW, HOP, FFT = 400, 160, 512  # 25 ms, 10 ms at 16 kHz
PRE_EMPHASIS = 0.97
CACHED_FRAMES = 256
FLOOR = torch.finfo(torch.float32).eps  # Kaldi's floor of a mel energy


class KaldiFbank(nn.Module):
    """Kaldi's log-mel filter bank at 16 kHz (compute-fbank-feats with dither 0, 16-bit scale, snip_edges).

    Frames lie wholly inside their utterance, so padding never reaches a valid frame.
    """

    window: Tensor
    mel: Tensor

    def __init__(self, bins: int = 80, low: float = 20.0, high: float = 8000.0) -> None:
        super().__init__()
        self.bins = bins
        hann = torch.hann_window(WINDOW, periodic=False, dtype=torch.float64)
        self.register_buffer("window", hann.pow(0.85).float(), persistent=False)  # "povey" window
        self.register_buffer("mel", mel_triangles(bins, low, high).T.contiguous(), persistent=False)

    @torch.no_grad()
    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`waveforms` [B, N ≥ 400] in [-1, 1], `lengths` [B] ≥ 400 → features [B, T, bins], frames [B].

        Not differentiable. On a CPU, blocks of frames that fit the cache are twice as fast as all at once.
        """
        frames = (waveforms.float() * 32768.0).unfold(-1, WINDOW, HOP)  # [B, T, 400]
        block = max(1, CACHED_FRAMES // len(frames)) if frames.device.type == "cpu" else frames.shape[1]
        energies = torch.cat([self._energies(piece) for piece in frames.split(block, 1)], 1)
        return energies.clamp_(min=FLOOR).log_(), 1 + (lengths - WINDOW) // HOP

    def _energies(self, frames: Tensor) -> Tensor:
        """Raw frames [B, T, 400] → mel energies [B, T, bins]."""
        kept = (
            1.0 - PRE_EMPHASIS
        )  # what pre-emphasis leaves of a constant, and of the first sample of a frame
        x = frames.new_zeros(*frames.shape[:2], FFT)
        torch.sub(frames[..., 1:], frames[..., :-1], alpha=PRE_EMPHASIS, out=x[..., 1:WINDOW])
        torch.mul(frames[..., 0], kept, out=x[..., 0])
        x[..., :WINDOW].sub_(frames.mean(-1, keepdim=True), alpha=kept).mul_(self.window)
        return torch.fft.rfft(x).abs().square_() @ self.mel


def mel_triangles(bins: int, low: float, high: float, sample_rate: int = 16_000) -> Tensor:
    """Kaldi's triangular filters [bins, FFT / 2 + 1]: equally spaced on the scale 1127 ln(1 + f / 700)."""
    edges = torch.linspace(_mel(low), _mel(high), bins + 2, dtype=torch.float64)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bin_mel = 1127.0 * torch.log1p(
        torch.arange(FFT // 2 + 1, dtype=torch.float64) * sample_rate / FFT / 700.0
    )
    up, down = (bin_mel - left) / (centre - left), (right - bin_mel) / (right - centre)
    return torch.minimum(up, down).clamp(min=0.0).float()


def _mel(hertz: float) -> float:
    return 1127.0 * math.log1p(hertz / 700.0)


def normalise(features: Tensor, lengths: Tensor, variance: bool = False) -> Tensor:
    """[B, T, F] minus its mean over the valid frames, zeros on padding; `variance` also divides by the
    standard deviation.

    That is the unbiased one with a floor of 1e-8, as UniPool-SV's X-vector has it.
    """
    mask = valid(lengths, features.shape[1])[..., None]
    count = lengths[:, None, None].to(features.dtype)
    mean = features.masked_fill(~mask, 0.0).sum(1, keepdim=True) / count
    centred = (features - mean).masked_fill(~mask, 0.0)
    if variance:
        deviation = (centred.square().sum(1, keepdim=True) / (count - 1).clamp(min=1)).sqrt()
        centred = centred / deviation.clamp(min=1e-8)
    return centred
