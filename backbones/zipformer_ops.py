"""The small pieces of the Zipformer: activations, norm, bypass, change of frame rate, positions, causal convolution.

Yao et al., Zipformer, ICLR 2024, arXiv 2310.11230. All of them keep time before channels, [B, T, C].
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.backbones.zipformer_training import skipped, within


def swoosh_l(x: Tensor) -> Tensor:
    """log(1 + exp(x - 4)) - 0.08 x - 0.035: zero at zero, for modules that are "normally off" (section 3.3)."""
    return F.softplus(x - 4.0).sub_(x, alpha=0.08).sub_(0.035)


def swoosh_r(x: Tensor) -> Tensor:
    """log(1 + exp(x - 1)) - 0.08 x - 0.313261687: zero at zero, for convolutions (section 3.3)."""
    return F.softplus(x - 1.0).sub_(x, alpha=0.08).sub_(0.313261687)


class BiasNorm(nn.Module):
    """x · exp(log_scale) / rms(x - bias): a layer norm that keeps some of the length (section 3.2). No epsilon."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(1.0))
        self.bias = nn.Parameter(1e-4 * torch.randn(size))

    def forward(self, x: Tensor) -> Tensor:
        """[..., size] → the same."""
        power = (x - self.bias).square().mean(-1, keepdim=True)
        log_scale = within(self.log_scale, -1.5, 1.5) if self.training else self.log_scale
        return x * (power.rsqrt() * log_scale.exp())


class Bypass(nn.Module):
    """Between a module's input and its output, channel by channel: input + (output - input) · scale."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.bypass_scale = nn.Parameter(torch.full((size,), 0.5))

    def forward(self, before: Tensor, after: Tensor, floor: float | None = None, skip: float = 0.0) -> Tensor:
        """Two of [B, T, size] → one. In training the scale is at least `floor`, and zero for some sequences."""
        return torch.lerp(before, after, skipped(within(self.bypass_scale, floor, 1.0).expand_as(after), skip))


class Downsample(nn.Module):
    """One frame for every `factor` frames: their sum, weighted by the softmax of `bias`."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.bias = nn.Parameter(torch.zeros(factor))

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """[B, T, C] → [B, ceil(T / factor), C]; the last group is filled up with copies of the last frame.

        With `lengths` [B] each utterance's own last frame fills its last group; without, padding enters it.
        """
        batch, steps, size = x.shape
        groups = -(-steps // self.factor)
        at = torch.arange(groups * self.factor, device=x.device)[None]
        if lengths is not None:
            x = x.gather(1, torch.minimum(at, lengths[:, None] - 1)[..., None].expand(batch, -1, size))
        elif at.shape[1] > steps:
            x = F.pad(x.transpose(1, 2), (0, at.shape[1] - steps), "replicate").transpose(1, 2)
        weight = self.bias.softmax(0)
        return (x.reshape(batch, groups, self.factor, size) * weight[:, None]).sum(2)


def upsample(x: Tensor, factor: int) -> Tensor:
    """[B, T, C] → [B, T · factor, C]: every frame repeated."""
    return x.repeat_interleave(factor, 1)


def relative_positions(steps: int, size: int, device: torch.device | None = None) -> Tensor:
    """Fourier features [2 · steps - 1, size] of the offsets 1 - steps … steps - 1, compressed by log and arctan.

    Column 2k is cos((k + 1) a), column 2k + 1 sin((k + 1) a), and the last one is constant 1.
    """
    offsets = torch.arange(1.0 - steps, steps, device=device)
    compression = math.sqrt(size)
    logs = ((offsets.abs() + compression).log() - math.log(compression)) * compression * offsets.sign()
    angles = (logs * (2.0 * math.pi / size)).atan()[:, None] * torch.arange(1, size // 2 + 1, device=device)
    table = torch.stack([angles.cos(), angles.sin()], -1).flatten(1)
    table[:, -1] = 1.0
    return table


class ChunkCausalDepthwiseConv1d(nn.Module):
    """The sum of a causal convolution and one that sees its own chunk only, so that chunks can be streamed.

    The second one's output is scaled near the chunk's edges, where zeros enter it.
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.causal_conv = nn.Conv1d(channels, channels, (kernel + 1) // 2, groups=channels)
        self.chunkwise_conv = nn.Conv1d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.chunkwise_conv_scale = nn.Parameter(torch.zeros(2, channels, kernel))

    def forward(self, x: Tensor, chunk: int = -1, lengths: Tensor | None = None) -> Tensor:
        """`x` [B, C, T] with zeros on padding → the same shape.

        `chunk` frames at a time, or with -1 all at once: then, and where an utterance is shorter than a chunk, the
        right edge is at its length, which is T without `lengths` [B].
        """
        batch, channels, steps = x.shape
        size = chunk if 0 < chunk <= steps else steps
        causal = self.causal_conv(F.pad(x, (self.kernel // 2, 0)))
        chunks = F.pad(x, (0, -steps % size)).reshape(batch, channels, -1, size).transpose(1, 2)
        inside = self.chunkwise_conv(chunks.flatten(0, 1)).reshape(chunks.shape).transpose(1, 2).flatten(2)[..., :steps]
        ends = torch.tensor([size], device=x.device) if lengths is None else lengths.clamp(max=size)
        return causal + inside * self._edges(ends, steps)

    def _edges(self, sizes: Tensor, steps: int) -> Tensor:
        """Chunk sizes [B] → 1 + the corrections at both edges of each chunk, [B, C, steps]."""
        first, last = F.pad(self.chunkwise_conv_scale, (0, 1)).unbind(0)  # [C, kernel + 1], a zero past the edge
        last = torch.cat([last[:, :-1].flip(-1), last[:, -1:]], -1)
        place = torch.arange(steps, device=sizes.device)[None] % sizes[:, None]
        left = first[:, place.clamp(max=self.kernel)]
        right = last[:, (sizes[:, None] - 1 - place).clamp(max=self.kernel)]
        return 1.0 + (left + right).transpose(0, 1)


def depthwise(convolution: nn.Conv1d, x: Tensor) -> Tensor:
    """A depthwise convolution on [B, T, C], without a copy: as a flat image with its channels last.

    On a CPU this takes a tenth of the time of the same in one dimension.
    """
    image, padding = x.transpose(1, 2)[:, :, None], (0, int(convolution.padding[0]))
    weight = convolution.weight[:, :, None]
    return F.conv2d(image, weight, convolution.bias, padding=padding, groups=x.shape[2])[:, :, 0].transpose(1, 2)


def scaled(module: nn.Linear | nn.Conv2d | nn.Conv1d, scale: float) -> None:
    """Make a fresh module's output small: weights times `scale`, biases uniform within a tenth of it."""
    with torch.no_grad():
        module.weight.mul_(scale)
        if module.bias is not None:
            module.bias.uniform_(-0.1 * scale, 0.1 * scale)
