"""The Zipformer's encoder: stacks of layers at different frame rates, on embeddings at 50 Hz."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.backbones.base import padding
from voxboard.backbones.zipformer_layer import Context, LayerSizes, ZipformerLayer
from voxboard.backbones.zipformer_ops import Bypass, Downsample, relative_positions, upsample
from voxboard.backbones.zipformer_training import Drops, Rates, channel_mask, layer_skips, shared_dropout
from voxboard.errors import UserError
from voxboard.limits import Depth, Size

PER_STACK = (
    "num_encoder_layers",
    "downsampling_factor",
    "feedforward_dim",
    "encoder_unmasked_dim",
    "num_heads",
    "query_head_dim",
    "value_head_dim",
    "pos_head_dim",
    "cnn_module_kernel",
)


@dataclass(frozen=True)
class ZipformerConfig:
    """Options of `zipformer`; the defaults are Auden's 512-dimensional encoder."""

    checkpoint: str = ""
    """A folder with config.json and weights, which decides all sizes, or a file of weights alone; empty: random."""
    stacks: bool = False
    """Return the output of every stack as a layer of its own, zeros in absent channels, before the last layer."""
    reference: bool = False
    """Let padding into the frames as the published code does; then only equal lengths may share a batch."""
    schedules: bool = True
    """Dropout, skipped layers and masked channels in training, strong in its first 20,000 batches."""
    augment: bool = False
    """Mask and warp the log-mel in training as Auden-Voice does, through Lhotse's SpecAugment."""
    causal: bool = False
    """Convolutions and attention that can be streamed in chunks."""
    chunk_size: tuple[int, ...] = ()
    """Chunks in frames of 20 ms, -1 for all: training draws one, evaluation takes the last. Empty: as trained."""
    left_context_frames: tuple[int, ...] = ()
    """Frames before a chunk that it may see, -1 for all; drawn and taken likewise."""
    feature_dim: Size = 80
    """Mel bins."""
    output_downsampling_factor: Size = 2
    """Frames of 20 ms in a frame of the output."""
    num_encoder_layers: tuple[Depth, ...] = (2, 2, 3, 4, 3, 2)
    """Layers of each stack; of this and the following, one value holds for all stacks."""
    downsampling_factor: tuple[Size, ...] = (1, 2, 4, 8, 4, 2)
    """Frames of 20 ms in a frame of each stack."""
    encoder_dim: tuple[Size, ...] = (192, 256, 384, 512, 384, 256)
    """Size of each stack's frames; gives the number of stacks."""
    feedforward_dim: tuple[Size, ...] = (576, 768, 1152, 1536, 1152, 768)
    """Hidden size of the feed-forward modules (3/4, 1 and 5/4 of it)."""
    encoder_unmasked_dim: tuple[Size, ...] = (192, 192, 256, 256, 256, 192)
    """Channels of each stack that training never masks."""
    num_heads: tuple[Size, ...] = (4, 4, 4, 8, 4, 4)
    """Attention heads."""
    query_head_dim: tuple[Size, ...] = (32,)
    """Size of queries and keys per head."""
    value_head_dim: tuple[Size, ...] = (12,)
    """Size of values per head."""
    pos_head_dim: tuple[Size, ...] = (4,)
    """Size of projected relative positions per head."""
    pos_dim: Size = 48
    """Size of the relative positions' features."""
    cnn_module_kernel: tuple[Size, ...] = (31, 31, 15, 15, 15, 31)
    """Kernels of the convolution modules."""

    def __post_init__(self) -> None:
        stacks = len(self.encoder_dim)
        for name, value in vars(self).items():
            if isinstance(value, list):  # as JSON has them
                object.__setattr__(self, name, tuple(value))
        for name in PER_STACK:
            given = len(getattr(self, name))
            if given not in (1, stacks):
                raise UserError(f"{name} has {given} values for {stacks} stacks.", f"Give one or {stacks}.")
        factors = self.downsampling_factor
        if self.causal and any(chunk > 0 and any(chunk % factor for factor in factors) for chunk in self.chunk_size):
            raise UserError(f"A chunk of {self.chunk_size} is no multiple of {factors}.", "Change chunk_size.")


@dataclass(frozen=True)
class View:
    """A stack's view of a batch: `lengths` [B] at its rate, chunks at 50 Hz, and what training leaves out."""

    lengths: Tensor
    chunks: Chunks
    reference: bool = False
    drops: Drops = field(default_factory=Drops)


@dataclass(frozen=True)
class Chunks:
    """Visible context at 50 Hz: chunks of `size` frames (-1: everything) and `left` frames before its own."""

    size: int = -1
    left: int = -1

    def blocked(self, steps: int, device: torch.device) -> Tensor | None:
        """[steps, steps] bool, true where a target (row) may not see a source (column)."""
        if self.size <= 0:
            return None
        chunk = torch.arange(steps, device=device) // self.size
        ahead = chunk[None, :] - chunk[:, None]
        behind = max(1, self.left // self.size) if self.left >= 0 else steps
        return (ahead > 0) | (ahead < -behind)


class ZipformerEncoder(nn.Module):
    """[B, T, sizes[0]] at 50 Hz → every stack's output at 50 Hz, and the combination of all, down-sampled.

    Valid frames do not depend on padding: whatever would read past an utterance's end finds there what it would find
    at the end of the batch. `reference` lets padding in, as the published code does.
    """

    def __init__(self, config: ZipformerConfig) -> None:
        super().__init__()
        self.reference = config.reference
        self.sizes = config.encoder_dim
        self.unmasked = config.encoder_unmasked_dim * (len(self.sizes) if len(config.encoder_unmasked_dim) == 1 else 1)
        stacks = list(stack_sizes(config))
        self.depths = [(layers, factor) for factor, layers, _ in stacks]
        self.encoders = nn.ModuleList(stack(factor, config.pos_dim, layers, sizes) for factor, layers, sizes in stacks)
        self.downsample_output = Downsample(config.output_downsampling_factor)

    def forward(self, x: Tensor, lengths: Tensor, chunks: Chunks, trained: float | None = None) -> list[Tensor]:
        """`x` [B, T, sizes[0]], `lengths` [B] → the stacks' outputs, each [B, T, its size].

        `trained` counts the batches of training so far; None in evaluation.
        """
        outputs = []
        for index, (encoder, size) in enumerate(zip(self.encoders, self.sizes, strict=True)):
            drops = Drops() if trained is None else self._drops(x, index, trained)
            view = View(lengths, chunks, self.reference, drops)
            x = encoder(with_channels(x, size), view, chunks.blocked(x.shape[1], x.device))
            outputs.append(x)
        return outputs

    def _drops(self, x: Tensor, index: int, trained: float) -> Drops:
        """Draw the layers and channels that a stack leaves out of a training batch."""
        skips = layer_skips(trained, index, len(self.sizes), *self.depths[index])
        return Drops(Rates.after(trained), skips, channel_mask(x, self.sizes[index], self.unmasked[index]))

    def combine(self, outputs: Sequence[Tensor]) -> Tensor:
        """The stacks' outputs → [B, T, max size]: every channel from the last stack that has it."""
        pieces = [outputs[-1]]
        width = outputs[-1].shape[2]
        for output in reversed(outputs[:-1]):
            if output.shape[2] > width:
                pieces.append(output[..., width:])
                width = output.shape[2]
        return torch.cat(pieces, -1)

    def slow(self, x: Tensor, lengths: Tensor) -> Tensor:
        """[B, T, C] at 50 Hz → at the output's rate."""
        return self.downsample_output(x, own_ends(lengths, x.shape[1], self.reference))


class Stack(nn.Module):
    """Layers at one frame rate."""

    def __init__(self, positions: int, layers: int, sizes: LayerSizes) -> None:
        super().__init__()
        self.positions = positions
        self.layers = nn.ModuleList(ZipformerLayer(sizes) for _ in range(layers))

    def forward(self, x: Tensor, view: View, blocked: Tensor | None, factor: int = 1) -> Tensor:
        """`x` [B, T, C], `blocked` [T, T] true where a chunk may not see another → [B, T, C]."""
        steps, rates = x.shape[1], view.drops.rates
        padded = padding(view.lengths, steps)
        table = shared_dropout(relative_positions(steps, self.positions, x.device)[:, None], rates.positions)[:, 0]
        chunk = view.chunks.size // factor if view.chunks.size > 0 else -1
        context = Context(table, padded, None, chunk, own_ends(view.lengths, steps, view.reference), rates)
        parts = [mask for mask in (padded if padded is None else padded[:, None], blocked) if mask is not None]
        if parts:
            seen = parts[0] if len(parts) == 1 else parts[0] | parts[1]
            context = replace(context, blocked=seen.expand(-1, x.shape[1], -1) if seen.ndim == 3 else seen[None])
        masked = view.drops.channels
        x = x if masked is None else x * masked
        for layer, skip in zip(self.layers, view.drops.layers or [0.0] * len(self.layers), strict=True):
            x = layer(x, context, skip)
            x = x if masked is None else x * masked
        return x


class DownsampledStack(nn.Module):
    """Layers at a fraction of the frame rate, with a bypass around them."""

    def __init__(self, factor: int, positions: int, layers: int, sizes: LayerSizes) -> None:
        super().__init__()
        self.factor = factor
        self.downsample = Downsample(factor)
        self.encoder = Stack(positions, layers, sizes)
        self.out_combiner = Bypass(sizes.size)

    def forward(self, x: Tensor, view: View, blocked: Tensor | None) -> Tensor:
        """Like `Stack`, everything at 50 Hz."""
        factor = self.factor
        slow = self.downsample(x, own_ends(view.lengths, x.shape[1], view.reference))
        rare = None if blocked is None else blocked[::factor, ::factor]
        slow = self.encoder(slow, replace(view, lengths=-(-view.lengths // factor)), rare, factor)
        return self.out_combiner(x, upsample(slow, factor)[:, : x.shape[1]], view.drops.rates.floor)


def stack(factor: int, positions: int, layers: int, sizes: LayerSizes) -> Stack | DownsampledStack:
    """Layers at 50 Hz / `factor`."""
    if factor == 1:
        return Stack(positions, layers, sizes)
    return DownsampledStack(factor, positions, layers, sizes)


def own_ends(lengths: Tensor, steps: int, reference: bool) -> Tensor | None:
    """The lengths, or None where every utterance may as well end with the batch."""
    return None if reference or padding(lengths, steps) is None else lengths


def with_channels(x: Tensor, size: int) -> Tensor:
    """[..., C] → [..., size]: the last channels cut off, or zeros added."""
    return x[..., :size] if x.shape[-1] >= size else F.pad(x, (0, size - x.shape[-1]))


def stack_sizes(config: ZipformerConfig) -> Iterator[tuple[int, int, LayerSizes]]:
    """Every stack's factor, number of layers and their sizes; an option of one value holds for all stacks."""
    columns = (
        config.downsampling_factor,
        config.num_encoder_layers,
        config.encoder_dim,
        config.feedforward_dim,
        config.num_heads,
        config.query_head_dim,
        config.value_head_dim,
        config.pos_head_dim,
        config.cnn_module_kernel,
    )
    stacks = len(config.encoder_dim)
    for row in zip(*(column * stacks if len(column) == 1 else column for column in columns), strict=True):
        factor, layers, size, hidden, heads, query, value, position, kernel = row
        sizes = LayerSizes(size, hidden, heads, query, value, position, config.pos_dim, kernel, config.causal)
        yield factor, layers, sizes
