"""Shared parts of speaker ResNets over log-mel pictures: an exact front-end, and stages that halve the time.

Written so that a padded batch is exact: whatever a convolution would read past an utterance's end is zeroed first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from voxboard.backbones.base import Backbone, BackboneSpec, padding
from voxboard.backbones.features import HOP, WINDOW, KaldiFbank, normalize
from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.backbones.named_weights import origin, weights_of
from voxboard.errors import UserError
from voxboard.poolers.base import Pooler
from voxboard.reference_weights import load_reference

STRIDES = (1, 2, 2, 2)  # of the stages, over frequency and time
LAYOUT = "speaker-resnet"


class SpeakerResNet(Backbone):
    """Frames [B, 1, T, D] every 80 ms: the map of the last stage, all channels and bands of a moment.

    Subclasses call `begin` before their layers are made and `finish` after, and implement `stages`.
    """

    alone = True
    eps = 1e-7  # of the pooling's variance
    name: str
    source: str

    def begin(self, bins: int, weights: str, features: KaldiFbank) -> None:
        """Set the front-end, and read the weights."""
        if bins % 8:
            raise UserError(f"The network cannot work on {bins} mel bins.", "Give a multiple of 8.")
        self.features = features
        self.given = weights_of(self.name, weights)

    def finish(self, channels: int, bins: int, embedding: int, second: bool, weights: str) -> None:
        """Set the spec, and load the weights that were read."""
        if self.given and "seg_1.weight" in self.given:
            embedding, second = len(self.given["seg_1.weight"]), "seg_2.weight" in self.given
        native: tuple[str, dict[str, Any]] = ("tstp", {"project": embedding, "second": second, "floor": self.eps})
        self.spec = BackboneSpec(
            FramesSpec(1, channels * (bins // 8), 8 * HOP / 16_000, native=native),
            min_samples=WINDOW + 8 * HOP,  # two frames, which a deviation needs
            parameters=sum(p.numel() for p in self.parameters()),
            **origin(self.name, weights, self.source),
        )
        if self.given:
            load_reference(LAYOUT, self.given, backbone=self)

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Frames:
        x, steps = self.features(waveforms, lengths)
        last, steps = self.last(normalize(x, steps, "mean"), steps)
        return Frames(last.flatten(1, 2).transpose(1, 2)[:, None], steps, self.spec.frames.hop)

    def last(self, features: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
        """Features [B, T, bins], zeros on padding, → the last map [B, C, F, T], and its lengths [B]."""
        stages, steps = self.stages(features.transpose(1, 2)[:, None], steps)
        return list(stages.values())[-1], steps

    def stages(self, x: Tensor, steps: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Picture [B, 1, bins, T], zeros on padding, → every stage's map by name, and the lengths [B] of the last."""
        raise NotImplementedError

    def native_pooler(self) -> Pooler | None:
        pooler = super().native_pooler()
        if self.given and pooler is not None:
            load_reference(LAYOUT, self.given, pooler=pooler)
        return pooler

    def preprocessing(self) -> dict[str, Any]:
        window = "povey" if float(self.features.window[0]) == 0.0 else "hamming"
        return {"features": "fbank", "scale": self.features.scale, "window": window, "bins": self.features.mel.shape[1]}


def halved(steps: Tensor, stride: int) -> Tensor:
    """Lengths [B] after a convolution of that stride whose padding keeps the time otherwise."""
    return torch.div(steps - 1, stride, rounding_mode="floor") + 1


def shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Nothing where a block keeps its sizes, else a 1 × 1 convolution and a batch norm."""
    if stride == 1 and inputs == outputs:
        return nn.Sequential()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


def through(blocks: nn.ModuleList, x: Tensor, steps: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """A stage: the first of its blocks has the stride. [B, C, F, T] and lengths [B] → the same behind it."""
    after = halved(steps, stride)
    for number, block in enumerate(blocks):
        before, inside = (steps, after) if number == 0 else (after, after)
        longest = halved(torch.tensor(x.shape[-1]), stride if number == 0 else 1)
        x = block(x, padding(before, x.shape[-1]), padding(inside, int(longest)))
    return x, after


def counted(blocks: Sequence[int], what: str) -> tuple[int, int, int, int]:
    """Four numbers of blocks. Raises `UserError` for another count."""
    if len(blocks) != len(STRIDES) or min(blocks) < 1:
        raise UserError(f"{what} needs four numbers of blocks, got {tuple(blocks)}.", "Give e.g. (3, 4, 6, 3).")
    first, second, third, fourth = blocks
    return first, second, third, fourth
