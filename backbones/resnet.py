"""A small residual network over a log-mel picture: the front-end of double attention age classification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.backbones.base import RANDOM, Backbone, BackboneSpec, padding, silent_picture
from voxboard.backbones.features import FFT, FrontEnd
from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.backbones.vgg import halved
from voxboard.errors import UserError
from voxboard.limits import Size


class ResNet(Backbone):
    """Three stages of two basic blocks (He et al., CVPR 2016) without strides: [B, 1, T / 2, channels / 2] every 20 ms.

    Frames are means over the mels. The age fork of double multi-head attention also takes the mean over time, which
    leaves one frame and nothing for its attention to weigh: `reference`. Written so that a padded batch is exact.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `resnet`."""

        channels: Size = 512
        """Eight times the width of the first stage, four times that of the second, twice that of the third."""
        bins: Size = 80
        """Mel bins of the front-end: log-mel minus the utterance's mean."""
        reference: bool = False
        """One frame per utterance, the mean over its time, as the age fork has it."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.channels % 8:
            raise UserError(f"ResNet's channels {config.channels} have no eighth.", "Give a multiple of 8.")
        self.config = config
        self.features = FrontEnd("logmel", config.bins, "mean")
        first, second, third = (config.channels // part for part in (8, 4, 2))
        self.conv1 = nn.Conv2d(1, first, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.layer1 = nn.ModuleList([BasicBlock(first, first), BasicBlock(first, first)])
        self.layer2 = nn.ModuleList([BasicBlock(first, second), BasicBlock(second, second)])
        self.layer3 = nn.ModuleList([BasicBlock(second, third), BasicBlock(third, third)])
        self.spec = BackboneSpec(
            FramesSpec(1, third, hop=0.02),
            min_samples=FFT,
            weights="random",
            weights_licence=RANDOM,
            parameters=sum(p.numel() for p in self.parameters()),
            source="He et al., Deep Residual Learning, CVPR 2016; India et al., ICASSP 2021, arXiv 2007.13199",
        )

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Frames:
        x, steps = self.frames(*self.features(waveforms, lengths))
        return Frames(x[:, None], steps, self.spec.frames.hop)

    def frames(self, x: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
        """Features [B, T, bins], zeros on padding, and `steps` [B] → frames [B, T', channels / 2], their number."""
        x = F.relu(self.bn1(self.conv1(x[:, None])))  # [B, C, T, bins]
        x = F.max_pool2d(silent_picture(x, padding(steps, x.shape[2])), 3, stride=2, padding=1)
        steps = halved(steps)
        padded = padding(steps, x.shape[2])
        x = silent_picture(x, padded)  # the pooling's windows overlap an utterance's end
        for block in (*self.layer1, *self.layer2, *self.layer3):
            x = block(x, padded)
        x = x.mean(3).transpose(1, 2)
        if self.config.reference:
            x, steps = x.sum(1, keepdim=True) / steps[:, None, None], torch.ones_like(steps)
        return x, steps

    def preprocessing(self) -> dict[str, Any]:
        return {"features": "logmel", "bins": self.config.bins, "reference": self.config.reference}


class BasicBlock(nn.Module):
    """Two convolutions beside a shortcut, which is a map of its own where the width changes."""

    def __init__(self, size: int, out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(size, out, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample: nn.Module = nn.Identity()
        if size != out:
            self.downsample = nn.Sequential(nn.Conv2d(size, out, 1, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor, padded: Tensor | None) -> Tensor:
        """[B, C, T, F], zeros where `padded` [B, T], → the same."""
        inside = silent_picture(F.relu(self.bn1(self.conv1(x))), padded)
        return silent_picture(F.relu(self.bn2(self.conv2(inside)) + self.downsample(x)), padded)
