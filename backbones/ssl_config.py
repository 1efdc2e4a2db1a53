"""The options of networks of the wav2vec 2.0 family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from voxboard.limits import DepthOrZero, SizeOrZero


@dataclass(frozen=True)
class SSLConfig:
    """Options of the transformers family."""

    cfg: str = "facebook/wav2vec2-base"
    """Hub id, or a local folder with config.json (and weights): /path/to/folder."""
    use_pretrain: bool = False
    """Load the published weights; without it the network starts from random weights."""
    normalize: Literal["auto", "yes", "no"] = "auto"
    """Bring each utterance to zero mean and unit variance; auto does what the checkpoint was trained with."""
    layers: DepthOrZero = 0
    """Transformer layers; 0 keeps the checkpoint's. This and the next four are for random weights only."""
    size: SizeOrZero = 0
    """Hidden size; 0 keeps the checkpoint's."""
    heads: SizeOrZero = 0
    """Attention heads; 0 keeps the checkpoint's."""
    ffn: SizeOrZero = 0
    """Feed-forward size; 0 keeps the checkpoint's."""
    conv_size: SizeOrZero = 0
    """Channels of the convolutional extractor; 0 keeps the checkpoint's."""
    depth: DepthOrZero = 0
    """Keep only the first so many transformer layers, of published weights too; 0 keeps all."""
    cls_token: bool = False
    """Put a frame of ones in front of the projected features, for the pooler `token`."""
    final_norm: bool = False
    """Take the last layer after the final layer norm of large networks, as their last_hidden_state does."""
    augment: bool = True
    """Mask stretches of time in training, as much as the checkpoint says (SpecAugment)."""
    frozen_extractor: bool = False
    """Never train the convolutional extractor."""
    frozen_projection: bool = False
    """Never train the extractor, nor the projection of its features."""
