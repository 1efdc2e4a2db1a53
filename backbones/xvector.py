"""The x-vector's time-delay network up to its pooling."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.backbones.base import RANDOM, Backbone, BackboneSpec
from voxboard.backbones.features import HOP, WINDOW, FrontEnd, Kind, Norm, norm_for
from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.limits import Size

CONTEXTS = ((5, 1), (3, 2), (3, 3), (1, 1), (1, 1))  # frames and dilation of each layer
SHRINKS = sum((frames - 1) * dilation for frames, dilation in CONTEXTS)  # 14 frames
NORMS: dict[Kind, Norm] = {"fbank": "mean", "mfcc": "mean-variance"}


class XVector(Backbone):
    """Five time-delay layers: [B, 1, T - 14, frame_size] every 10 ms (Snyder et al., ICASSP 2018, table 1).

    No layer pads, so a frame lies wholly inside its utterance and a padded batch is exact as it is.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `xvector`."""

        channels: Size = 512
        """Width of the first four layers."""
        frame_size: Size = 1500
        """Size of the frames that go to the pooling."""
        embedding: Size = 512
        """Embedding size of the native pooling."""
        features: Kind = "fbank"
        """fbank: log-mel minus the utterance's mean. mfcc: UniPool-SV's MFCC (24 bins), mean-variance normalised."""
        bins: Size = 80
        """Mel bins, or cepstral coefficients, of the front-end."""
        reference: bool = False
        """The MFCC's top_db counts from the loudest of the whole batch as in UniPool-SV, not of each utterance."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.features = FrontEnd(config.features, config.bins, norm_for(config.features, NORMS), config.reference)
        sizes = [config.bins, *[config.channels] * (len(CONTEXTS) - 1), config.frame_size]
        self.frame_level_layers = nn.ModuleList(
            TimeDelay(size, out, frames, dilation)
            for (size, out), (frames, dilation) in zip(pairwise(sizes), CONTEXTS, strict=True)
        )
        self.spec = BackboneSpec(
            FramesSpec(1, config.frame_size, 0.01, native=("statistics", {"project": config.embedding})),
            min_samples=WINDOW + SHRINKS * HOP,
            weights="random",
            weights_licence=RANDOM,
            parameters=sum(p.numel() for p in self.parameters()),
            source="Snyder et al., X-vectors, ICASSP 2018",
            exports=("torch.export",),
        )

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Frames:
        x, steps = self.features(waveforms, lengths)
        return Frames(self.frames(x.transpose(1, 2)).transpose(1, 2)[:, None], steps - SHRINKS, self.spec.frames.hop)

    def frames(self, x: Tensor) -> Tensor:
        """Features [B, bins, T] → frames [B, frame_size, T - 14]."""
        for layer in self.frame_level_layers:
            x = layer(x)
        return x

    def preprocessing(self) -> dict[str, Any]:
        coupled = {"reference": True} if self.config.reference else {}
        return {"features": self.config.features, "bins": self.config.bins, **coupled}


class TimeDelay(nn.Module):
    """A linear map of neighbouring frames, ReLU, batch norm."""

    def __init__(self, size: int, out: int, frames: int, dilation: int) -> None:
        super().__init__()
        self.frames, self.dilation = frames, dilation
        # A matrix over the frames side by side, as the references store it, not a convolution's kernel.
        self.kernel = nn.Linear(frames * size, out)
        self.bn = nn.BatchNorm1d(out)

    def forward(self, x: Tensor) -> Tensor:
        """[B, size, T] → [B, out, T - (frames - 1) · dilation]."""
        kernel = torch.unflatten(self.kernel.weight, 1, (self.frames, -1)).transpose(1, 2)  # [out, size, frames]
        return self.bn(F.relu(F.conv1d(x, kernel, self.kernel.bias, dilation=self.dilation)))
