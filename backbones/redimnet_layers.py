"""Layers of ReDimNet: blocks over a picture, and blocks over frames."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.errors import UserError

MOST_HIDDEN, LEAST_HIDDEN = 64, 32  # of the squeeze over frequencies
KERNELS = (7, 19, 31, 59)
HEADS = 4


def flattened(x: Tensor) -> Tensor:
    """[B, C, F, T] → [B, F · C, T], the frequency slow and the channel fast."""
    return x.permute(0, 2, 1, 3).flatten(1, 2)


def pictured(x: Tensor, channels: int) -> Tensor:
    """[B, F · C, T] → [B, C, F, T]."""
    return torch.unflatten(x, 1, (-1, channels)).permute(0, 2, 1, 3)


class Weighing(nn.Module):
    """Sum of earlier maps, weighed per channel by a softmax over them."""

    def __init__(self, count: int, size: int) -> None:
        super().__init__()
        shape = (1, count, size, 1) if count > 1 else (1, 1, 1, 1)
        self.w = nn.Parameter(torch.zeros(shape), requires_grad=count > 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        return (torch.stack(list(maps), 1) * self.w.softmax(1)).sum(1)


class ChannelNorm(nn.Module):
    """Layer norm over the channels of [B, C, …]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        normed = F.layer_norm(x.transpose(1, -1), self.weight.shape, self.weight, self.bias, 1e-6)
        return normed.transpose(1, -1)


class Block2d(nn.Module):
    """A block over the picture, of one of the published kinds; its layers have the prefix `conv_block`."""

    def __init__(self, kind: str, channels: int, bands: int, divisor: int | None) -> None:
        super().__init__()
        if kind.startswith("basic_resnet"):
            self.conv_block: nn.Module = GroupedBlock(channels, bands, divisor, squeezed=kind.endswith("fwse"))
        elif kind.startswith("convnext_like"):
            groups = 1 if divisor is None else channels // divisor
            self.conv_block = ConvNext(nn.Conv2d, channels, channels, (3,), groups, relu=kind.endswith("relu"))
        else:
            raise UserError(f"ReDimNet's 2-D block {kind} is not known here.", f"Known: {', '.join(KINDS_2D)}.")

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.conv_block(x)
        return made


KINDS_2D = ("basic_resnet", "basic_resnet_fwse", "convnext_like", "convnext_like_relu")


class GroupedBlock(nn.Module):
    """Two grouped convolutions, each with one of 1 × 1 behind it, beside the identity; ReLU before the first norm."""

    def __init__(self, channels: int, bands: int, divisor: int | None, squeezed: bool) -> None:
        super().__init__()
        groups = 1 if divisor is None else channels // divisor
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, groups=groups, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=groups, bias=False)
        self.conv1pw: nn.Module = nn.Identity() if divisor is None else nn.Conv2d(channels, channels, 1)
        self.conv2pw: nn.Module = nn.Identity() if divisor is None else nn.Conv2d(channels, channels, 1)
        self.bn1, self.bn2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        hidden = min(MOST_HIDDEN, max(channels, LEAST_HIDDEN))
        self.se: nn.Module = BandSqueeze(bands, hidden) if squeezed else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(F.relu(self.conv1pw(self.conv1(x))))
        return F.relu(self.se(self.bn2(self.conv2pw(self.conv2(y)))) + x)


class BandSqueeze(nn.Module):
    """Scales every band by what the means of all bands suggest."""

    def __init__(self, bands: int, hidden: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(bands, hidden)
        self.exitation = nn.Linear(hidden, bands)  # as the published code spells it

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.sigmoid(self.exitation(F.relu(self.squeeze(x.mean((1, 3))))))
        return x * weights[:, None, :, None]


class ConvNext(nn.Module):
    """Convolutions side by side, norm, activation and a 1 × 1 convolution, beside the identity."""

    def __init__(
        self, kind: type[nn.Conv1d | nn.Conv2d], channels: int, size: int, kernels: Sequence[int], groups: int,
        relu: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.dwconvs = nn.ModuleList(kind(channels, channels, k, padding="same", groups=groups) for k in kernels)
        self.norm = (nn.BatchNorm1d if kind is nn.Conv1d else nn.BatchNorm2d)(channels * len(kernels), eps=1e-5)
        self.act = nn.ReLU() if relu else nn.GELU()
        self.pwconv1 = kind(channels * len(kernels), size, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.cat([conv(x) for conv in self.dwconvs], 1)
        return x + self.pwconv1(self.act(self.norm(y)))


class Block1d(nn.Module):
    """Fewer channels, a time-context module, and all channels again, beside the identity: [B, size, T]."""

    def __init__(self, kind: str, size: int, hidden: int) -> None:
        super().__init__()
        self.red_dim_conv = nn.Sequential(nn.Conv1d(size, hidden, 1), ChannelNorm(hidden))
        self.tcm = nn.Sequential(*context_layers(kind, hidden))
        self.exp_dim_conv = nn.Conv1d(hidden, size, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.exp_dim_conv(self.tcm(self.red_dim_conv(x)))


def context_layers(kind: str, hidden: int) -> list[nn.Module]:
    """The layers of a time-context module. Raises `UserError` for a kind that is not known here."""
    if kind == "conv+att":
        convs = [ConvNext(nn.Conv1d, hidden, hidden, (k,), hidden) for k in KERNELS]
        return [*convs, Transformer(hidden, hidden)]
    if kind == "att":
        return [PositionalConv(hidden), Transformer(hidden, 2 * hidden)]
    if kind == "conv":
        return [ConvNext(nn.Conv1d, hidden, hidden, (7, 15, 31), hidden) for _ in range(4)]
    if kind == "fc":
        wide = 2 * hidden
        return [nn.Conv1d(hidden, wide, 1), ChannelNorm(wide), nn.GELU(), nn.Conv1d(wide, hidden, 1)]
    raise UserError(f"ReDimNet's 1-D block {kind} is not known here.", "Known: conv+att, att, conv, fc.")


class PositionalConv(nn.Module):
    """A depthwise convolution of 59 frames and a norm, added to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, KERNELS[-1], padding="same", groups=channels)
        self.norm = ChannelNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.norm(self.conv(x))


class Transformer(nn.Module):
    """A transformer layer on [B, C, T], with norms behind attention and feed-forward."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.attention = Attention(channels)
        self.layer_norm = nn.LayerNorm(channels, eps=1e-6)
        self.feed_forward = nn.ModuleDict(
            {"intermediate_dense": nn.Linear(channels, hidden), "output_dense": nn.Linear(hidden, channels)}
        )
        self.final_layer_norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        h = x.transpose(1, 2)
        h = self.layer_norm(h + self.attention(h))
        inside = F.gelu(self.feed_forward["intermediate_dense"](h), approximate="tanh")
        return self.final_layer_norm(h + self.feed_forward["output_dense"](inside)).transpose(1, 2)


class Attention(nn.Module):
    """Self-attention of four heads on [B, T, C]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(channels, channels) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            torch.unflatten(layer(x), -1, (HEADS, -1)).transpose(1, 2)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        attended = F.scaled_dot_product_attention(query, key, value)
        return self.out_proj(attended.transpose(1, 2).flatten(2))
