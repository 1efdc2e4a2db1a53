"""Masked statistics and convolutions, which keep padding out of transformers' own modules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from voxboard.backbones.base import padding, silenced


def extracted(extractor: Any, waveforms: Tensor, lengths: Tensor) -> Tensor:
    """Waveforms [B, N] through a convolutional extractor → [B, C, T].

    A group norm over time takes its statistics over the valid frames only: the one place where a base model's extractor
    sees padding. `lengths` [B] are the frames behind the first convolution. Gradient checkpointing computes such a
    layer again in the backward pass, with the same lengths.
    """
    hidden = waveforms[:, None]
    for layer in extractor.conv_layers:
        norm = getattr(layer, "layer_norm", None)
        outside = None
        if isinstance(norm, nn.GroupNorm):
            steps = (hidden.shape[2] - layer.conv.kernel_size[0]) // layer.conv.stride[0] + 1
            outside = padding(lengths, steps)
        if outside is None:
            hidden = layer(hidden)
        elif layer.gradient_checkpointing and layer.training and torch.is_grad_enabled():
            hidden = checkpoint(masked_layer, layer, hidden, lengths, outside, use_reentrant=False)
        else:
            hidden = masked_layer(layer, hidden, lengths, outside)
    return hidden


def masked_layer(layer: Any, hidden: Tensor, lengths: Tensor, outside: Tensor) -> Tensor:
    """A convolution, its group norm over the frames that are not `outside` [B, T], its activation."""
    activated: Tensor = layer.activation(masked_group_norm(layer.layer_norm, layer.conv(hidden), lengths, outside))
    return activated


def masked_group_norm(norm: nn.GroupNorm, x: Tensor, lengths: Tensor, outside: Tensor) -> Tensor:
    """[B, C, T], valid lengths [B], and the frames past them, true in [B, T] → [B, C, T]."""
    outside = outside[:, None, None]
    grouped = x.reshape(len(x), norm.num_groups, -1, x.shape[2])  # [B, G, C/G, T]
    count = (lengths * grouped.shape[2])[:, None, None, None].to(x.dtype)
    mean = grouped.masked_fill(outside, 0.0).sum((2, 3), keepdim=True) / count
    centered = (grouped - mean).masked_fill(outside, 0.0)
    scaled = (centered * (centered.square().sum((2, 3), keepdim=True) / count + norm.eps).rsqrt()).flatten(1, 2)
    return scaled * norm.weight[:, None] + norm.bias[:, None]


@contextmanager
def masked_positions(positions: nn.Module, mask: Tensor | None) -> Iterator[None]:
    """Zeroes padding before every positional convolution: data2vec has five in a row, and HuBERT may norm first."""
    with ExitStack() as hooks:
        for module in positions.modules():
            if mask is not None and isinstance(module, nn.Conv1d):
                hooks.callback(module.register_forward_pre_hook(lambda _, inputs: (silenced(inputs[0], ~mask),)).remove)
        yield
