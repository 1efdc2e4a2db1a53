"""ECAPA-TDNN and the x-vector as SpeechBrain's hub checkpoints have them, batched exactly.

They differ from `ecapa` and `xvector`: decibels instead of Kaldi's logarithms, convolutions that mirror the frames at
both ends of an utterance, blocks in a plain row, the first Res2 group passed on instead of the last, leaky ReLUs.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from torch import Tensor, nn

from voxboard.backbones.base import RANDOM, Backbone, BackboneSpec, padding
from voxboard.backbones.features import HOP, normalize
from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.backbones.speechbrain_checkpoints import KNOWN, TRAINED_ON, Sizes, Weights, fetch, sizes_of
from voxboard.backbones.speechbrain_layers import SHORTEST, DecibelFbank, EcapaTdnn, XVectorTdnn
from voxboard.errors import UserError
from voxboard.limits import SizeOrZero
from voxboard.poolers.base import Pooler
from voxboard.reference_weights import load_reference


class SpeechBrain(Backbone):
    """Frames [B, 1, T, frame_size] every 10 ms, T = 1 + ⌊N / 160⌋ (Ravanelli et al., arXiv 2106.04624).

    With its native pooling an utterance gets the embedding of SpeechBrain's `EncoderClassifier.encode_batch`, also in a
    padded batch, where SpeechBrain's own moves by 1.3 %. In training the batch statistics count padded frames too.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `speechbrain:<name>`."""

        cfg: str = "speechbrain/spkrec-ecapa-voxceleb"
        """Hub id, or a local folder with embedding_model.ckpt: /path/to/folder."""
        use_pretrain: bool = False
        """Load the published weights; without it the network starts from random weights."""
        channels: SizeOrZero = 0
        """Width of the blocks; 0 keeps the checkpoint's. This and the following are for random weights only."""
        frame_size: SizeOrZero = 0
        """Size of the frames that go to the pooling; 0 keeps the checkpoint's."""
        embedding: SizeOrZero = 0
        """Embedding size of the native pooling; 0 keeps the checkpoint's."""
        bins: SizeOrZero = 0
        """Mel bins; 0 keeps the checkpoint's."""
        scale: SizeOrZero = 0
        """ECAPA-TDNN's Res2Net groups per block; 0 keeps the checkpoint's."""
        squeeze: SizeOrZero = 0
        """ECAPA-TDNN's bottleneck of squeeze-excitation; 0 keeps the checkpoint's."""
        bottleneck: SizeOrZero = 0
        """ECAPA-TDNN's attention bottleneck of the native pooling; 0 keeps the checkpoint's."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        card = None if config.use_pretrain else KNOWN.get(config.cfg)
        weights: Weights = {} if card else fetch(config.cfg)
        sizes = chosen(config, card or sizes_of(weights, config.cfg))
        self.layout = "speechbrain-ecapa" if sizes.scale else "speechbrain-xvector"
        self.features = DecibelFbank(sizes.bins)
        self.network: nn.Module = build(sizes)
        native: tuple[str, dict[str, Any]] = ("statistics", {"project": sizes.embedding, "shift": 1e-5})
        if sizes.scale:
            native = ("speechbrain-asp", {"bottleneck": sizes.bottleneck, "project": sizes.embedding})
        self.spec = BackboneSpec(
            FramesSpec(1, sizes.frame_size, 0.01, native=native),
            min_samples=(SHORTEST - 1) * HOP,
            parameters=sum(p.numel() for p in self.parameters()),
            weights="random",
            weights_licence=RANDOM,
            source=config.cfg,
        )
        if config.use_pretrain:
            load_reference(self.layout, weights, backbone=self)
            published = config.cfg in KNOWN
            licence = "Apache-2.0" if published else "see the checkpoint's card"
            heard = TRAINED_ON if published else ()
            self.spec = replace(self.spec, weights="pretrained", weights_licence=licence, trained_on=heard)

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Frames:
        features, steps = self.features(waveforms, lengths)
        features = normalize(features, steps, "mean").transpose(1, 2)
        unpadded = padding(steps, features.shape[2]) is None
        frames = self.network(features, None if unpadded else steps)  # [B, D, T]
        return Frames(frames.transpose(1, 2)[:, None], steps, self.spec.frames.hop)

    def native_pooler(self) -> Pooler | None:
        pooler = super().native_pooler()
        if self.config.use_pretrain:
            load_reference(self.layout, fetch(self.config.cfg), pooler=pooler)
        return pooler

    def preprocessing(self) -> dict[str, Any]:
        return {"features": "decibel", "bins": self.features.mel.shape[1], "layout": self.layout}


def chosen(config: SpeechBrain.Config, sizes: Sizes) -> Sizes:
    """The checkpoint's sizes with the user's instead. Raises `UserError` where they do not fit."""
    own = {field.name: getattr(config, field.name) for field in fields(Sizes) if getattr(config, field.name)}
    if own and config.use_pretrain:
        raise UserError("A pretrained network keeps its sizes.", f"Drop {', '.join(own)}.")
    absent = [name for name in own if not getattr(sizes, name)]
    if absent:
        raise UserError(f"The x-vector has no {absent[0]}.", "Drop it.")
    sizes = replace(sizes, **own)
    if sizes.scale and sizes.channels % sizes.scale:
        raise UserError(f"ECAPA's channels {sizes.channels} cannot be cut into {sizes.scale} groups.", "Change scale.")
    return sizes


def build(sizes: Sizes) -> nn.Module:
    """The network of these sizes, with random weights."""
    if sizes.scale:
        return EcapaTdnn(sizes.bins, sizes.channels, sizes.frame_size, sizes.scale, sizes.squeeze)
    return XVectorTdnn(sizes.bins, sizes.channels, sizes.frame_size)
