"""Energies of a gammatone filter bank: what the cochlea passes on, roughly."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.backbones.base import Backbone, BackboneSpec, Frames, FramesSpec

RATE, TAPS, HOP = 16_000, 400, 160


class Gammatone(Backbone):
    """Log energies behind complex gammatone filters, then a linear map: [B, 1, T, size] every 10 ms.

    Filters of order 4 on the ERB scale (Patterson et al., 1992). No frame reaches past its utterance's end, so a
    padded batch is exact.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `gammatone`."""

        filters: int = 64
        """Filters between 50 Hz and 7.6 kHz."""
        size: int = 64
        """Size of the frames."""
        floor: float = 1e-8
        """Energy that silence is raised to."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.kernels: Tensor
        self.register_buffer("kernels", kernels(config.filters), persistent=False)
        self.mix = nn.Linear(config.filters, config.size)
        self.spec = BackboneSpec(
            FramesSpec(layers=1, size=config.size, hop=HOP / RATE),
            min_samples=TAPS,
            parameters=sum(p.numel() for p in self.parameters()),
            weights="random",
            weights_licence="none (random initialisation)",
            source="Patterson et al., Complex sounds and auditory images, 1992",
            exports=("torch.export",),
        )

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Frames:
        real, imaginary = F.conv1d(waveforms[:, None], self.kernels, stride=HOP).chunk(2, 1)
        energies = real.square() + imaginary.square()  # [B, filters, T]
        x = self.mix(energies.clamp(min=self.config.floor).log().transpose(1, 2).contiguous())
        return Frames(x[:, None], 1 + (lengths - TAPS) // HOP, self.spec.frames.hop)

    def preprocessing(self) -> dict[str, Any]:
        return asdict(self.config)


def kernels(filters: int) -> Tensor:
    """The real parts of all impulse responses, then the imaginary ones: [2 · filters, 1, 400], each of energy 1."""
    low, high = (21.4 * math.log10(1 + 0.00437 * hertz) for hertz in (50.0, 7600.0))
    centers = (10 ** (torch.linspace(low, high, filters, dtype=torch.float64) / 21.4) - 1) / 0.00437
    bandwidths = 1.019 * 24.7 * (0.00437 * centers + 1)
    seconds = torch.arange(TAPS, dtype=torch.float64) / RATE
    envelopes = seconds**3 * torch.exp(-2 * math.pi * bandwidths[:, None] * seconds)
    phases = 2 * math.pi * centers[:, None] * seconds
    both = torch.cat([envelopes * phases.cos(), envelopes * phases.sin()])
    return F.normalize(both, dim=1).float()[:, None]
