"""The pair model of wav2vec 2.0 fine-tuning: one transformer reads both utterances and tells whether they match."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from voxboard.backbones.ssl import SSL


class PairScore(nn.Module):
    """The linear map from the first frame of a pair's sequence to a score.

    Binary cross entropy on its logits trains it (Vaessen & van Leeuwen, ICASSP 2022, section 3.3).
    """

    def __init__(self, size: int, bias: bool = True) -> None:
        super().__init__()
        self.output = nn.Linear(size, 1, bias=bias)

    def logits(self, backbone: SSL, first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> Tensor:
        """Waveforms [B, N], at least the receptive field long and zero past their lengths [B], twice → logits [B]."""
        hidden, steps = pair_sequence(backbone.projected(*first), backbone.projected(*second))
        return self.output(backbone.states(hidden, steps)[:, -1, 0]).squeeze(-1)

    def forward(self, backbone: SSL, first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> Tensor:
        """The same → scores [B] from 0 to 1."""
        return self.logits(backbone, first, second).sigmoid()


def pair_sequence(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Features [B, T, D] and lengths [B], twice → 1, first, −1, second, −1 [B, S, D] without padding in between."""
    (one, ones), (other, others) = first, second
    start = one.new_ones(1, one.shape[2])
    rows = [
        torch.cat([start, a[:n], -start, b[:m], -start])
        for a, n, b, m in zip(one, ones.tolist(), other, others.tolist(), strict=True)
    ]
    return pad_sequence(rows, batch_first=True), ones + others + 3
