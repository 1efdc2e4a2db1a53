"""One layer of the Zipformer (arXiv 2310.11230, section 3.1): attention weights are computed once and used thrice."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from voxboard.backbones.zipformer_ops import (
    BiasNorm,
    Bypass,
    ChunkCausalDepthwiseConv1d,
    depthwise,
    scaled,
    swoosh_l,
    swoosh_r,
)
from voxboard.backbones.zipformer_training import Rates, kept, penalised, shared_dropout, skipped

MASKED = -1000.0  # finite: a padded frame may have nothing that it is allowed to see


@dataclass(frozen=True)
class LayerSizes:
    """Sizes of one layer: `size` C, `feedforward` F, attention `heads` and theirs, `kernel` of the convolutions."""

    size: int
    feedforward: int
    heads: int
    query: int
    value: int
    position: int
    positions: int
    kernel: int
    causal: bool = False


@dataclass(frozen=True)
class Context:
    """Inputs that the layers of a stack share.

    `positions` [2T - 1, P] relative positions, `padded` [B, T] true on padding, `blocked` [B or 1, T, T] true where a
    target (row) may not attend to a source (column), `chunk` frames that a causal convolution sees at once (-1: all),
    `lengths` [B] where each utterance ends, None for the end of the batch, `rates` of leaving things out in training.
    """

    positions: Tensor
    padded: Tensor | None = None
    blocked: Tensor | None = None
    chunk: int = -1
    lengths: Tensor | None = None
    rates: Rates = field(default_factory=Rates)


class ZipformerLayer(nn.Module):
    """[B, T, C] → [B, T, C]."""

    def __init__(self, sizes: LayerSizes) -> None:
        super().__init__()
        size, hidden = sizes.size, sizes.feedforward
        self.bypass_scale = nn.Parameter(torch.full((size,), 0.5))  # in every checkpoint, and used by nothing
        self.bypass = Bypass(size)
        self.bypass_mid = Bypass(size)
        self.self_attn_weights = AttentionWeights(sizes)
        self.self_attn1 = SelfAttention(sizes)
        self.self_attn2 = SelfAttention(sizes)
        self.feed_forward1 = FeedForward(size, hidden * 3 // 4)
        self.feed_forward2 = FeedForward(size, hidden)
        self.feed_forward3 = FeedForward(size, hidden * 5 // 4)
        self.nonlin_attention = NonlinAttention(size)
        self.conv_module1 = ConvModule(size, sizes.kernel, sizes.causal)
        self.conv_module2 = ConvModule(size, sizes.kernel, sizes.causal)
        self.norm = BiasNorm(size)

    def forward(self, x: Tensor, context: Context, skip: float = 0.0) -> Tensor:
        """[B, T, C] → the same. In training some sequences `skip` the layer."""
        before, rates = x, context.rates
        attend = kept(x, rates.attention) if rates.attention else 1.0
        weights = self.self_attn_weights(x, context)  # [B, heads, T, T]
        x = x + self.feed_forward1(x, rates.dropout)
        x = x + self.nonlin_attention(x, some_uniform(weights[:, 0], rates.uniform)) * attend
        x = x + self.self_attn1(x, weights) * attend
        x = x + skipped(self.conv_module1(x, context), rates.convolution)
        x = x + skipped(self.feed_forward2(x, rates.dropout), rates.feedforward)
        x = self.bypass_mid(before, x, rates.floor)
        x = x + self.self_attn2(x, weights) * attend
        x = x + skipped(self.conv_module2(x, context), rates.convolution)
        x = x + skipped(self.feed_forward3(x, rates.dropout), rates.feedforward)
        return self.bypass(before, self.norm(x), rates.floor, skip)


class AttentionWeights(nn.Module):
    """softmax over sources of q·k + p·r(offset), without 1/√d: the initial weights are scaled instead."""

    def __init__(self, sizes: LayerSizes) -> None:
        super().__init__()
        self.heads = sizes.heads
        self.pieces = [sizes.heads * sizes.query] * 2 + [sizes.heads * sizes.position]
        self.in_proj = nn.Linear(sizes.size, sum(self.pieces))
        self.linear_pos = nn.Linear(sizes.positions, sizes.heads * sizes.position, bias=False)
        scaled(self.in_proj, sizes.query**-0.25)
        scaled(self.linear_pos, 0.05)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """[B, T, C] → weights [B, heads, target T, source T]."""
        query, key, position = (
            piece.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, heads, T, d]
            for piece in self.in_proj(x).split(self.pieces, -1)
        )
        table = self.linear_pos(context.positions).unflatten(-1, (self.heads, -1)).permute(1, 2, 0)  # [heads, d, 2T-1]
        scores = query @ key.transpose(-2, -1) + skipped(by_offset(position @ table), context.rates.placeless)
        scores = penalised(scores, context.rates.penalised)
        if context.blocked is not None:
            scores = scores.masked_fill(context.blocked[:, None], MASKED)
        return scores.softmax(-1)


def some_uniform(weights: Tensor, rate: float) -> Tensor:
    """One head's weights [B, T, T]; in some batches the same for all sources that have any."""
    if rate == 0.0 or float(torch.rand(())) >= rate:
        return weights
    allowed = (weights > 0.0).to(weights.dtype)
    return allowed / allowed.sum(-1, keepdim=True)


def by_offset(scores: Tensor) -> Tensor:
    """Scores by offset [B, heads, T, 2T - 1] → by source [B, heads, T, T]: column j of row i is offset j - i."""
    batch, heads, steps, offsets = scores.shape
    strides = (heads * steps * offsets, steps * offsets, offsets - 1, 1)
    return scores.contiguous().as_strided((batch, heads, steps, steps), strides, steps - 1)


class SelfAttention(nn.Module):
    """The values' half of multi-head attention; the weights are given."""

    def __init__(self, sizes: LayerSizes) -> None:
        super().__init__()
        self.heads = sizes.heads
        self.in_proj = nn.Linear(sizes.size, sizes.heads * sizes.value)
        self.out_proj = nn.Linear(sizes.heads * sizes.value, sizes.size)
        scaled(self.out_proj, 0.05)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """[B, T, C] and weights [B, heads, T, T] → [B, T, C]."""
        values = self.in_proj(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return self.out_proj((weights @ values).transpose(1, 2).flatten(2))


class NonlinAttention(nn.Module):
    """y · (attention over x · tanh(s)), with one head's weights for all channels."""

    def __init__(self, size: int) -> None:
        super().__init__()
        hidden = 3 * size // 4
        self.in_proj = nn.Linear(size, 3 * hidden)
        self.out_proj = nn.Linear(hidden, size)
        scaled(self.out_proj, 0.05)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """[B, T, C] and one head's weights [B, T, T] → [B, T, C]."""
        gate, mixed, values = self.in_proj(x).chunk(3, -1)
        return self.out_proj((weights @ (mixed * gate.tanh())) * values)


class FeedForward(nn.Module):
    """Two linear maps around SwooshL."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.in_proj = nn.Linear(size, hidden)
        self.out_proj = nn.Linear(hidden, size)
        scaled(self.out_proj, 0.1)

    def forward(self, x: Tensor, dropout: float = 0.0) -> Tensor:
        """[B, T, C] → the same."""
        return self.out_proj(shared_dropout(swoosh_l(self.in_proj(x)), dropout))


class ConvModule(nn.Module):
    """Gated linear unit, depthwise convolution over time, SwooshR, linear."""

    def __init__(self, size: int, kernel: int, causal: bool) -> None:
        super().__init__()
        self.in_proj = nn.Linear(size, 2 * size)
        self.depthwise_conv: ChunkCausalDepthwiseConv1d | nn.Conv1d = (
            ChunkCausalDepthwiseConv1d(size, kernel)
            if causal
            else nn.Conv1d(size, size, kernel, padding=kernel // 2, groups=size)
        )
        self.out_proj = nn.Linear(size, size)
        scaled(self.out_proj, 0.05)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """[B, T, C] → the same."""
        values, gate = self.in_proj(x).chunk(2, -1)
        x = values * gate.sigmoid()
        if context.padded is not None:
            x = x.masked_fill(context.padded[..., None], 0.0)
        if isinstance(self.depthwise_conv, ChunkCausalDepthwiseConv1d):
            x = self.depthwise_conv(x.transpose(1, 2), context.chunk, context.lengths).transpose(1, 2)
        else:
            x = depthwise(self.depthwise_conv, x)
        return self.out_proj(swoosh_r(x))
