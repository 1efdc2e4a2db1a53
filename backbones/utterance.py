"""Encoders of utterances: waveforms to one embedding each, by a network that shows no frames."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from voxboard.backbones.base import AudioSpec, WaveformModel, pad_short
from voxboard.errors import UserError


@dataclass(frozen=True)
class UtteranceSpec(AudioSpec):
    """Description of an encoder of utterances: the size E of its embeddings, and all that describes a network of
    waveforms.
    """

    embedding_size: int


class UtteranceEncoder(WaveformModel):
    """Audio to one embedding per utterance. Subclasses set `spec` and implement `embed`.

    It needs no pooler: MODEL is its name alone. A subclass has a frozen dataclass `Config` beside it and is built as
    `Class(Config(...))`.
    """

    spec: UtteranceSpec
    whole = True  # nothing is to be pooled

    def forward(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Return embeddings [B, E] of `waveforms` [B, N] in [-1, 1] at `spec.sample_rate`, `lengths` [B] samples.

        Samples past an utterance's length count as zeros, and one shorter than `spec.min_samples` is padded with zeros
        up to it. Raises `UserError` for what is no such matrix.
        """
        embeddings = self.embed(*pad_short(waveforms, lengths, self.spec.min_samples))
        if torch.compiler.is_exporting():  # a program cannot branch on sizes
            return embeddings
        size = (len(lengths), self.spec.embedding_size)
        if not isinstance(embeddings, Tensor) or tuple(embeddings.shape) != size:
            made = tuple(embeddings.shape) if isinstance(embeddings, Tensor) else type(embeddings).__name__
            raise UserError(
                f"{type(self).__name__} gives {made} for {size[0]} utterances.", f"Let it give embeddings {list(size)}."
            )
        return embeddings

    def embed(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Return the same for `lengths` ≥ `spec.min_samples` and zeros past every utterance's length."""
        raise NotImplementedError


class Whole(nn.Module):
    """Stand-in for a pooler: embeddings [B, E] as they are, or through an embedding layer that gives `size` numbers."""

    exports = ("torch.export", "torchscript")

    def __init__(self, size: int, layer: nn.Module | None = None) -> None:
        super().__init__()
        self.embedding_size = size
        self.layer = layer or nn.Identity()

    def forward(self, embeddings: Tensor) -> Tensor:
        made: Tensor = self.layer(embeddings)
        return made


def probed_size(module: nn.Module, sample_rate: int) -> int:
    """Return the size of the embeddings that an encoder gives, from a second of faint noise."""
    generator = torch.Generator().manual_seed(0)
    noise = 0.01 * torch.randn(1, sample_rate, generator=generator)
    with torch.no_grad():
        made = module(noise, torch.tensor([sample_rate]))
    return int(made.shape[-1])
