"""Front-ends of the networks that start from spectra: batched, and the same alone as in a padded batch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from voxboard.backbones.frames import valid
from voxboard.errors import unknown

WINDOW, HOP, FFT = 400, 160, 512  # 25 ms, 10 ms at 16 kHz
PRE_EMPHASIS = 0.97
CACHED_FRAMES = 256
FLOOR = torch.finfo(torch.float32).eps  # Kaldi's floor of a mel energy

Kind = Literal["fbank", "mfcc", "logmel"]
Norm = Literal["none", "mean", "mean-variance", "frame"]
KaldiWindow = Literal["povey", "hamming"]


def norm_for(kind: str, norms: Mapping[Kind, Norm]) -> Norm:
    """The normalisation that a network uses with a kind of features. Raises `UserError` for an unknown kind."""
    for name, norm in norms.items():
        if name == kind:
            return norm
    raise unknown("kind of features", kind, norms)


class FrontEnd(nn.Module):
    """Waveforms to normalised features.

    Kaldi's log-mel (`fbank`), UniPool-SV's MFCC (`mfcc`) or the log-mel of double multi-head attention (`logmel`).
    `reference` makes the MFCC depend on the batch as UniPool-SV's does.
    """

    def __init__(self, kind: Kind, bins: int, norm: Norm, reference: bool = False) -> None:
        super().__init__()
        self.extract: nn.Module
        if kind == "mfcc":
            self.extract = Mfcc(bins, reference)
        else:
            self.extract = KaldiFbank(bins) if kind == "fbank" else LogMel(bins)
        self.norm = norm

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`waveforms` [B, N] in [-1, 1], zeros past `lengths` [B] ≥ 400 (`logmel`: 512) → [B, T, bins], frames [B]."""
        features, frames = self.extract(waveforms, lengths)
        return normalize(features, frames, self.norm), frames


def normalize(features: Tensor, lengths: Tensor, norm: Norm) -> Tensor:
    """[B, T, F] → the same with zeros on padding.

    `mean` subtracts each utterance's mean, `mean-variance` also divides by its unbiased standard deviation, `frame`
    gives every frame unit length.
    """
    mask = valid(lengths, features.shape[1])[..., None]
    features = features.masked_fill(~mask, 0.0)
    if norm == "frame":
        return nn.functional.normalize(features, dim=-1)
    if norm == "none":
        return features
    count = lengths[:, None, None].to(features.dtype)
    centered = (features - features.sum(1, keepdim=True) / count).masked_fill(~mask, 0.0)
    if norm == "mean":
        return centered
    deviation = (centered.square().sum(1, keepdim=True) / (count - 1).clamp(min=1)).sqrt()
    return centered / deviation.clamp(min=1e-8)


def spec_augment(features: Tensor, frames: int = 4, bins: int = 9) -> Tensor:
    """[B, T, F] with one stretch of up to `frames` frames and one of up to `bins` bins of each utterance set to zero.

    The widths of UniPool-SV's ECAPA-TDNN. Draws from torch's global stream, which training seeds at every step.
    """
    batch, steps, size = features.shape
    hidden = _stretch(batch, steps, frames)[:, :, None] | _stretch(batch, size, bins)[:, None, :]
    return features.masked_fill(hidden.to(features.device), 0.0)


def _stretch(batch: int, size: int, most: int) -> Tensor:
    """[batch, size] bool, true on one random stretch of 0 to `most` places in each row."""
    widths = torch.randint(0, min(most, size) + 1, (batch, 1))
    starts = (torch.rand(batch, 1) * (size - widths + 1)).long()
    places = torch.arange(size)
    return (places >= starts) & (places < starts + widths)


class KaldiFbank(nn.Module):
    """Kaldi's log-mel filter bank at 16 kHz (compute-fbank-feats with dither 0 and snip_edges).

    Frames lie wholly inside their utterance, so padding never reaches a valid frame. `scale` is what a full-scale
    sample counts as: 32768 in Kaldi and WeSpeaker, 1 in 3D-Speaker. It is not cosmetic, because energies have a floor.
    """

    window: Tensor
    mel: Tensor

    def __init__(
        self, bins: int = 80, high: float = 8000.0, scale: float = 32768.0, window: KaldiWindow = "povey"
    ) -> None:
        super().__init__()
        self.scale = scale
        hann = torch.hann_window(WINDOW, periodic=False)
        shape = hann.pow(0.85) if window == "povey" else torch.hamming_window(WINDOW, periodic=False)
        self.register_buffer("window", shape, persistent=False)
        self.register_buffer("mel", kaldi_triangles(bins, high=high).T.contiguous(), persistent=False)

    @torch.no_grad()
    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`waveforms` [B, N ≥ 400], `lengths` [B] ≥ 400 → [B, T, bins], frames [B]. Not differentiable."""
        counts = 1 + (lengths - WINDOW) // HOP
        return self.log_mel((waveforms.float() * self.scale).unfold(-1, WINDOW, HOP), counts), counts

    def log_mel(self, frames: Tensor, counts: Tensor) -> Tensor:
        """Raw frames [B, T, 400], of which `counts` [B] are valid, → [B, T, bins].

        On a CPU every utterance is worked through alone, in blocks of frames that fit the cache: faster than all at
        once, and no bit depends on batch mates.
        """
        if frames.device.type != "cpu" or torch.compiler.is_exporting():
            return self._energies(frames).clamp_(min=FLOOR).log_()
        energies = frames.new_zeros(*frames.shape[:2], self.mel.shape[1])
        for utterance, into, count in zip(frames, energies, counts.tolist(), strict=True):
            pieces = zip(utterance[:count].split(CACHED_FRAMES), into[:count].split(CACHED_FRAMES), strict=True)
            for piece, place in pieces:
                place.copy_(self._energies(piece))
        return energies.clamp_(min=FLOOR).log_()

    def _energies(self, frames: Tensor) -> Tensor:
        """Raw frames [..., 400] → mel energies [..., bins].

        Every step rounds as torchaudio's does: where the bins of a spectrum nearly cancel, one other rounding before
        the transform moves a logarithm by 0.02.
        """
        centered = frames - frames.mean(-1, keepdim=True)
        x = frames.new_zeros(*frames.shape[:-1], FFT)
        emphasised = x[..., :WINDOW]
        torch.mul(centered[..., :1], PRE_EMPHASIS, out=emphasised[..., :1])  # a frame's first sample precedes itself
        torch.mul(centered[..., :-1], PRE_EMPHASIS, out=emphasised[..., 1:])
        torch.sub(centered, emphasised, out=emphasised).mul_(self.window)
        spectrum = torch.fft.rfft(x)
        return spectrum.mul_(spectrum.conj()).real.contiguous() @ self.mel  # abs() alone takes longer than all the rest


class Mfcc(nn.Module):
    """UniPool-SV's MFCC: pre-emphasis, centred Hamming frames, 80 HTK mels of 20 to 7600 Hz in dB, orthonormal DCT.

    Values more than 80 dB below the utterance's own maximum are raised to that level. `reference` takes the maximum
    of the whole batch, as UniPool-SV does, so that a loud batch mate changes the features; alone, both are equal.
    """

    window: Tensor
    mel: Tensor
    cosines: Tensor
    top_db = 80.0

    def __init__(self, bins: int, reference: bool = False) -> None:
        super().__init__()
        self.reference = reference
        mels = 80
        self.register_buffer("window", hamming(), persistent=False)
        self.register_buffer("mel", htk_triangles(mels, 20.0, 7600.0).T.contiguous(), persistent=False)
        angles = math.pi / mels * (torch.arange(mels, dtype=torch.float64) + 0.5)[:, None] * torch.arange(bins)
        scale = torch.where(torch.arange(bins) == 0, 1 / mels, 2 / mels).sqrt()
        self.register_buffer("cosines", (angles.cos() * scale).float(), persistent=False)  # [80, bins]

    @torch.no_grad()
    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`waveforms` [B, N], `lengths` [B] > 256 → [B, T, bins], frames [B]."""
        frames = self._emphasised(waveforms, lengths).unfold(-1, FFT, HOP) * self.window  # [B, T, 512]
        energies = torch.fft.rfft(frames).abs().square_() @ self.mel
        decibel = 10.0 * energies.clamp(min=1e-10).log10()
        counts = lengths // HOP + 1
        outside = ~valid(counts, decibel.shape[1])[..., None]
        over = (0, 1, 2) if self.reference else (1, 2)
        loudest = decibel.masked_fill(outside, -math.inf).amax(over, keepdim=True)
        return torch.maximum(decibel, loudest - self.top_db) @ self.cosines, counts

    def _emphasised(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """[B, N] → [B, N + 512]: pre-emphasised, and mirrored at each utterance's own two ends."""
        previous = torch.cat([waveforms[:, 1:2], waveforms[:, :-1]], 1)
        emphasised = waveforms - PRE_EMPHASIS * previous
        at = torch.arange(-FFT // 2, waveforms.shape[1] + FFT // 2, device=waveforms.device).abs()[None]
        last = lengths[:, None] - 1
        return emphasised.gather(1, torch.where(at > last, 2 * last - at, at).clamp(min=0))


class LogMel(nn.Module):
    """The log-mel of double multi-head attention (India et al., arXiv 2007.13199): Slaney mels, ln(max(1, ·)).

    Pre-emphasised at 16-bit scale, 25 ms Hamming windows inside frames of 512 samples that lie wholly inside their
    utterance, so padding never reaches a valid frame.
    """

    window: Tensor
    mel: Tensor

    def __init__(self, bins: int = 80) -> None:
        super().__init__()
        self.register_buffer("window", hamming(), persistent=False)
        self.register_buffer("mel", slaney_triangles(bins).T.contiguous(), persistent=False)

    @torch.no_grad()
    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`waveforms` [B, N ≥ 512], `lengths` [B] ≥ 512 → [B, T, bins], frames [B]. Not differentiable."""
        samples = waveforms.float() * 32768.0
        previous = torch.cat([samples[:, :1], samples[:, :-1]], 1)  # a first sample precedes itself
        frames = (samples - PRE_EMPHASIS * previous).unfold(-1, FFT, HOP) * self.window  # [B, T, 512]
        magnitudes = torch.fft.rfft(frames).abs() @ self.mel
        return magnitudes.clamp(min=1.0).log(), 1 + (lengths - FFT) // HOP


def hamming() -> Tensor:
    """A periodic Hamming window of 25 ms in the middle of a frame [512]."""
    return nn.functional.pad(torch.hamming_window(WINDOW), ((FFT - WINDOW) // 2, (FFT - WINDOW) // 2))


def kaldi_triangles(bins: int, low: float = 20.0, high: float = 8000.0) -> Tensor:
    """Filter [bins, 257], equally spaced and linear on the scale 1127 ln(1 + f / 700)."""

    def mel(hertz: Tensor) -> Tensor:
        return 1127.0 * torch.log1p(hertz / 700.0)

    low_mel, high_mel = mel(torch.tensor([low, high], dtype=torch.float64)).tolist()
    return triangles(torch.linspace(low_mel, high_mel, bins + 2, dtype=torch.float64), mel(fft_hertz()))


def htk_triangles(bins: int, low: float, high: float) -> Tensor:
    """Filter [bins, 257], equally spaced on the scale 2595 log10(1 + f / 700) but linear in Hz."""
    first, last = (2595.0 * math.log10(1.0 + hertz / 700.0) for hertz in (low, high))
    edges = 700.0 * (10.0 ** (torch.linspace(first, last, bins + 2, dtype=torch.float64) / 2595.0) - 1.0)
    return triangles(edges, fft_hertz())


def slaney_triangles(bins: int, low: float = 0.0, high: float = 8000.0) -> Tensor:
    """Filter [bins, 257], equally spaced on Slaney's scale (linear to 1 kHz, then logarithmic) but linear in Hz."""
    step, corner = 200.0 / 3.0, 1000.0  # Hz per mel below the corner
    ratio = math.log(6.4) / 27.0  # growth per mel above it

    def mel(hertz: float) -> float:
        return hertz / step if hertz < corner else corner / step + math.log(hertz / corner) / ratio

    mels = torch.linspace(mel(low), mel(high), bins + 2, dtype=torch.float64)
    above = corner * torch.exp(ratio * (mels - corner / step))
    return triangles(torch.where(mels < corner / step, step * mels, above), fft_hertz())


def triangles(edges: Tensor, at: Tensor) -> Tensor:
    """Triangles between every three neighbours of `edges` [bins + 2], evaluated at `at` [257]: [bins, 257]."""
    left, center, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    up, down = (at - left) / (center - left), (right - at) / (right - center)
    return torch.minimum(up, down).clamp(min=0.0).float()


def fft_hertz(sample_rate: int = 16_000) -> Tensor:
    """Frequencies of the FFT bins [257]."""
    return torch.arange(FFT // 2 + 1, dtype=torch.float64) * sample_rate / FFT
