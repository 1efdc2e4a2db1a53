"""ERes2Net and ERes2NetV2: ResNets whose blocks pass from group to group, and whose stages are fused by attention."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.backbones.base import padding, silent_bands
from voxboard.backbones.features import KaldiFbank
from voxboard.backbones.speaker_resnet import STRIDES, SpeakerResNet, counted, shortcut, through
from voxboard.limits import Size

CLIP = 20.0  # what activations inside blocks end at


class ERes2Net(SpeakerResNet):
    """ERes2Net (Chen et al., Interspeech 2023, arXiv 2305.12838) or V2 (arXiv 2406.02167), as 3D-Speaker has them.

    The first form fuses all four stages, from the bottom up; V2 fuses the last two. Widths are those of a checkpoint
    that fits them: base (channels 32), large (64), huge (64, width 24, scale 3, expansion 4).
    """

    name = "eres2net"
    eps = 1e-8
    source = "Chen et al., ERes2Net, Interspeech 2023, arXiv 2305.12838"

    @dataclass(frozen=True)
    class Config:
        """Options of `eres2net` and `eres2netv2`."""

        weights: str = "random"
        """random, or a file in 3D-Speaker's layout, for which the sizes below must be its own."""
        v2: bool = False
        """The second version."""
        channels: Size = 32
        """Channels of the stem."""
        blocks: tuple[int, ...] = (3, 4, 6, 3)
        """Blocks of the four stages."""
        width: Size = 32
        """Width of a group of channels, in 64ths of a block's."""
        scale: Size = 2
        """Groups of channels in a block."""
        expansion: Size = 2
        """Channels that a block gives, in multiples of its own."""
        embedding: Size = 192
        """Size of the embedding of its own pooling."""
        second: bool = False
        """Its own pooling has two linear maps."""
        bins: Size = 80
        """Mel bins of the front-end."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        blocks = counted(config.blocks, "ERes2Net")
        self.begin(config.bins, config.weights, KaldiFbank(config.bins, scale=1.0))
        first, out = config.channels, config.channels * config.expansion
        self.conv1 = nn.Conv2d(1, first, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        inputs = first
        for stage, (count, stride) in enumerate(zip(blocks, STRIDES, strict=True)):
            planes = first * 2**stage
            layer = nn.ModuleList()
            for number in range(count):
                layer.append(Block(inputs, planes, stride if number == 0 else 1, config, fused=stage >= 2))
                inputs = planes * config.expansion
            self.add_module(f"layer{stage + 1}", layer)
        if config.v2:
            self.layer3_ds = half(4 * out)
            self.fuse34 = AttentionFusion(8 * out)
        else:
            self.layer1_downsample, self.layer2_downsample, self.layer3_downsample = (
                half(out),
                half(2 * out),
                half(4 * out),
            )
            self.fuse_mode12, self.fuse_mode123, self.fuse_mode1234 = (
                AttentionFusion(2 * out),
                AttentionFusion(4 * out),
                AttentionFusion(8 * out),
            )
        self.finish(8 * out, config.bins, config.embedding, config.second, config.weights)

    def stages(self, x: Tensor, steps: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        x = F.relu(self.bn1(self.conv1(x)))
        maps: dict[str, Tensor] = {}
        lengths: dict[int, Tensor] = {}
        for stage, stride in enumerate(STRIDES, 1):
            x, steps = through(self.get_submodule(f"layer{stage}"), x, steps, stride)  # type: ignore[arg-type]
            maps[f"layer{stage}"], lengths[stage] = x, steps
        one, two, three, four = maps.values()
        if self.config.v2:
            maps["layer3_ds"] = self.layer3_ds(_alone(three, lengths[3]))
            maps["fuse34"] = self.fuse34(four, maps["layer3_ds"])
            return maps, steps
        maps["fuse_mode12"] = self.fuse_mode12(two, self.layer1_downsample(_alone(one, lengths[1])))
        maps["fuse_mode123"] = self.fuse_mode123(three, self.layer2_downsample(_alone(maps["fuse_mode12"], lengths[2])))
        maps["fuse_mode1234"] = self.fuse_mode1234(
            four, self.layer3_downsample(_alone(maps["fuse_mode123"], lengths[3]))
        )
        return maps, steps


class Block(nn.Module):
    """Groups of channels in a row, each fed what the one before gives, added or `fused`; then a shortcut."""

    def __init__(self, inputs: int, planes: int, stride: int, config: ERes2Net.Config, fused: bool) -> None:
        super().__init__()
        self.width, scale = planes * config.width // 64, config.scale
        outputs = planes * config.expansion
        self.conv1 = nn.Conv2d(inputs, self.width * scale, 1, stride, bias=False)
        self.bn1 = nn.BatchNorm2d(self.width * scale)
        self.convs = nn.ModuleList(nn.Conv2d(self.width, self.width, 3, padding=1, bias=False) for _ in range(scale))
        self.bns = nn.ModuleList(nn.BatchNorm2d(self.width) for _ in range(scale))
        self.fuse_models = nn.ModuleList(AttentionFusion(self.width) for _ in range(scale - 1) if fused)
        self.conv3 = nn.Conv2d(self.width * scale, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.shortcut = shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor, before: Tensor | None, after: Tensor | None) -> Tensor:
        """[B, C, F, T] → the same behind the stride; `after` [B, T'] is true on padding there."""
        y = silent_bands(clipped(self.bn1(self.conv1(x))), after)
        done: list[Tensor] = []
        for number, group in enumerate(torch.split(y, self.width, 1)):
            if done:
                inside = self.fuse_models[number - 1](done[-1], group) if self.fuse_models else done[-1] + group
                group = silent_bands(inside, after)  # noqa: PLW2901
            done.append(silent_bands(clipped(self.bns[number](self.convs[number](group))), after))
        return clipped(self.bn3(self.conv3(torch.cat(done, 1))) + self.shortcut(x))


class AttentionFusion(nn.Module):
    """Attentional feature fusion of two maps [B, C, F, T]; the order of the two matters."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inside = channels // 4
        self.local_att = nn.Sequential(
            nn.Conv2d(2 * channels, inside, 1),
            nn.BatchNorm2d(inside),
            nn.SiLU(),
            nn.Conv2d(inside, channels, 1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        share = torch.tanh(self.local_att(torch.cat([x, other], 1)))
        return x * (1 + share) + other * (1 - share)


def half(channels: int) -> nn.Conv2d:
    """A convolution to half the frequencies and frames, and twice the channels."""
    return nn.Conv2d(channels, 2 * channels, 3, 2, padding=1, bias=False)


def clipped(x: Tensor) -> Tensor:
    """ReLU that ends at 20."""
    return x.clamp(0.0, CLIP)


def _alone(x: Tensor, steps: Tensor) -> Tensor:
    """A map [B, C, F, T] with zeros past the lengths [B]."""
    return silent_bands(x, padding(steps, x.shape[-1]))
