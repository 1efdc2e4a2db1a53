"""PyanNet: which of a few local speakers speak, frame by frame (Plaquet & Bredin, Powerset multi-class cross entropy
loss for neural speaker diarization, Interspeech 2023), in the layout of pyannote segmentation 3.0.

A window of audio goes through sinc filters and convolutions, a bidirectional LSTM, and linear layers to one class per
set of speakers: nobody, each alone, each pair. Names of weights are pyannote's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.errors import UserError

RATE = 16_000
LOWEST_HZ, NARROWEST_HZ = 50.0, 50.0  # of a filter: its lower edge, its band
POOL = 3


@dataclass(frozen=True)
class PyanNetSizes:
    """Sizes of a network; those of segmentation 3.0 by default."""

    stride: int = 10
    filters: int = 80
    taps: int = 251
    channels: int = 60
    kernel: int = 5
    hidden: int = 128
    layers: int = 4
    bidirectional: bool = True
    linear: int = 128
    linears: int = 2
    speakers: int = 3
    at_once: int = 2

    @property
    def step(self) -> int:
        """Samples from one frame to the next."""
        return self.stride * POOL**3

    @property
    def field(self) -> int:
        """Samples that a frame sees."""
        size, step = self.taps, self.stride
        for kernel, stride in ((POOL, POOL), (self.kernel, 1), (POOL, POOL), (self.kernel, 1), (POOL, POOL)):
            size += (kernel - 1) * step
            step *= stride
        return size

    def frames(self, samples: int) -> int:
        """Number of frames of a window of so many samples."""
        count = samples
        for kernel, stride in (
            *((self.taps, self.stride), (POOL, POOL), (self.kernel, 1)),
            *((POOL, POOL), (self.kernel, 1), (POOL, POOL)),
        ):
            count = (count - kernel) // stride + 1
        return count


class SincFilters(nn.Module):
    """Pairs of band-pass filters [F, 1, K], even and odd, whose edges are learned (asteroid's ParamSincFB)."""

    window_: Tensor
    n_: Tensor

    def __init__(self, filters: int, taps: int) -> None:
        super().__init__()
        half = taps // 2
        top = 2595 * math.log10(1 + (RATE / 2 - 100) / 700)
        bottom = 2595 * math.log10(1 + 30 / 700)
        edges = 700 * (10 ** (torch.linspace(bottom, top, filters // 2 + 1) / 2595) - 1)
        self.low_hz_ = nn.Parameter(edges[:-1, None])
        self.band_hz_ = nn.Parameter(edges.diff()[:, None])
        self.register_buffer("window_", torch.hamming_window(taps, periodic=False)[:half])
        self.register_buffer("n_", 2 * math.pi * torch.arange(-half, 0.0)[None] / RATE)

    def forward(self) -> Tensor:
        low = LOWEST_HZ + self.low_hz_.abs()
        high = (low + NARROWEST_HZ + self.band_hz_.abs()).clamp(NARROWEST_HZ, RATE / 2)
        width = 2 * (high - low)
        at_low, at_high = low @ self.n_, high @ self.n_  # [F / 2, K // 2]
        even = (at_high.sin() - at_low.sin()) / (self.n_ / 2) * self.window_
        odd = (at_low.cos() - at_high.cos()) / (self.n_ / 2) * self.window_
        whole = (
            torch.cat([even, width, even.flip(1)], dim=1),
            torch.cat([odd, torch.zeros_like(width), -odd.flip(1)], dim=1),
        )
        return (torch.cat(whole) / torch.cat([width, width]))[:, None]


class SincConvolution(nn.Module):
    """A convolution with the filters, in absolute values."""

    def __init__(self, filters: int, taps: int, stride: int) -> None:
        super().__init__()
        self.filterbank = SincFilters(filters, taps)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return F.conv1d(x, self.filterbank(), stride=self.stride).abs()


class SincFront(nn.Module):
    """[B, 1, N] → [B, C, T]; every norm is over its own window."""

    def __init__(self, sizes: PyanNetSizes) -> None:
        super().__init__()
        self.wav_norm1d = nn.InstanceNorm1d(1, affine=True)
        self.conv1d = nn.ModuleList(
            [
                SincConvolution(sizes.filters, sizes.taps, sizes.stride),
                nn.Conv1d(sizes.filters, sizes.channels, sizes.kernel),
                nn.Conv1d(sizes.channels, sizes.channels, sizes.kernel),
            ]
        )
        outputs = (sizes.filters, sizes.channels, sizes.channels)
        self.norm1d = nn.ModuleList(nn.InstanceNorm1d(size, affine=True) for size in outputs)

    def forward(self, waveforms: Tensor) -> Tensor:
        x = self.wav_norm1d(waveforms)
        for convolution, norm in zip(self.conv1d, self.norm1d, strict=True):
            x = F.leaky_relu(norm(F.max_pool1d(convolution(x), POOL)))
        return x


class PyanNet(nn.Module):
    """Windows [B, 1, N] at 16 kHz in [-1, 1] → log-probabilities [B, T, classes] of the sets of speakers.

    Padding changes what a window gives, since its norms are over all of it: windows of a batch have one length.
    """

    def __init__(self, sizes: PyanNetSizes = PyanNetSizes()) -> None:
        super().__init__()
        self.sizes = sizes
        self.sincnet = SincFront(sizes)
        self.lstm = nn.LSTM(
            sizes.channels, sizes.hidden, sizes.layers, batch_first=True, bidirectional=sizes.bidirectional
        )
        width = sizes.hidden * (2 if sizes.bidirectional else 1)
        inputs = [width, *[sizes.linear] * sizes.linears]
        self.linear = nn.ModuleList(nn.Linear(size, sizes.linear) for size in inputs[:-1])
        self.classifier = nn.Linear(inputs[-1], len(powerset(sizes.speakers, sizes.at_once)))

    def forward(self, waveforms: Tensor) -> Tensor:
        return self.classify(self.recur(self.sincnet(waveforms)))

    def recur(self, x: Tensor) -> Tensor:
        """[B, C, T] → [B, T, 2H]."""
        states: Tensor = self.lstm(x.transpose(1, 2))[0]
        return states

    def classify(self, x: Tensor) -> Tensor:
        """[B, T, 2H] → [B, T, classes]."""
        for linear in self.linear:
            x = F.leaky_relu(linear(x))
        return self.classifier(x).log_softmax(-1)


@cache
def powerset(speakers: int, at_once: int) -> tuple[tuple[int, ...], ...]:
    """The sets of up to `at_once` of the speakers, small ones first: the classes in their order."""
    return tuple(one for size in range(at_once + 1) for one in combinations(range(speakers), size))


def membership(speakers: int, at_once: int) -> Tensor:
    """[classes, speakers]: 1 where a class contains a speaker."""
    sets = powerset(speakers, at_once)
    return torch.tensor([[float(speaker in one) for speaker in range(speakers)] for one in sets])


def decided(logs: Tensor, speakers: int, at_once: int) -> Tensor:
    """Log-probabilities [..., classes] → who speaks [..., speakers], 0 or 1, by the likeliest class."""
    return membership(speakers, at_once).to(logs.device)[logs.argmax(-1)]


def probabilities(logs: Tensor, speakers: int, at_once: int) -> Tensor:
    """Log-probabilities [..., classes] → the probability of each speaker [..., speakers]."""
    return logs.exp() @ membership(speakers, at_once).to(logs)


def from_weights(weights: Mapping[str, Tensor], *, stride: int = 10, speakers: int = 3, at_once: int = 2) -> PyanNet:
    """Return the network that weights of pyannote's layout belong to, by their shapes, with them in it.

    Layers of an LSTM that are modules of their own (`lstm.0.weight_ih_l0`) are taken too. Raises `UserError` for
    weights of another layout.
    """
    state = {re.sub(r"^lstm\.(\d+)\.(\w+)_l0", r"lstm.\2_l\1", name): value for name, value in weights.items()}
    try:
        sizes = _sizes(state, stride, speakers, at_once)
        network = PyanNet(sizes)
        constants = {name: value for name, value in network.state_dict().items() if name.endswith(("window_", "n_"))}
        network.load_state_dict({**constants, **state})
    except (KeyError, IndexError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"These weights are not those of a PyanNet: {reason}.", "Fetch them again.") from error
    return network.eval()


def _sizes(state: Mapping[str, Tensor], stride: int, speakers: int, at_once: int) -> PyanNetSizes:
    channels, filters, kernel = state["sincnet.conv1d.1.weight"].shape
    window = state.get("sincnet.conv1d.0.filterbank.window_")
    linears = len([name for name in state if re.fullmatch(r"linear\.\d+\.weight", name)])
    return PyanNetSizes(
        stride=stride,
        filters=filters,
        taps=2 * len(window) + 1 if window is not None else PyanNetSizes.taps,
        channels=channels,
        kernel=kernel,
        hidden=state["lstm.weight_hh_l0"].shape[1],
        layers=len([name for name in state if re.fullmatch(r"lstm\.weight_hh_l\d+", name)]),
        bidirectional="lstm.weight_hh_l0_reverse" in state,
        linear=len(state["linear.0.weight"]) if linears else 0,
        linears=linears,
        speakers=speakers,
        at_once=at_once,
    )
