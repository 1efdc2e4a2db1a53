"""CAM++: densely connected time-delay layers whose output a mask of the context scales.

Written so that a padded batch is exact: whatever a convolution or a mean would read past an utterance's end is zeroed
or left out first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.backbones.base import Backbone, BackboneSpec, padding, silenced, silent_bands
from voxboard.backbones.features import HOP, WINDOW, KaldiFbank, normalize
from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.backbones.named_weights import origin, weights_of
from voxboard.errors import UserError
from voxboard.limits import Size
from voxboard.poolers.base import Pooler
from voxboard.reference_weights import load_reference

HEAD = 32  # channels of the two-dimensional front
SEGMENT = 100  # frames that share a segment of the context, 2 s
BLOCKS = ((12, 1), (24, 2), (16, 2))  # layers and dilation of the three dense blocks
LAYOUT = "campplus"


class Campplus(Backbone):
    """CAM++ frames [B, L, T, D] every 20 ms (Wang et al., Interspeech 2023, arXiv 2303.00332), as 3D-Speaker has it.

    L is 1, the last layer, or 3 with `blocks`: the outputs of the dense blocks behind their transitions, narrower ones
    filled up with zeros. Its name alone stands for it with its own pooling. In training the batch statistics count
    padded frames too.
    """

    alone = True

    @dataclass(frozen=True)
    class Config:
        """Options of `campplus`."""

        weights: str = "published"
        """published: those of `voxboard weights get campplus`; random; or a file in 3D-Speaker's layout."""
        blocks: bool = False
        """Give the outputs of all three dense blocks, for poolers over layers."""
        bins: Size = 80
        """Mel bins of the front-end."""
        growth: Size = 32
        """Channels that every dense layer adds. This and the following are for random weights only."""
        bottleneck: Size = 4
        """Width of a dense layer's bottleneck, in multiples of `growth`."""
        channels: Size = 128
        """Channels of the first time-delay layer."""
        embedding: Size = 192
        """Size of the embedding of its own pooling."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.bins % 8:
            raise UserError(f"CAM++ cannot work on {config.bins} mel bins.", "Give a multiple of 8.")
        self.config = config
        self.published = weights_of("campplus", config.weights)
        self.embedding = config.embedding
        if self.published:
            self.embedding = len(self.published.get("xvector.dense.linear.weight", ())) or config.embedding
        self.features = KaldiFbank(config.bins, scale=1.0)
        self.head = Front(config.bins)
        self.xvector = CampplusTrunk(HEAD * (config.bins // 8), config.channels, config.growth, config.bottleneck)
        size = self.xvector.size
        native: tuple[str, dict[str, Any]] = ("campplus-dense", {"project": self.embedding})
        self.spec = BackboneSpec(
            FramesSpec(3 if config.blocks else 1, size, 2 * HOP / 16_000, native=native),
            min_samples=WINDOW + 2 * HOP,  # two frames, which a deviation needs
            parameters=sum(p.numel() for p in self.parameters()),
            code_licence="MIT",
            **origin("campplus", config.weights, "Wang et al., CAM++, Interspeech 2023, arXiv 2303.00332"),
        )
        if self.published:
            load_reference(LAYOUT, self.published, backbone=self)

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Frames:
        x, steps = self.features(waveforms, lengths)
        layers, steps = self.layers(normalize(x, steps, "mean"), steps)
        states = torch.stack([F.pad(layer, (0, 0, 0, self.xvector.size - layer.shape[1])) for layer in layers], 1)
        return Frames(states.transpose(2, 3), steps, self.spec.frames.hop)

    def layers(self, features: Tensor, steps: Tensor) -> tuple[list[Tensor], Tensor]:
        """Features [B, T, bins], zeros on padding → layers [B, C, T2] of the trunk, and their lengths [B]."""
        x = self.head(features.transpose(1, 2)[:, None], padding(steps, features.shape[1]))
        steps = (steps - 1) // 2 + 1
        stages = self.xvector(x, steps)
        wanted = ("transit1", "transit2", "out_nonlinear") if self.config.blocks else ("out_nonlinear",)
        return [stages[name] for name in wanted], steps

    def native_pooler(self) -> Pooler | None:
        pooler = super().native_pooler()
        if self.published:
            load_reference(LAYOUT, self.published, pooler=pooler)
        return pooler

    def preprocessing(self) -> dict[str, Any]:
        return {"features": "fbank", "scale": 1, "bins": self.config.bins, "blocks": self.config.blocks}


class Front(nn.Module):
    """Residual blocks over the picture of the features: [B, 1, bins, T] → [B, 32 · bins / 8, T]."""

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, HEAD, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(HEAD)
        self.layer1 = nn.ModuleList([Residual(2), Residual(1)])
        self.layer2 = nn.ModuleList([Residual(2), Residual(1)])
        self.conv2 = nn.Conv2d(HEAD, HEAD, 3, (2, 1), padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(HEAD)

    def forward(self, x: Tensor, padded: Tensor | None) -> Tensor:
        x = silent_bands(F.relu(self.bn1(self.conv1(x))), padded)
        for block in (*self.layer1, *self.layer2):
            x = block(x, padded)
        return silent_bands(F.relu(self.bn2(self.conv2(x))), padded).flatten(1, 2)


class Residual(nn.Module):
    """Two convolutions beside a shortcut; `stride` is over frequency."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(HEAD, HEAD, 3, (stride, 1), padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(HEAD)
        self.conv2 = nn.Conv2d(HEAD, HEAD, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(HEAD)
        self.shortcut = nn.Sequential()
        if stride > 1:
            self.shortcut = nn.Sequential(nn.Conv2d(HEAD, HEAD, 1, (stride, 1), bias=False), nn.BatchNorm2d(HEAD))

    def forward(self, x: Tensor, padded: Tensor | None) -> Tensor:
        """[B, C, F, T], zeros on padding, → the same with F / stride."""
        y = silent_bands(F.relu(self.bn1(self.conv1(x))), padded)
        return silent_bands(F.relu(self.bn2(self.conv2(y)) + self.shortcut(x)), padded)


class CampplusTrunk(nn.Module):
    """Time-delay layer, three dense blocks with transitions, norm: [B, size, T] → the output of every stage."""

    def __init__(self, size: int, channels: int, growth: int, bottleneck: int) -> None:
        super().__init__()
        self.tdnn = nn.Sequential(
            OrderedDict(
                linear=nn.Conv1d(size, channels, 5, 2, padding=2, bias=False),
                nonlinear=normed(channels),
            )
        )
        for number, (layers, dilation) in enumerate(BLOCKS, 1):
            block = {
                f"tdnnd{i + 1}": DenseLayer(channels + i * growth, growth, bottleneck, dilation) for i in range(layers)
            }
            self.add_module(f"block{number}", nn.ModuleDict(block))
            channels += layers * growth
            transit = OrderedDict(nonlinear=normed(channels), linear=nn.Conv1d(channels, channels // 2, 1, bias=False))
            self.add_module(f"transit{number}", nn.Sequential(transit))
            channels //= 2
        self.out_nonlinear = normed(channels)
        self.size = channels

    def forward(self, x: Tensor, steps: Tensor) -> Mapping[str, Tensor]:
        """[B, size, T], zeros on padding, and lengths [B] after the first layer → stages [B, C, T2]."""
        x = self.tdnn(x)
        stages = {"tdnn": x}
        padded = padding(steps, x.shape[-1])
        for number in range(1, len(BLOCKS) + 1):
            for layer in self.get_submodule(f"block{number}").values():  # type: ignore[operator]
                x = layer(x, padded)
            stages[f"block{number}"] = x
            stages[f"transit{number}"] = x = self.get_submodule(f"transit{number}")(x)
        stages["out_nonlinear"] = self.out_nonlinear(x)
        return stages


class DenseLayer(nn.Module):
    """Norm, bottleneck, norm, masked convolution; its output is put behind its input."""

    def __init__(self, channels: int, growth: int, bottleneck: int, dilation: int) -> None:
        super().__init__()
        width = bottleneck * growth
        self.nonlinear1 = normed(channels)
        self.linear1 = nn.Conv1d(channels, width, 1, bias=False)
        self.nonlinear2 = normed(width)
        self.cam_layer = ContextMask(width, growth, dilation)

    def forward(self, x: Tensor, padded: Tensor | None) -> Tensor:
        """[B, C, T] → [B, C + growth, T]."""
        inside = silenced(self.nonlinear2(self.linear1(self.nonlinear1(x))), padded)
        return torch.cat([x, self.cam_layer(inside, padded)], 1)


class ContextMask(nn.Module):
    """A convolution whose output is scaled by what the utterance's mean and the segment's suggest."""

    def __init__(self, width: int, growth: int, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(width, growth, 3, padding=dilation, dilation=dilation, bias=False)
        self.linear1 = nn.Conv1d(width, width // 2, 1)
        self.linear2 = nn.Conv1d(width // 2, growth, 1)

    def forward(self, x: Tensor, padded: Tensor | None) -> Tensor:
        """[B, C, T], zeros on padding, → [B, growth, T]."""
        inside = torch.ones_like(x[:, 0]) if padded is None else (~padded).to(x.dtype)  # [B, T]
        mean = x.sum(-1, keepdim=True) / inside.sum(-1)[:, None, None]
        context = mean + segment_means(x, inside)
        return self.linear_local(x) * torch.sigmoid(self.linear2(F.relu(self.linear1(context))))


def segment_means(x: Tensor, inside: Tensor) -> Tensor:
    """[B, C, T], zeros outside `inside` [B, T] → every frame's mean over its own segment [B, C, T]."""
    steps = x.shape[-1]
    more = -steps % SEGMENT
    sums = F.pad(x, (0, more)).unfold(-1, SEGMENT, SEGMENT).sum(-1)
    counts = F.pad(inside, (0, more)).unfold(-1, SEGMENT, SEGMENT).sum(-1).clamp(min=1)
    return (sums / counts[:, None]).repeat_interleave(SEGMENT, -1)[..., :steps]


def normed(channels: int) -> nn.Sequential:
    """Batch norm and ReLU."""
    return nn.Sequential(OrderedDict(batchnorm=nn.BatchNorm1d(channels), relu=nn.ReLU()))
