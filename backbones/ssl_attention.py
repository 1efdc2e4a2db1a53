"""WavLM's attention without its weights, which nobody reads: of two minutes each copy of them has 2 GB."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor
from torch.nn import functional as F


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
