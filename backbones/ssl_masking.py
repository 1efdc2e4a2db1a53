"""What keeps padding out of transformers' own modules while they run: masked statistics and masked convolutions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from torch import Tensor, nn

from voxboard.backbones.base import padding, silenced


@contextmanager
def masked_statistics(extractor: nn.Module, lengths: Tensor) -> Iterator[None]:
    """Lets a group norm over time see the valid frames only: the one place where a base model's extractor sees padding.

    `lengths` [B] are the frames that reach it, after the first convolution.
    """

    def normalise(norm: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        assert isinstance(norm, nn.GroupNorm)
        (x,) = inputs  # [B, C, T]
        outside = padding(lengths, x.shape[2])
        if outside is None:
            return output
        outside = outside[:, None, None]
        grouped = x.reshape(len(x), norm.num_groups, -1, x.shape[2])  # [B, G, C/G, T]
        count = (lengths * grouped.shape[2])[:, None, None, None].to(x.dtype)
        mean = grouped.masked_fill(outside, 0.0).sum((2, 3), keepdim=True) / count
        centred = (grouped - mean).masked_fill(outside, 0.0)
        scaled = (centred * (centred.square().sum((2, 3), keepdim=True) / count + norm.eps).rsqrt()).flatten(1, 2)
        return scaled * norm.weight[:, None] + norm.bias[:, None]

    with ExitStack() as hooks:
        for module in extractor.modules():
            if isinstance(module, nn.GroupNorm):
                hooks.callback(module.register_forward_hook(normalise).remove)
        yield


@contextmanager
def masked_positions(positions: nn.Module, mask: Tensor | None) -> Iterator[None]:
    """Zeroes padding before every positional convolution: data2vec has five in a row, and HuBERT may norm first."""
    with ExitStack() as hooks:
        for module in positions.modules():
            if mask is not None and isinstance(module, nn.Conv1d):
                hooks.callback(module.register_forward_pre_hook(lambda _, inputs: (silenced(inputs[0], ~mask),)).remove)
        yield
