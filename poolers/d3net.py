"""UniPool's dense net over the plane of layers and time (arXiv 2409.07770).

Tensors are [B, C, L, T], the channels last in memory: the convolutions' axes are the layer and the time.
`mask` [B, T] is true on valid frames, or None when nothing is padded. `exact` keeps padding out of every convolution
and pooling; the reference, whose padding leaks, only silences the speech scores of padded frames.
"""

from __future__ import annotations

from functools import reduce
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DILATIONS = (1, 2, 4)
Conv = TypeVar("Conv", nn.Conv1d, nn.Conv2d)


class D3Net(nn.Module):
    """Projection to 4c channels, then blocks of speech scaling and a dense net: [B, 4c · blocks, L, T]."""

    def __init__(self, size: int, layers: int, conv_dim: int, blocks: int, exact: bool) -> None:
        super().__init__()
        width = 4 * conv_dim
        self.projection = nn.Sequential(xavier(nn.Conv2d(size, width, 1)), nn.BatchNorm2d(width))
        self.vadnet = nn.ModuleList(SpeechScale(width, layers) for _ in range(blocks))
        self.densenet = nn.ModuleList(DenseBlock(width, conv_dim, exact) for _ in range(blocks))
        self.exact = exact

    def forward(self, states: Tensor, mask: Tensor | None) -> Tensor:
        """Hidden states [B, L, T, D] → [B, 4c · blocks, L, T]."""
        project, norm = self.projection.children()
        x = norm(pointwise(project, states.permute(0, 3, 1, 2)))
        done = []
        for scale, dense in zip(self.vadnet, self.densenet, strict=True):
            x = scale(x, mask)
            x = 2 * x + dense(x, mask)  # the published code adds the residual twice
            done.append(x)
        return torch.cat(done, 1)


class SpeechScale(nn.Module):
    """Mixes the layers, then scales every frame of every layer by how much it looks like speech."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.superb = nn.ModuleList(LayerMix(layers, target) for target in range(layers))
        self.weight = nn.Parameter(torch.empty(layers, width, 1))
        self.bias = nn.Parameter(torch.zeros(layers, 1, 1))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """[B, C, L, T] → [B, C, L, T], zeros on padding."""
        mix = torch.stack([layer() for layer in self.superb])  # [target, source]
        frames = x.permute(0, 2, 3, 1)  # [B, L, T, C], as it lies in memory
        frames = (mix @ frames.flatten(2)).view(frames.shape)
        logits = (frames @ self.weight).squeeze(-1) + self.bias[..., 0]
        if mask is not None:
            logits = logits.masked_fill(~mask[:, None], torch.finfo(logits.dtype).min)
        return (frames * logits.sigmoid()[..., None]).permute(0, 3, 1, 2)


class LayerMix(nn.Module):
    """Softmax weights of all layers for one target layer, first that layer's own."""

    def __init__(self, layers: int, target: int) -> None:
        super().__init__()
        self.score_vector = nn.Parameter(F.one_hot(torch.tensor(target), layers).float())

    def forward(self) -> Tensor:
        return self.score_vector.softmax(0)


class DenseBlock(nn.Module):
    """The dense net and its channel attention."""

    def __init__(self, width: int, conv_dim: int, exact: bool) -> None:
        super().__init__()
        self.m = nn.ModuleList([DenseLayers(width, conv_dim), ChannelAttention(width, conv_dim)])
        self.exact = exact

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """[B, 4c, L, T] → [B, 4c, L, T]."""
        seen = mask if self.exact else None
        dense, attention = self.m
        return attention(dense(x, seen), seen)


class DenseLayers(nn.Module):
    """c channels and three stages, each of which reads all before it at growing dilations: [B, 4c, L, T]."""

    def __init__(self, width: int, conv_dim: int) -> None:
        super().__init__()
        self.projection = xavier(nn.Conv2d(width, conv_dim, 1))
        self.dense = nn.ModuleList(Stage(conv_dim, branches) for branches in (1, 2, 3))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        done = [pointwise(self.projection, x)]
        for stage in self.dense:
            done.append(stage(done, mask))
        return torch.cat(done, 1)


class Stage(nn.Module):
    """Sum of one dilated 3 × 3 convolution per input, each behind its own batch norm and ReLU."""

    def __init__(self, conv_dim: int, branches: int) -> None:
        super().__init__()
        self.mdconv = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(conv_dim), nn.ReLU(), convolution(conv_dim, dilation))
            for dilation in DILATIONS[:branches]
        )

    def forward(self, inputs: list[Tensor], mask: Tensor | None) -> Tensor:
        """Branches, [B, c, L, T] each → [B, c, L, T]."""
        outputs = []
        for x, branch in zip(inputs, self.mdconv, strict=True):
            norm, relu, conv = branch.children()
            outputs.append(conv(silent(relu(norm(x)), mask)))
        return reduce(torch.add, outputs)


class ChannelAttention(nn.Module):
    """Scales every channel by what its mean and its maximum over layers and time suggest."""

    def __init__(self, width: int, conv_dim: int) -> None:
        super().__init__()
        self.avg_se, self.max_se = squeeze(width, conv_dim), squeeze(width, conv_dim)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """[B, C, L, T] → [B, C, L, T]."""
        if mask is None:
            mean, peak = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        else:
            count = x.shape[2] * mask.sum(1)[:, None, None, None]
            mean = silent(x, mask).sum((2, 3), keepdim=True) / count
            lowest = torch.finfo(x.dtype).min
            peak = x.masked_fill(~mask[:, None, None], lowest).amax((2, 3), keepdim=True)
        return x * torch.sigmoid(self.avg_se(mean) + self.max_se(peak))


def squeeze(width: int, hidden: int) -> nn.Sequential:
    """[B, width, 1, 1] → the same; number 0 is the pooling in the reference's layout."""
    return nn.Sequential(
        nn.Identity(),
        kaiming(nn.Conv2d(width, hidden, 1)),
        nn.ReLU(),
        nn.BatchNorm2d(hidden),
        xavier(nn.Conv2d(hidden, width, 1)),
    )


def pointwise(convolution: nn.Module, x: Tensor) -> Tensor:
    """A 1 × 1 convolution on [B, C, L, T] whose channels are last in memory, as a product without a copy."""
    assert isinstance(convolution, nn.Conv2d)
    return F.linear(x.permute(0, 2, 3, 1), convolution.weight[:, :, 0, 0], convolution.bias).permute(0, 3, 1, 2)


def convolution(channels: int, dilation: int) -> nn.Conv2d:
    """3 × 3 over (layer, time), as large as its input."""
    return kaiming(nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation))


def silent(x: Tensor, mask: Tensor | None) -> Tensor:
    """[B, C, L, T] with zeros on padding, as a convolution sees them at a true end."""
    return x if mask is None else x.masked_fill(~mask[:, None, None], 0.0)


def kaiming(conv: Conv) -> Conv:
    """Draw a convolution's weights for ReLUs behind it; biases are zero."""
    nn.init.kaiming_uniform_(conv.weight, nonlinearity="relu")
    return zero_bias(conv)


def xavier(conv: Conv) -> Conv:
    """Draw a convolution's weights for what is no ReLU; biases are zero."""
    nn.init.xavier_uniform_(conv.weight)
    return zero_bias(conv)


def zero_bias(conv: Conv) -> Conv:
    """Set a convolution's bias to zero."""
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv
