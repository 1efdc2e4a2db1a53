"""Dropout and skipping in training, strong at first (icefall's schedules of the Zipformer).

Left out of icefall's recipe: balancers and whitening. They matter for large training runs from scratch with ScaledAdam.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

WARMUP = 4000.0  # batches until no layer is skipped more often than at the end
MASKED_CHANNELS = 0.125
LARGEST_SCORE, PENALTY = 25.0, 1e-4  # of attention, before the softmax; the penalty is per unit beyond it


def schedule(count: float, *points: tuple[float, float]) -> float:
    """Linear between (batches, value) points, constant before the first and after the last."""
    if count <= points[0][0]:
        return points[0][1]
    for (start, low), (end, high) in pairwise(points):
        if count < end:
            return low + (high - low) * (count - start) / (end - start)
    return points[-1][1]


@dataclass(frozen=True)
class Rates:
    """Probabilities, all zero in evaluation.

    `floor` is the least that a bypass lets through, `damped` the share of its gradient that the first convolution is
    spared, which in half precision could overflow.
    """

    dropout: float = 0.0
    positions: float = 0.0
    attention: float = 0.0
    convolution: float = 0.0
    feedforward: float = 0.0
    convnext: float = 0.0
    uniform: float = 0.0
    placeless: float = 0.0
    penalised: float = 0.0
    damped: float = 0.0
    floor: float | None = None

    @staticmethod
    def after(count: float) -> Rates:
        """The rates after a number of batches."""
        return Rates(
            dropout=schedule(count, (0, 0.3), (20_000, 0.1)),
            positions=0.15,
            attention=schedule(count, (0, 0.2), (4_000, 0.05), (16_000, 0.0)),
            convolution=schedule(count, (0, 0.2), (4_000, 0.05), (16_000, 0.0)),
            feedforward=schedule(count, (0, 0.1), (4_000, 0.01), (50_000, 0.0)),
            convnext=schedule(count, (0, 0.2), (20_000, 0.015)),
            uniform=schedule(count, (0, 0.25), (4_000, 0.025)),
            placeless=schedule(count, (0, 0.5), (4_000, 0.0)),
            penalised=0.1,
            damped=0.8,
            floor=schedule(count, (0, 0.9), (20_000, 0.2)),
        )


NOTHING = Rates()  # is left out in evaluation


@dataclass(frozen=True)
class Drops:
    """Parts that one stack leaves out: `layers` with the probability of skipping each, `channels` [B, 1, C] zero where
    masked.
    """

    rates: Rates = field(default_factory=Rates)
    layers: Sequence[float] = ()
    channels: Tensor | None = None


def layer_skips(count: float, stack: int, stacks: int, layers: int, factor: int) -> list[float]:
    """Probabilities of skipping each layer of a stack, from one half on, stack after stack and layer after layer."""
    step = WARMUP / (stacks + 1)
    ends = [step * (stack + 1 + layer / layers) for layer in range(layers + 1)]
    last = 0.035 * factor**0.5
    return [schedule(count, (start, 0.5), (end, last)) for start, end in pairwise(ends)]


def channel_mask(x: Tensor, size: int, unmasked: int) -> Tensor:
    """[B, 1, size] of ones, with zeros in the upper channels of some sequences, and in all but `unmasked` of fewer."""
    middle = unmasked + (size - unmasked) // 2
    every, upper = kept(x, MASKED_CHANNELS), kept(x, MASKED_CHANNELS)
    place = torch.arange(size, device=x.device)
    return torch.where(place < unmasked, 1.0, torch.where(place < middle, every, every * upper))


def kept(x: Tensor, rate: float) -> Tensor:
    """[B, 1, 1]: 0 for a sequence that is left out, else 1."""
    return (torch.rand(x.shape[0], 1, 1, device=x.device) >= rate).to(x.dtype)


def skipped(x: Tensor, rate: float) -> Tensor:
    """[B, ...] with zeros for some of the sequences."""
    return x if rate == 0.0 else x * kept(x, rate).view(-1, *[1] * (x.ndim - 1))


def shared_dropout(x: Tensor, rate: float) -> Tensor:
    """Dropout on [B, T, C] that leaves the same channels out of all frames of a sequence."""
    return x if rate == 0.0 else x * F.dropout(x.new_ones(x.shape[0], 1, x.shape[2]), rate)


def penalised(scores: Tensor, rate: float) -> Tensor:
    """The same scores; in some batches those beyond ±25 get a gradient that pulls them back, whatever the loss."""
    if rate == 0.0 or float(torch.rand(())) >= rate or not scores.requires_grad:
        return scores
    pull = PENALTY * torch.where(scores.detach().abs() > LARGEST_SCORE, scores.detach().sign(), 0.0)
    scores.register_hook(lambda gradient: gradient + pull)  # type: ignore[no-untyped-call]
    return scores


def damped(x: Tensor, share: float) -> Tensor:
    """The same values, through which this share of the gradient does not pass."""
    if share and x.requires_grad:
        x.register_hook(lambda gradient: gradient * (1.0 - share))  # type: ignore[no-untyped-call]
    return x


def within(scale: Tensor, floor: float | None, ceiling: float) -> Tensor:
    """A scale within [floor, ceiling], or as it is without a floor; the gradient passes as if it were not limited."""
    return scale if floor is None else scale + (scale.clamp(floor, ceiling) - scale).detach()
