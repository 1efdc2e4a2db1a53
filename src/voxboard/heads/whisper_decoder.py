"""Whisper's text decoder, for heads that write texts: token scores from frames and from the tokens before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.backbones import ssl_checkpoints
from voxboard.backbones.frames import Frames
from voxboard.errors import UserError
from voxboard.heads.base import MISSING
from voxboard.limits import DepthOrZero, Size, SizeOrZero

FAMILIES = {"whisper": ("WhisperConfig", "WhisperModel")}
# Of the multilingual checkpoints; large-v3 has one more language.
MULTILINGUAL = {"decoder_start_token_id": 50258, "eos_token_id": 50257, "pad_token_id": 50257, "vocab_size": 51865}
ENGLISH = {"decoder_start_token_id": 50257, "eos_token_id": 50256, "pad_token_id": 50256, "vocab_size": 51864}
VOCABULARIES = {"openai/whisper-large-v3": 51866, "openai/whisper-large-v3-turbo": 51866}
LAYERS = {"openai/whisper-large-v3-turbo": 4}  # of decoders that have fewer than their encoders


@dataclass(frozen=True)
class DecoderOptions:
    """Options of every head with Whisper's decoder."""

    cfg: str = ""
    """Checkpoint whose decoder it is, as the backbone's cfg; without one it is built from the sizes below for a
    vocabulary of voxboard's own, whose first token starts and ends a text."""
    use_pretrain: bool = False
    """Load that checkpoint's weights; without it the decoder starts from random weights."""
    layers: DepthOrZero = 2
    """Transformer layers, where cfg is left out."""
    heads: SizeOrZero = 4
    """Attention heads, where cfg is left out."""
    ffn: SizeOrZero = 0
    """Feed-forward size, where cfg is left out; 0 is 4 times the frames' size."""
    positions: Size = 448
    """Longest text in tokens, where cfg is left out."""


class WhisperDecoder(nn.Module):
    """Causal transformer over tokens that attends to the frames (Radford et al., ICML 2023, section 2.2).

    `start` is put before a text, `end` after it. Frames past an utterance's length are not attended to, unless
    `masked` is false. Raises `UserError` for frames or a vocabulary that the checkpoint was not made for.
    """

    def __init__(self, size: int, n_tokens: int, options: DecoderOptions, masked: bool = True) -> None:
        super().__init__()
        self.masked = masked
        shape = _shape(size, n_tokens, options)
        if shape.d_model != size:
            raise UserError(
                f"The decoder of {options.cfg} reads frames of size {shape.d_model}, the backbone gives {size}.",
                "Give backbone and head the same cfg.",
            )
        if n_tokens > shape.vocab_size:
            raise UserError(
                f"The decoder of {options.cfg} knows {shape.vocab_size} tokens, the vocabulary has {n_tokens}.",
                f"Train with --vocabulary whisper:{options.cfg}.",
            )
        self.start: int = shape.decoder_start_token_id
        self.end: int = shape.eos_token_id
        self.pad: int = shape.pad_token_id
        self.longest: int = shape.max_target_positions
        self.network: Any = _network(shape, options)

    def forward(self, frames: Frames, tokens: Tensor) -> Tensor:
        """Frames [B, 1, T, D] and the tokens so far [B, U], `start` first → scores [B, U, V] of the next one each."""
        return self._scores(frames, tokens, None)

    def _scores(self, frames: Frames, tokens: Tensor, cache: Any) -> Tensor:
        """Scores [B, U, V] behind `tokens` [B, U], those that `cache` has heard before them; None: there are none."""
        mask = None if not self.masked or bool(frames.mask.all()) else frames.mask[:, None, None, :]
        hooks = [
            layer.encoder_attn.register_forward_pre_hook(_attending(mask), with_kwargs=True)
            for layer in self.network.layers
        ]
        states = frames.states[:, 0]
        try:
            made = self.network(
                tokens, encoder_hidden_states=states, past_key_values=cache, use_cache=cache is not None
            ).last_hidden_state
        finally:
            for hook in hooks:
                hook.remove()
        scores: Tensor = made @ self.network.embed_tokens.weight.T
        return scores

    def shifted(self, labels: Tensor) -> Tensor:
        """Labels [B, U] → what the decoder hears before each of them: `start`, then all but the last."""
        tokens = labels.masked_fill(labels == MISSING, self.pad)
        return F.pad(tokens[:, :-1], (1, 0), value=self.start)

    def ended(self, labels: Tensor) -> Tensor:
        """Labels [B, U], `MISSING` past each text → [B, U + 1] with `end` behind every text that lacks it.

        A row of only `MISSING` has no transcript and stays so.
        """
        wider = F.pad(labels, (0, 1), value=MISSING)
        lengths = (labels != MISSING).sum(1)
        last = wider.gather(1, (lengths - 1).clamp(min=0)[:, None])[:, 0]
        place = torch.arange(wider.shape[1], device=labels.device) == lengths[:, None]
        return torch.where(place & ((lengths > 0) & (last != self.end))[:, None], self.end, wider)

    def loss(self, frames: Frames, labels: Tensor) -> Tensor:
        """Mean cross entropy of the tokens [B, U] that are not `MISSING`; 0 where all are."""
        if labels.shape[1] > self.longest:
            raise UserError(
                f"A text has {labels.shape[1]} tokens, and the decoder's longest is {self.longest}.",
                "Leave out utterances that are so long, or give the head more positions.",
            )
        scores = self(frames, self.shifted(labels)).float()
        total = F.cross_entropy(scores.flatten(0, 1), labels.flatten(), ignore_index=MISSING, reduction="sum")
        return total / (labels != MISSING).sum().clamp(min=1)

    @torch.no_grad()
    def greedy(self, frames: Frames, prompt: Sequence[int] = (), most: int = 0) -> list[list[int]]:
        """The likeliest token after each other, until `end` or `most` tokens (0: all positions) → B texts' tokens.

        `prompt` stands between `start` and the text. Every step goes through the newest token alone: keys and values of
        those before it, and of the frames, are kept.
        """
        from transformers.cache_utils import DynamicCache, EncoderDecoderCache

        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        rows = len(frames.states)
        tokens = torch.tensor([[self.start, *prompt]], device=frames.states.device).repeat(rows, 1)
        begun = tokens.shape[1]
        room = self.longest - begun
        ended = torch.zeros(rows, dtype=torch.bool, device=tokens.device)
        newest = tokens
        for _ in range(min(most or room, room)):
            best = self._scores(frames, newest, cache)[:, -1].argmax(-1).masked_fill(ended, self.end)
            newest = best[:, None]
            ended |= best == self.end
            tokens = torch.cat([tokens, best[:, None]], 1)
            if bool(ended.all()):
                break
        texts = tokens[:, begun:].tolist()
        return [row[: row.index(self.end)] if self.end in row else row for row in texts]


def _attending(mask: Tensor | None) -> Any:
    """A hook that tells the attention to the frames which of them there are: transformers' decoder has no mask."""

    def hook(module: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
        return args, {**kwargs, "attention_mask": mask}

    return hook


def _shape(size: int, n_tokens: int, options: DecoderOptions) -> Any:
    """The transformers config; of a known name without a network connection."""
    from voxboard.backbones.whisper import KNOWN

    if options.cfg in KNOWN and not Path(options.cfg).is_dir():
        shape = KNOWN[options.cfg]
        layers, heads = LAYERS.get(options.cfg, shape["encoder_layers"]), shape["encoder_attention_heads"]
        tokens = {**MULTILINGUAL, "vocab_size": VOCABULARIES.get(options.cfg, MULTILINGUAL["vocab_size"])}
        if options.cfg.endswith(".en"):
            tokens = ENGLISH
        return _config(shape["d_model"], layers, heads, 4 * shape["d_model"], 448, tokens)
    if options.cfg:
        return ssl_checkpoints.read_config(options.cfg, FAMILIES)
    if size % options.heads:
        raise UserError(f"{options.heads} attention heads do not divide frames of {size}.", "Change heads.")
    tokens = {"decoder_start_token_id": 0, "eos_token_id": 0, "pad_token_id": 0, "vocab_size": n_tokens}
    return _config(size, options.layers, options.heads, options.ffn or 4 * size, options.positions, tokens)


def _config(size: int, layers: int, heads: int, ffn: int, positions: int, tokens: dict[str, int]) -> Any:
    from transformers import WhisperConfig

    shape = WhisperConfig(
        d_model=size,
        decoder_layers=layers,
        decoder_attention_heads=heads,
        decoder_ffn_dim=ffn,
        max_target_positions=positions,
    )
    for name, value in tokens.items():
        setattr(shape, name, value)
    return shape


def _network(shape: Any, options: DecoderOptions) -> Any:
    from transformers.models.whisper.modeling_whisper import WhisperDecoder as Decoder

    if options.use_pretrain:
        if not options.cfg:
            raise UserError("There is no checkpoint whose weights could be loaded.", "Name it with cfg.")
        shape = ssl_checkpoints.read_config(options.cfg, FAMILIES)
        return ssl_checkpoints.load(options.cfg, shape, FAMILIES).decoder
    shape._attn_implementation = "sdpa"
    return Decoder(shape)
