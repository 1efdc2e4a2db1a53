"""SincNet: band-pass filters with learned edges over windows of the raw waveform, then a dense network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.backbones.base import RANDOM, Backbone, BackboneSpec
from voxboard.backbones.frames import Frames, FramesSpec, valid
from voxboard.errors import UserError, unknown
from voxboard.limits import Positive, Size, SizeOrZero

SAMPLE_RATE = 16_000
LOWEST_EDGE, NARROWEST_BAND = 50.0, 50.0  # Hz
WINDOWS_AT_ONCE = 16  # through the convolutions: larger tensors leave the cache and cost twice the time
DENSE_AT_ONCE = 256  # windows, in evaluation: bounds the memory that a long utterance takes
ACTIVATIONS: dict[str, nn.Module] = {
    "relu": nn.ReLU(),
    "leaky_relu": nn.LeakyReLU(0.2),
    "linear": nn.Identity(),
}


class SincNet(Backbone):
    """One vector of unit length per window: [B, 1, windows, dense[-1]] (Ravanelli & Bengio, SLT 2018).

    UniPool-SV's variant, whose weights load through `voxboard.reference_weights`. The vectors have unit length so that
    the cosine of two utterances' means is, up to a factor, the mean cosine of all pairs of their windows. An utterance
    shorter than a window is repeated to its length. In training every window of the batch enters the batch norms.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `sincnet`."""

        window_ms: Positive = 375.0
        """Length of a window in milliseconds."""
        windows: SizeOrZero = 0
        """Windows per utterance, spread evenly (UniPool-SV: 10); 0 takes one every `shift_ms`."""
        shift_ms: float = 100.0
        """Milliseconds from one window to the next when their number is not fixed (UniPool-SV: 10)."""
        filters: tuple[Size, ...] = (80, 60, 60)
        """Channels of every convolution; the first are band-pass filters."""
        kernels: tuple[Size, ...] = (251, 5, 5)
        """Length of every convolution's filters; the first is odd."""
        pools: tuple[Size, ...] = (3, 3, 3)
        """Max pooling after every convolution."""
        dense: tuple[Size, ...] = (2048, 2048, 2048)
        """Sizes of the dense layers; the last is the size of a frame."""
        conv_activations: tuple[str, ...] = ("relu", "relu", "relu")
        """Activation after every convolution: relu, leaky_relu or linear."""
        dense_activations: tuple[str, ...] = ("leaky_relu", "linear", "leaky_relu")
        """Activation after every dense layer."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.window, self.shift = (round(ms * SAMPLE_RATE / 1000) for ms in (config.window_ms, config.shift_ms))
        if self.shift < 1:
            raise UserError(f"shift_ms is {config.shift_ms}.", "Give at least one sample.")
        self.sincnet = Convolutions(self.window, config)
        self.dnn1 = Dense(self.sincnet.size, config)
        self.spec = BackboneSpec(
            FramesSpec(1, config.dense[-1], hop=self.shift / SAMPLE_RATE, native=("mean", {})),
            min_samples=1,
            weights="random",
            weights_licence=RANDOM,
            parameters=sum(p.numel() for p in self.parameters()),
            source="Ravanelli & Bengio, Speaker Recognition from Raw Waveform with SincNet, SLT 2018",
        )

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Frames:
        starts, counts = self.starts(lengths)
        mask = valid(counts, starts.shape[1])
        row, _ = mask.nonzero(as_tuple=True)
        at = starts[mask][:, None] + torch.arange(self.window, device=waveforms.device)  # [windows, window]
        vectors = F.normalize(self.embed(waveforms[row[:, None], at % lengths[row, None]]), dim=-1)
        states = vectors.new_zeros(*mask.shape, vectors.shape[-1])
        states[mask] = vectors
        return Frames(states[:, None], counts, self.spec.frames.hop)

    def starts(self, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`lengths` [B] samples → first samples [B, W] of the windows, and their number [B]."""
        room = (lengths - self.window).clamp(min=0)
        if not self.config.windows:
            counts = room // self.shift + 1
            return torch.arange(int(counts.max()), device=room.device).expand(len(room), -1) * self.shift, counts
        count = self.config.windows
        step = room[:, None].double() / max(count - 1, 1)  # rounds as numpy.linspace does
        starts = (torch.arange(count, device=room.device) * step).long()
        if count > 1:
            starts[:, -1] = room
        return starts, torch.full_like(room, count)

    def embed(self, windows: Tensor) -> Tensor:
        """[B, window] → [B, dense[-1]], not normalised. The filters are built once."""
        filters = self.sincnet.filters()
        groups = [windows] if self.training else torch.split(windows, DENSE_AT_ONCE)
        return torch.cat([self.dnn1(self._convolved(group, filters)) for group in groups])

    def _convolved(self, windows: Tensor, filters: Tensor) -> Tensor:
        """[B, window] → [B, size], piece by piece: the convolutions know of no other window, unlike batch norms."""
        return torch.cat([self.sincnet(piece, filters) for piece in torch.split(windows, WINDOWS_AT_ONCE)])

    def preprocessing(self) -> dict[str, Any]:
        return {"windows": self.config.windows, "shift_ms": self.config.shift_ms, "window_ms": self.config.window_ms}


class Convolutions(nn.Module):
    """Layer norm of the raw window, then convolutions, each with max pooling, layer norm and activation."""

    def __init__(self, window: int, config: SincNet.Config) -> None:
        super().__init__()
        if not len(config.filters) == len(config.kernels) == len(config.pools) == len(config.conv_activations):
            raise UserError(
                "SincNet's filters, kernels, pools and conv_activations differ in number.", "Give one each."
            )
        self.pools = config.pools
        self.activations = activations(config.conv_activations)
        self.ln0 = LayerNorm(window)
        layers: list[nn.Module] = [SincConv(config.filters[0], config.kernels[0])]
        layers += [
            nn.Conv1d(*sizes, kernel)
            for sizes, kernel in zip(pairwise(config.filters), config.kernels[1:], strict=True)
        ]
        self.conv = nn.ModuleList(layers)
        self.ln = nn.ModuleList()
        for width, kernel, pool in zip(config.filters, config.kernels, config.pools, strict=True):
            window = (window - kernel + 1) // pool
            if window < 2:
                raise UserError("SincNet's window is too short for its convolutions.", "Raise window_ms.")
            self.ln.append(LayerNorm(width, window))
        self.size = config.filters[-1] * window

    def filters(self) -> Tensor:
        """The first layer's kernels [filters, 1, length]."""
        first = self.conv[0]
        assert isinstance(first, SincConv)
        return first.filters()

    def forward(self, windows: Tensor, filters: Tensor) -> Tensor:
        """Windows [B, N] and the first layer's kernels → [B, size]."""
        x = self._bands(self.ln0(windows)[:, None], filters)
        for index, norm in enumerate(self.ln):
            if index:
                x = F.max_pool1d(self.conv[index](x), self.pools[index])
            x = self.activations[index](norm(x))
        return x.flatten(1)

    def _bands(self, x: Tensor, filters: Tensor) -> Tensor:
        """[B, 1, N] → largest magnitude of every band in every pool [B, filters, pools].

        Convolved from pool to pool with the filters delayed by 0, 1, … samples, so that the places of a pool are
        channels and the maximum runs along time.
        """
        last = self.pools[0] - 1
        delayed = torch.cat([F.pad(filters, (place, last - place)) for place in range(last + 1)])
        bands = torch.unflatten(F.conv1d(x, delayed, stride=self.pools[0]), 1, (self.pools[0], -1))
        return bands.abs().max(1).values


class Dense(nn.Module):
    """Layer norm, then linear layers, each with batch norm and activation."""

    def __init__(self, size: int, config: SincNet.Config) -> None:
        super().__init__()
        if len(config.dense) != len(config.dense_activations):
            raise UserError("SincNet's dense and dense_activations differ in number.", "Give one each.")
        self.activations = activations(config.dense_activations)
        self.ln0 = LayerNorm(size)
        self.wx = nn.ModuleList(nn.Linear(*sizes) for sizes in pairwise((size, *config.dense)))
        self.bn = nn.ModuleList(nn.BatchNorm1d(out, momentum=0.05) for out in config.dense)

    def forward(self, x: Tensor) -> Tensor:
        x = self.ln0(x)
        for linear, norm, activation in zip(self.wx, self.bn, self.activations, strict=True):
            x = activation(norm(linear(x)))
        return x


class SincConv(nn.Module):
    """Band-pass filters, each told by two numbers: its lower edge and its width (section 2 of the paper)."""

    times: Tensor
    taper: Tensor

    def __init__(self, filters: int, length: int) -> None:
        super().__init__()
        if length % 2 == 0:
            raise UserError(f"SincNet's first filters are {length} samples long.", "Give an odd length.")
        top = 2595.0 * math.log10(1.0 + (SAMPLE_RATE / 2 - LOWEST_EDGE - NARROWEST_BAND) / 700.0)
        bottom = 2595.0 * math.log10(1.0 + 30.0 / 700.0)
        edges = 700.0 * (10.0 ** (torch.linspace(bottom, top, filters + 1, dtype=torch.float64) / 2595.0) - 1.0)
        self.low_hz_ = nn.Parameter(edges[:-1, None].float())
        self.band_hz_ = nn.Parameter(edges.diff()[:, None].float())
        half = length // 2
        self.register_buffer("times", 2.0 * math.pi * torch.arange(-half, 0.0) / SAMPLE_RATE, persistent=False)
        steps = torch.linspace(0.0, length / 2 - 1, half)
        self.register_buffer("taper", 0.54 - 0.46 * torch.cos(2.0 * math.pi * steps / length), persistent=False)

    def filters(self) -> Tensor:
        """The kernels [filters, 1, length], symmetric, 1 in the middle."""
        low = LOWEST_EDGE + self.low_hz_.abs()
        high = (low + NARROWEST_BAND + self.band_hz_.abs()).clamp(LOWEST_EDGE, SAMPLE_RATE / 2)
        half = (torch.sin(high * self.times) - torch.sin(low * self.times)) / (self.times / 2) * self.taper
        band = 2.0 * (high - low)
        return (torch.cat([half, band, half.flip(1)], 1) / band)[:, None]


class LayerNorm(nn.Module):
    """Over the last axis, by the unbiased deviation plus 1e-6, with a weight for every value of `shape`."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(shape))
        self.beta = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        centered = x - x.mean(-1, keepdim=True)
        variance = centered.square().sum(-1, keepdim=True) / (x.shape[-1] - 1)
        deviation = variance.clamp(min=1e-24).sqrt()  # a root of zero has no finite gradient
        return torch.addcmul(self.beta, self.gamma, centered * (deviation + 1e-6).reciprocal())


def activations(names: tuple[str, ...]) -> list[nn.Module]:
    """The activations of these names. Raises `UserError` for an unknown one."""
    for name in names:
        if name not in ACTIVATIONS:
            raise unknown("activation", name, ACTIVATIONS)
    return [ACTIVATIONS[name] for name in names]
