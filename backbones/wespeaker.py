"""WeSpeaker's ResNets of log-mel pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.backbones.base import silent_bands
from voxboard.backbones.features import KaldiFbank
from voxboard.backbones.speaker_resnet import STRIDES, SpeakerResNet, counted, shortcut, through
from voxboard.limits import Size


class WeSpeakerResNet(SpeakerResNet):
    """ResNet 18 to 293 (He et al., CVPR 2016) in the layout of WeSpeaker (Wang et al., ICASSP 2023, arXiv 2210.17016).

    Its features have Hamming windows and a 16-bit scale, unlike 3D-Speaker's. Published scores take the mean embedding
    of VoxCeleb2 away first (`--center`).
    """

    name = "wespeaker-resnet34"
    source = "Wang et al., WeSpeaker, ICASSP 2023, arXiv 2210.17016"

    @dataclass(frozen=True)
    class Config:
        """Options of WeSpeaker's ResNets."""

        weights: str = "random"
        """random, or a file in WeSpeaker's layout (avg_model.pt), for which the sizes below must be its own."""
        block: Literal["basic", "bottleneck"] = "basic"
        """Two convolutions of 3 × 3, or one between two of 1 × 1."""
        blocks: tuple[int, ...] = (3, 4, 6, 3)
        """Blocks of the four stages."""
        channels: Size = 32
        """Channels of the stem."""
        embedding: Size = 256
        """Size of the embedding of its own pooling."""
        second: bool = False
        """Its own pooling has two linear maps."""
        bins: Size = 80
        """Mel bins of the front-end."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        blocks = counted(config.blocks, "The ResNet")
        self.begin(config.bins, config.weights, KaldiFbank(config.bins, window="hamming"))
        kind = Basic if config.block == "basic" else Bottleneck
        self.conv1 = nn.Conv2d(1, config.channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(config.channels)
        inputs = config.channels
        for stage, (count, stride) in enumerate(zip(blocks, STRIDES, strict=True)):
            planes = config.channels * 2**stage
            layer = nn.ModuleList()
            for number in range(count):
                layer.append(kind(inputs, planes, stride if number == 0 else 1))
                inputs = planes * kind.expansion
            self.add_module(f"layer{stage + 1}", layer)
        self.finish(inputs, config.bins, config.embedding, config.second, config.weights)

    def stages(self, x: Tensor, steps: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        x = F.relu(self.bn1(self.conv1(x)))
        maps: dict[str, Tensor] = {}
        for stage, stride in enumerate(STRIDES, 1):
            x, steps = through(self.get_submodule(f"layer{stage}"), x, steps, stride)  # type: ignore[arg-type]
            maps[f"layer{stage}"] = x
        return maps, steps


class Basic(nn.Module):
    """Two convolutions, the first of which has the stride, beside a shortcut."""

    expansion = 1

    def __init__(self, inputs: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, planes, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut = shortcut(inputs, planes, stride)

    def forward(self, x: Tensor, before: Tensor | None, after: Tensor | None) -> Tensor:
        """[B, C, F, T] → the same behind the stride; `before` and `after` [B, T] are true on padding."""
        y = silent_bands(F.relu(self.bn1(self.conv1(silent_bands(x, before)))), after)
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class Bottleneck(nn.Module):
    """A convolution with the stride between two of 1 × 1, beside a shortcut."""

    expansion = 4

    def __init__(self, inputs: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * self.expansion)
        self.shortcut = shortcut(inputs, planes * self.expansion, stride)

    def forward(self, x: Tensor, before: Tensor | None, after: Tensor | None) -> Tensor:
        """[B, C, F, T] → the same behind the stride; `before` [B, T] is true on padding in front of it."""
        y = silent_bands(F.relu(self.bn1(self.conv1(x))), before)
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.shortcut(x))
