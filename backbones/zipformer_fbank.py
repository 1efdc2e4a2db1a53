"""The log-mel front-end of Auden's and icefall's Zipformer."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from voxboard.backbones.features import HOP, WINDOW, KaldiFbank
from voxboard.backbones.frames import valid

PADDING = math.log(1e-10)


class AudenFbank(KaldiFbank):
    """Kaldi's log-mel at the scale of [-1, 1], up to 7600 Hz, with frames centred on their hop (snip_edges off).

    Samples before and after an utterance are its own, mirrored. Auden's data loader adds zeros up to the longest
    utterance of a batch first and mirrors at their end: give it the batch's length for every utterance.
    """

    def __init__(self, bins: int = 80) -> None:
        super().__init__(bins, high=7600.0)

    @torch.no_grad()
    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`waveforms` [B, N], `lengths` [B] ≥ 280 → [B, T, bins] with log(1e-10) on padding, frames [B]."""
        counts = torch.div(lengths + HOP // 2, HOP, rounding_mode="floor")
        frames = int(counts.max())
        start = (HOP - WINDOW) // 2
        at = torch.arange(start, start + (frames - 1) * HOP + WINDOW, device=waveforms.device)[None]
        at = torch.where(at < 0, -1 - at, at)
        mirrored = torch.where(at < lengths[:, None], at, 2 * lengths[:, None] - 1 - at).clamp(min=0)
        features = self.log_mel(waveforms.float().gather(1, mirrored).unfold(-1, WINDOW, HOP), counts)
        return features.masked_fill(~valid(counts, frames)[..., None], PADDING), counts
