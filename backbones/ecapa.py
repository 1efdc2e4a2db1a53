"""ECAPA-TDNN up to its pooling: squeeze-excited Res2 blocks over log-mel frames.

Written so that a padded batch is exact: whatever a convolution or a mean would read past an utterance's
end is zeroed or left out first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.backbones.base import RANDOM, Backbone, BackboneSpec, padding, silenced
from voxboard.backbones.features import WINDOW, FrontEnd, Kind, Norm, norm_for, spec_augment
from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.errors import UserError
from voxboard.limits import Size

NORMS: dict[Kind, Norm] = {"fbank": "mean", "mfcc": "frame"}


class Ecapa(Backbone):
    """ECAPA-TDNN frames [B, 1, T, frame_size] every 10 ms (Desplanques et al., Interspeech 2020).

    The layout is the one of UniPool-SV (dilations 2, 3, 4; convolution, ReLU, batch norm), whose weights load
    through `voxboard.reference_weights`. In training the batch statistics count padded frames too.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `ecapa`."""

        channels: Size = 512
        """Width of the three blocks."""
        frame_size: Size = 1536
        """Size of the frames that go to the pooling."""
        scale: Size = 8
        """Res2Net groups per block; divides `channels`."""
        squeeze: Size = 128
        """Bottleneck of squeeze-excitation."""
        embedding: Size = 192
        """Embedding size of the native pooling."""
        bottleneck: Size = 256
        """Attention bottleneck of the native pooling."""
        features: Kind = "fbank"
        """fbank: log-mel minus the utterance's mean. mfcc: UniPool-SV's MFCC, every frame of unit length."""
        bins: Size = 80
        """Mel bins, or cepstral coefficients, of the front-end."""
        reference: bool = False
        """The MFCC's top_db counts from the loudest of the whole batch as in UniPool-SV, not of each utterance."""
        augment: bool = False
        """SpecAugment in training: hides up to 4 frames and 9 bins of each utterance."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.channels
        if width % config.scale:
            raise UserError(f"ECAPA's channels {width} cannot be cut into {config.scale} groups.", "Change scale.")
        self.config = config
        self.features = FrontEnd(config.features, config.bins, norm_for(config.features, NORMS), config.reference)
        self.conv1 = nn.Conv1d(config.bins, width, 5, padding=2)
        self.bn1 = nn.BatchNorm1d(width)
        self.layer1, self.layer2, self.layer3 = (
            Res2Block(width, dilation, config.scale, config.squeeze) for dilation in (2, 3, 4)
        )
        self.layer4 = nn.Conv1d(3 * width, config.frame_size, 1)
        native = {"project": config.embedding, "bottleneck": config.bottleneck}
        self.spec = BackboneSpec(
            FramesSpec(1, config.frame_size, hop=0.01, native=("ecapa-asp", native)),
            min_samples=WINDOW,
            weights="random",
            weights_licence=RANDOM,
            parameters=sum(p.numel() for p in self.parameters()),
            source="Desplanques et al., ECAPA-TDNN, Interspeech 2020, arXiv 2005.07143",
            exports=("torch.export",),
        )

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Frames:
        x, steps = self.features(waveforms, lengths)
        if self.training and self.config.augment:
            x = spec_augment(x)
        return Frames(self.frames(x.transpose(1, 2), steps).transpose(1, 2)[:, None], steps, self.spec.frames.hop)

    def frames(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Features [B, bins, T], zeros on padding, → frames [B, frame_size, T]."""
        padded = padding(lengths, x.shape[-1])
        x = silenced(self.bn1(F.relu(self.conv1(x))), padded)
        x1 = self.layer1(x, padded)
        x2 = self.layer2(x + x1, padded)
        x3 = self.layer3(x + x1 + x2, padded)
        return F.relu(self.layer4(torch.cat([x1, x2, x3], 1)))

    def preprocessing(self) -> dict[str, Any]:
        coupled = {"reference": True} if self.config.reference else {}
        return {"features": self.config.features, "bins": self.config.bins, **coupled}


class Res2Block(nn.Module):
    """SE-Res2 block: every group of channels also receives the output of the group before it."""

    def __init__(self, width: int, dilation: int, scale: int, squeeze: int) -> None:
        super().__init__()
        group = width // scale
        self.group = group
        self.conv1 = nn.Conv1d(width, width, 1)
        self.bn1 = nn.BatchNorm1d(width)
        self.convs = nn.ModuleList(
            nn.Conv1d(group, group, 3, padding=dilation, dilation=dilation) for _ in range(scale - 1)
        )
        self.bns = nn.ModuleList(nn.BatchNorm1d(group) for _ in range(scale - 1))
        self.conv3 = nn.Conv1d(width, width, 1)
        self.bn3 = nn.BatchNorm1d(width)
        self.se = SqueezeExcite(width, squeeze)

    def forward(self, x: Tensor, padded: Tensor | None) -> Tensor:
        """[B, C, T], zeros on padding, → the same."""
        y = silenced(self.bn1(F.relu(self.conv1(x))), padded)
        *groups, last = torch.split(y, self.group, 1)
        done: list[Tensor] = []
        for chunk, conv, norm in zip(groups, self.convs, self.bns, strict=True):
            inside = chunk + done[-1] if done else chunk
            done.append(silenced(norm(F.relu(conv(inside))), padded))
        y = self.bn3(F.relu(self.conv3(torch.cat([*done, last], 1))))
        return x + silenced(self.se(y, padded), padded)


class SqueezeExcite(nn.Module):
    """Scales every channel by what its mean over time suggests."""

    def __init__(self, width: int, squeeze: int) -> None:
        super().__init__()
        # Numbered as in the reference, where 0 is the pooling and 2 the ReLU.
        self.se = nn.ModuleDict({"1": nn.Conv1d(width, squeeze, 1), "3": nn.Conv1d(squeeze, width, 1)})

    def forward(self, x: Tensor, padded: Tensor | None) -> Tensor:
        if padded is None:
            mean = x.mean(-1, keepdim=True)
        else:
            mean = silenced(x, padded).sum(-1, keepdim=True) / (~padded).sum(-1)[:, None, None]
        return x * torch.sigmoid(self.se["3"](F.relu(self.se["1"](mean))))
