"""Adaptations of modules of transformers' encoders: attention without weights, padding kept out, states, heads.

The attention weights of WavLM, which nobody reads, take 2 GB a copy for two minutes of speech.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from voxboard.backbones.base import padding, silenced
from voxboard.backbones.ssl_checkpoints import load
from voxboard.reference_weights import load_reference

WITH_HEAD = {
    "wav2vec2": ("Wav2Vec2Config", "Wav2Vec2ForXVector"),
    "wavlm": ("WavLMConfig", "WavLMForXVector"),
    "data2vec-audio": ("Data2VecAudioConfig", "Data2VecAudioForXVector"),
}


def biased(encoder: Any) -> None:
    """Let every layer of transformers' WavLM compute its attention in blocks."""
    for layer in encoder.layers:
        layer.attention.torch_multi_head_self_attention = partial(attend, layer.attention)


def attend(attention: Any, hidden: Tensor, mask: Tensor | None, bias: Tensor) -> tuple[Tensor, None]:
    """Frames [B, T, D], their mask [B, T], the gated position bias [B · heads, T, T] → what they attend to [B, T, D].

    Chen et al., WavLM, IEEE JSTSP 2022, equations 4 to 9. In place of the weights, None.
    """
    batch, steps, size = hidden.shape
    query, key, value = (
        project(hidden).view(batch, steps, attention.num_heads, attention.head_dim).transpose(1, 2)
        for project in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    bias = bias.view(batch, attention.num_heads, steps, steps)
    if mask is not None:
        bias = bias.masked_fill_(~mask.bool()[:, None, None], float("-inf"))
    dropout = attention.dropout if attention.training else 0.0
    attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout)
    return attention.out_proj(attended.transpose(1, 2).reshape(batch, steps, size)), None


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


class States:
    """The input of the first layer at place 0 and the output of layer n at place n + 1, [B, T, D] each.

    Without gradient every state goes at once to its place in the result, so that none is in memory twice.
    """

    def __init__(self, layers: int, steps: int | None) -> None:
        """Only the first `steps` frames of each state are kept, None for all."""
        self.layers, self.steps = layers, steps
        self.seen: dict[int, Tensor] = {}
        self._whole: Tensor | None = None

    def keep(self, place: int, state: Tensor) -> None:
        """Take a state."""
        state = state[:, : self.steps]
        if not torch.is_grad_enabled() and not torch.is_autocast_enabled(state.device.type):
            if self._whole is None:
                batch, steps, size = state.shape
                self._whole = state.new_empty(batch, self.layers + 1, steps, size)
            self._whole[:, place] = state
            state = self._whole[:, place]
        self.seen[place] = state

    def stacked(self, last: Tensor, final: bool) -> Tensor:
        """[B, layers + 1, T, D]; a layer that LayerDrop leaves out passes its input on.

        `last` [B, T, D] is what the encoder returns: the last state where it is `final`, the first where no layer ran.
        """
        if 0 not in self.seen:
            self.keep(0, last)
        if final:
            self.keep(self.layers, last)
        for place in range(1, self.layers + 1):
            if place not in self.seen:
                self.keep(place, self.seen[place - 1])
        return self._whole if self._whole is not None else torch.stack([self.seen[n] for n in sorted(self.seen)], 1)


@contextmanager
def recorded(layers: nn.ModuleList, steps: int | None = None) -> Iterator[States]:
    """Collect what the first layer receives and what every layer returns, of so many steps."""
    states = States(len(layers), steps)
    with ExitStack() as hooks:
        for index, layer in enumerate(layers):

            def keep(_: nn.Module, inputs: Any, output: Any, index: int = index) -> None:
                if 0 not in states.seen:
                    states.keep(0, inputs[0])
                states.keep(index + 1, output[0] if isinstance(output, tuple) else output)

            hooks.callback(layer.register_forward_hook(keep).remove)
        yield states


def native_head(shape: Any) -> tuple[str, dict[str, Any]] | None:
    """The pooler that a transformers config was published with, and its options; None for a network without head."""
    if not any(name.endswith("ForXVector") for name in shape.architectures or ()):
        return None
    return "xvector-head", {
        "weighted": bool(shape.use_weighted_layer_sum),
        "channels": tuple(shape.tdnn_dim),
        "kernels": tuple(shape.tdnn_kernel),
        "dilations": tuple(shape.tdnn_dilation),
        "embedding": shape.xvector_output_dim,
    }


def load_head(cfg: str, shape: Any, pooler: nn.Module) -> None:
    """Fill the pooler from a checkpoint. Raises `UserError` where the checkpoint lacks some of its weights."""
    model = load(cfg, shape, WITH_HEAD)
    network = f"{model.base_model_prefix}."
    weights = {key: value for key, value in model.state_dict().items() if not key.startswith(network)}
    load_reference("ge2e-wavlm", weights, pooler=pooler)
