"""The contract of backbones: waveforms in, layered frames out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard import poolers
from voxboard.backbones.frames import Frames, FramesSpec, valid
from voxboard.weights import weights_digest

if TYPE_CHECKING:
    from voxboard.poolers.base import Pooler

__all__ = [
    "RANDOM",
    "AudioSpec",
    "Backbone",
    "BackboneSpec",
    "Batching",
    "Frames",
    "FramesSpec",
    "WaveformModel",
    "Weights",
    "of_equal_length",
    "pad_short",
    "padding",
    "silenced",
    "silent_bands",
    "silent_picture",
    "valid",
]

Batching = Literal["exact", "equal-length"]
Weights = Literal["none", "random", "pretrained", "unknown"]
RANDOM = "none (random initialisation)"  # the licence of random weights


@dataclass(frozen=True, kw_only=True)
class AudioSpec:
    """Description of a network of waveforms: cost, licences, and how it may be batched.

    `batching` is "exact" when an embedding does not depend on its batch mates, padded or not (tested), and
    "equal-length" when only utterances of the same number of samples may share a batch in official numbers.
    `min_samples` is the receptive field: a shorter utterance gives no frame.
    `weights` tells how they came to be, "unknown" where a part does not say; `trained_on` names what pretrained ones
    have seen, nothing where that is not known. An empty licence is an unknown one.
    `exports` tells how the network becomes a program without its Python code: "torch.export", "torchscript" (tested).
    """

    sample_rate: int = 16_000
    min_samples: int = 400
    parameters: int = 0
    batching: Batching = "exact"
    code_licence: str = "MIT"
    weights: Weights = "unknown"
    weights_licence: str = ""
    trained_on: tuple[str, ...] = ()
    source: str = ""
    exports: tuple[str, ...] = ()


@dataclass(frozen=True)
class BackboneSpec(AudioSpec):
    """Description of a backbone: the sizes of its frames, and all that describes a network of waveforms."""

    frames: FramesSpec


class WaveformModel(nn.Module):
    """A network of waveforms: a backbone, or an encoder of utterances."""

    spec: AudioSpec

    def preprocessing(self) -> dict[str, Any]:
        """Everything besides the weights that changes the output, JSON-able: enters the fingerprint."""
        return {}

    def fingerprint(self) -> str:
        """sha256 over the weights (names, shapes, bytes) and the preprocessing."""
        return weights_digest(self, extra=repr(sorted(self.preprocessing().items())))


class Backbone(WaveformModel):
    """Audio to layered frames. Subclasses set `spec` and implement `encode`.

    A subclass has a frozen dataclass `Config` beside it and is built as `Class(Config(...))`.
    """

    spec: BackboneSpec
    alone = False  # whether MODEL may be its name alone, which stands for it with the pooling it was published with

    def forward(self, waveforms: Tensor, lengths: Tensor) -> Frames:
        """`waveforms` [B, N] float in [-1, 1] at `spec.sample_rate`, `lengths` [B] samples → `Frames`.

        This is the one place that treats edges: samples past an utterance's length count as zeros, and an
        utterance shorter than the receptive field `spec.min_samples` is padded with zeros up to it.
        """
        return self.encode(*pad_short(waveforms, lengths, self.spec.min_samples))

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Frames:
        """The same for `lengths` ≥ `spec.min_samples` and zeros past every utterance's length."""
        raise NotImplementedError

    def native_pooler(self) -> Pooler | None:
        """The pooling that this network was published with, with its checkpoint's weights; None without."""
        return poolers.create("native", self.spec.frames) if self.spec.frames.native else None


def padding(lengths: Tensor, steps: int) -> Tensor | None:
    """[B, steps] bool, true on padding, or None when no row is padded and masking can be skipped."""
    mask = valid(lengths, steps)
    if torch.compiler.is_exporting():  # a program cannot branch on values
        return ~mask
    return None if bool(mask.all()) else ~mask


def of_equal_length(lengths: Tensor) -> Iterator[tuple[int, list[int]]]:
    """Yield every length of `lengths` [B], ascending, with the rows that have it."""
    counts = lengths.tolist()
    for length in sorted(set(counts)):
        yield length, [row for row, count in enumerate(counts) if count == length]


def silenced(x: Tensor, padded: Tensor | None) -> Tensor:
    """`x` [B, D, T] with zeros where `padded` [B, T], as a convolution sees them at a true end."""
    return x if padded is None else x.masked_fill(padded[:, None, :], 0.0)


def silent_picture(x: Tensor, padded: Tensor | None) -> Tensor:
    """The same for `x` [B, C, T, F]."""
    return x if padded is None else x.masked_fill(padded[:, None, :, None], 0.0)


def silent_bands(x: Tensor, padded: Tensor | None) -> Tensor:
    """The same for `x` [B, C, F, T]."""
    return x if padded is None else x.masked_fill(padded[:, None, None, :], 0.0)


def pad_short(waveforms: Tensor, lengths: Tensor, minimum: int) -> tuple[Tensor, Tensor]:
    """Zeros past every utterance's length, which is made at least `minimum`. Lengths become int64."""
    lengths = lengths.to(device=waveforms.device, dtype=torch.int64)
    waveforms = waveforms.masked_fill(~valid(lengths, waveforms.shape[1]), 0.0)
    waveforms = F.pad(waveforms, (0, max(0, minimum - waveforms.shape[1])))
    return waveforms, lengths.clamp(min=minimum)
