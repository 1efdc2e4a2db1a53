"""UniPool: one pooling over all layers of a transformer and over time (arXiv 2409.07770)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.errors import UserError
from voxboard.limits import DepthOrZero, Size
from voxboard.poolers.attentive import beside
from voxboard.poolers.base import Pooler, concatenated, masked_mean, masked_softmax, masked_std
from voxboard.poolers.d3net import D3Net, pointwise, xavier

LAYER_HEADS = 4
DROPOUT = 0.1


class UniPool(Pooler):
    """Dense net over (layer, time), attention over layers, attentive statistics over time: [B, pool_dim].

    Without padding, evaluation equals the reference. With padding ours equals the unpadded result, and the deviation is
    the unbiased one throughout. `reference=True` masks as the published training does: whenever something is padded,
    and always in training, with the biased deviation. A single layer (L = 1) works: the layer attention becomes a gate.
    """

    exports = ("torch.export",)

    @dataclass(frozen=True)
    class Config:
        """Options of `unipool`."""

        n_layers: DepthOrZero = 0
        """Use the first so many transformer layers; 0 uses all. A transformer's input embedding is never used."""
        conv_dim: Size = 128
        """Channels c of the dense net; the pooling works on 4c."""
        n_blocks: DepthOrZero = 1
        """Dense blocks in a row."""
        pool_dim: Size = 192
        """Embedding size."""
        reference: bool = False
        """Give the published code's numbers: padding leaks, and training sees another deviation than testing."""

    def __init__(self, spec: FramesSpec, config: Config) -> None:
        super().__init__(spec)
        first = int(spec.input_layer)
        layers = config.n_layers or spec.layers - first
        if not 1 <= layers <= spec.layers - first:
            raise UserError(f"UniPool cannot use {layers} layers.", f"There are {spec.layers - first}.")
        self.config = config
        self.used = slice(first, first + layers)
        width = 4 * config.conv_dim
        self.d3net = D3Net(spec.size, layers, config.conv_dim, config.n_blocks, exact=not config.reference)
        self.l_pool = LayerPool(width * config.n_blocks, width, layers)
        self.t_pool = TimePool(width, config.pool_dim, config.reference)
        self.embedding_size = config.pool_dim

    def forward(self, frames: Frames) -> Tensor:
        states, mask = frames.states[:, self.used], frames.mask
        padded = torch.compiler.is_exporting() or not bool(mask.all())
        if self.config.reference:
            return self.pool(states, mask if padded or self.training else None)
        if not padded:
            return self.pool(states, None)
        # A choice, not a product: padding may hold anything, NaN included.
        return self.pool(states.masked_fill(~mask[:, None, :, None], 0.0), mask)

    def pool(self, states: Tensor, mask: Tensor | None) -> Tensor:
        """Layers [B, L, T, D] and the mask [B, T] of valid frames, None for no masking at all → [B, pool_dim]."""
        return self.t_pool(self.l_pool(self.d3net(states, mask)), mask)


class LayerPool(nn.Module):
    """Weighs the layers of every frame, per head, and keeps the largest of each channel: [B, C, T]."""

    def __init__(self, size: int, width: int, layers: int) -> None:
        super().__init__()
        hidden = max(1, layers // 2)
        self.in_projection = nn.Sequential(nn.BatchNorm2d(size), xavier(nn.Conv2d(size, width, 1, bias=False)))
        self.W1 = nn.Parameter(torch.empty(LAYER_HEADS, layers, hidden))
        self.b1 = nn.Parameter(torch.zeros(LAYER_HEADS, 1, hidden))
        self.W2 = nn.Parameter(torch.empty(LAYER_HEADS, hidden, layers))
        self.b2 = nn.Parameter(torch.zeros(LAYER_HEADS, 1, layers))
        self.dropout = nn.Dropout(DROPOUT)
        self.out_projection = nn.Sequential(xavier(nn.Conv1d(width, width, 1, bias=False)), nn.BatchNorm1d(width))
        nn.init.kaiming_uniform_(self.W1, nonlinearity="relu")
        nn.init.xavier_uniform_(self.W2)

    def forward(self, x: Tensor) -> Tensor:
        """[B, 4c · blocks, L, T] → [B, 4c, T]."""
        norm, project = self.in_projection.children()
        last = pointwise(project, norm(x)).permute(0, 2, 3, 1)  # [B, L, T, C]
        heads = torch.unflatten(last, -1, (LAYER_HEADS, -1))  # [B, L, T, H, C / H]
        scores = self._mlp(heads.mean(-1)) + self._mlp(heads.amax(-1))  # [B, H, L, T]
        weights = self.dropout(scores.sigmoid())
        return self.out_projection((heads * weights.permute(0, 2, 3, 1)[..., None]).amax(1).flatten(2).transpose(1, 2))

    def _mlp(self, described: Tensor) -> Tensor:
        """[B, L, T, H] → [B, H, L, T], along the layers."""
        hidden = torch.relu(described.permute(0, 3, 2, 1) @ self.W1 + self.b1)
        return (hidden @ self.W2 + self.b2).transpose(2, 3)


class TimePool(nn.Module):
    """Attentive statistics with context: [B, C, T] → [B, pool_dim]."""

    def __init__(self, width: int, pool_dim: int, biased_when_masked: bool) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            nn.Conv1d(3 * width, width // 2, 1),
            nn.ReLU(),
            nn.BatchNorm1d(width // 2),
            nn.Conv1d(width // 2, width, 1),
        )
        self.dropout = nn.Dropout(DROPOUT)
        self.attn_norm = nn.BatchNorm1d(2 * width)
        self.out_proj = nn.Linear(2 * width, pool_dim)
        self.out_norm = nn.BatchNorm1d(pool_dim)
        self.biased_when_masked = biased_when_masked

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = x.transpose(1, 2)  # [B, T, C]
        unbiased = mask is None or not self.biased_when_masked
        mask = mask if mask is not None else torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        x = x.masked_fill(~mask[..., None], 0.0)
        mean = masked_mean(x, mask)
        deviation = masked_std(x, mask, mean, unbiased)
        first, *others = self.attention.children()
        assert isinstance(first, nn.Conv1d)
        scores = beside(first, x.transpose(1, 2), mean, deviation)
        for layer in others:
            scores = layer(scores)
        scores = scores.transpose(1, 2)
        weights = self.dropout(masked_softmax(scores, mask))
        mu = (weights * x).sum(1)
        variance = (weights * x.square()).sum(1) - mu.square()
        pooled = concatenated(mu, variance.clamp(min=1e-4).sqrt())
        return self.out_norm(self.out_proj(self.attn_norm(pooled)))
