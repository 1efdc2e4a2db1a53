"""ReDimNet: a picture of the speech that is turned into frames and back again between its stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from voxboard.backbones.base import Backbone, BackboneSpec, of_equal_length
from voxboard.backbones.features import PRE_EMPHASIS, htk_triangles
from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.backbones.named_weights import origin, weights_of
from voxboard.backbones.redimnet_layers import Block1d, Block2d, ChannelNorm, Weighing, flattened, pictured
from voxboard.errors import UserError
from voxboard.limits import Size
from voxboard.poolers.base import Pooler
from voxboard.reference_weights import load_reference

FFT, WINDOW = 512, 400
PAPER = "Yakovlev et al., ReDimNet, Interspeech 2024, arXiv 2407.18223"

Stage = tuple[int, int, int, int]  # stride over frequency, blocks, expansion, reduction of the 1-D block (0: none)
Kind2d = Literal["basic_resnet", "basic_resnet_fwse", "convnext_like", "convnext_like_relu"]
Kind1d = Literal["conv+att", "att", "fc", "conv"]

# Mel bands, channels, 2-D block, group divisor, stages; as WeSpeaker words them. Checkpoints have their own.
SIZES: dict[str, tuple[int, int, Kind2d, int, tuple[Stage, ...]]] = {
    "b0": (60, 10, "basic_resnet", 1, ((1, 2, 1, 30), (2, 3, 2, 30), (1, 3, 3, 30), (2, 4, 2, 10), (1, 3, 1, 10))),
    "b1": (72, 12, "convnext_like", 8, ((1, 2, 1, 0), (2, 3, 1, 0), (3, 4, 1, 12), (2, 5, 1, 12), (2, 3, 1, 8))),
    "b2": (
        72,
        16,
        "convnext_like",
        4,
        ((1, 2, 1, 12), (2, 2, 1, 12), (1, 3, 1, 12), (2, 4, 1, 8), (1, 4, 1, 8), (2, 4, 1, 4)),
    ),
    "b3": (
        72,
        16,
        "basic_resnet_fwse",
        1,
        ((1, 6, 4, 32), (2, 6, 2, 32), (1, 8, 2, 32), (2, 10, 2, 16), (1, 10, 1, 16), (2, 8, 1, 16)),
    ),
    "b4": (
        72,
        32,
        "basic_resnet_fwse",
        1,
        ((1, 4, 2, 48), (2, 4, 2, 48), (1, 6, 2, 48), (2, 6, 1, 32), (1, 8, 1, 24), (2, 4, 1, 16)),
    ),
    "b5": (
        72,
        32,
        "basic_resnet_fwse",
        16,
        ((1, 4, 2, 48), (2, 4, 2, 48), (1, 6, 2, 48), (2, 6, 1, 32), (1, 8, 1, 24), (2, 4, 1, 16)),
    ),
    "b6": (
        72,
        32,
        "basic_resnet",
        32,
        ((1, 4, 4, 32), (2, 6, 2, 32), (1, 6, 2, 24), (3, 8, 1, 24), (1, 8, 1, 16), (2, 8, 1, 16)),
    ),
}


@dataclass(frozen=True)
class ReDimNetShape:
    """Sizes and kinds of a network, as a checkpoint's `model_config` gives them."""

    bands: int
    channels: int
    kind_2d: str
    kind_1d: str
    divisor: int | None
    stages: tuple[Stage, ...]
    out: int | None = None
    hop: int = 160
    embedding: int = 192
    context: bool = True
    pooling: str = "ASTP"
    second_norm: bool = False
    spectrum: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> ReDimNetShape:
        """Sizes from the constructor arguments of the published code. Raises `UserError` for what is not known here."""
        stages = tuple((stage[0], stage[1], stage[2], stage[4] or 0) for stage in config["stages_setup"])
        kinds = (config.get("block_2d_type", "basic_resnet"), config.get("block_1d_type", "conv+att"))
        if config.get("feat_type", "pt") != "pt":
            raise UserError(f"ReDimNet's front-end {config['feat_type']} is not known here.", "Use one of type pt.")
        return cls(
            config["F"],
            config["C"],
            kinds[0],
            kinds[1],
            config.get("group_divisor", 1),
            stages,
            config.get("out_channels"),
            config.get("hop_length", 160),
            config.get("embed_dim", 192),
            bool(config.get("global_context_att", False)),
            config.get("pooling_func", "ASTP"),
            bool(config.get("emb_bn", False)),
            config.get("spec_params") or {},
        )


class ReDimNet(Backbone):
    """Frames [B, 1, T, F · C] every 10 ms, a weighted sum of all stages.

    Attention within stages hears the whole utterance and knows no padding, so utterances of equal length share a batch.
    Its name alone stands for it with its own pooling.
    """

    alone = True

    @dataclass(frozen=True)
    class Config:
        """Options of `redimnet`."""

        size: Literal["b0", "b1", "b2", "b3", "b4", "b5", "b6"] = "b2"
        """Size of a network with random weights."""
        weights: str = "random"
        """random, or a published file, which holds its own sizes."""
        stages: Size = 6
        """Stages of a network with random weights, at most those of the size."""
        embedding: Size = 192
        """Size of the embedding of its own pooling, for random weights."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        bands, channels, kind, divisor, stages = SIZES[config.size]
        shape = ReDimNetShape(
            bands, channels, kind, "conv+att", divisor, stages[: config.stages], embedding=config.embedding
        )
        self.given: dict[str, Tensor] = {}
        if config.weights != "random":
            shape, self.given = read(Path(config.weights))
        self.build(shape)
        self.spec = BackboneSpec(
            FramesSpec(1, self.size, shape.hop / 16_000, native=("redimnet-pool", pooling_of(shape))),
            min_samples=FFT,
            batching="equal-length",
            parameters=sum(p.numel() for p in self.parameters()),
            **origin("redimnet", config.weights, PAPER),
        )
        if self.given:
            load_reference("redimnet", self.given, backbone=self)

    def build(self, shape: ReDimNetShape) -> None:
        """Make the layers of a shape."""
        self.shape = shape
        self.features = Spectrum(shape.bands, shape.hop, shape.spectrum or {})
        self.backbone = ReDimNetTrunk(shape)
        self.size = self.backbone.size

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Frames:
        counts = lengths // self.shape.hop + 1
        states = waveforms.new_zeros(len(lengths), int(counts.max()), self.size)
        for length, rows in of_equal_length(lengths):
            maps = self.backbone(self.features(waveforms[rows, :length]))
            frames = list(maps.values())[-1].transpose(1, 2)
            states[rows, : frames.shape[1]] = frames
        return Frames(states[:, None], counts, self.spec.frames.hop)

    def native_pooler(self) -> Pooler | None:
        pooler = super().native_pooler()
        if self.given and pooler is not None:
            load_reference("redimnet", self.given, pooler=pooler)
        return pooler

    def preprocessing(self) -> dict[str, Any]:
        return {"features": "log-mel", "bands": self.shape.bands, "hop": self.shape.hop}


def pooling_of(shape: ReDimNetShape) -> dict[str, Any]:
    """Options of the pooling that a shape is published with."""
    if shape.pooling != "ASTP":
        raise UserError(f"ReDimNet's pooling {shape.pooling} is not known here.", "Use a network with ASTP.")
    return {"project": shape.embedding, "context": shape.context, "second_norm": shape.second_norm}


def read(path: Path) -> tuple[ReDimNetShape, dict[str, Tensor]]:
    """Sizes and weights of a published file. Raises `UserError` for another kind of file."""
    given = weights_of("redimnet", str(path))
    try:
        content = torch.load(path.expanduser(), map_location="cpu", weights_only=True)
        config = content["model_config"]
    except (OSError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} has no model_config, which tells ReDimNet's sizes.", "Name a published file."
        ) from error
    return ReDimNetShape.of(config), given


class Spectrum(nn.Module):
    """Waveforms [B, N] of equal length → log-mel [B, bands, T] less its mean over time."""

    window: Tensor
    mel: Tensor

    def __init__(self, bands: int, hop: int, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.hop = hop
        self.norm_signal = bool(options.get("norm_signal", False))
        self.spec_norm = options.get("spec_norm", "mn")
        low, high = float(options.get("f_min", 20.0)), float(options.get("f_max", 7600.0))
        inside = torch.hamming_window(WINDOW)
        self.register_buffer("window", inside, persistent=False)
        self.register_buffer("mel", htk_triangles(bands, low, high).T.contiguous(), persistent=False)

    @torch.no_grad()
    def forward(self, waveforms: Tensor) -> Tensor:
        x = waveforms
        if self.norm_signal:
            x = (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True, unbiased=False) + 1e-6)
        x = x - PRE_EMPHASIS * torch.cat([x[:, 1:2], x[:, :-1]], 1)
        spectrum = torch.stft(
            x, FFT, self.hop, WINDOW, self.window, center=True, pad_mode="reflect", return_complex=True
        )
        logs = (self.mel.T @ spectrum.abs().square() + 1e-6).log()
        centered = logs - logs.mean(-1, keepdim=True)
        if self.spec_norm == "mvn":
            return centered / (logs.std(-1, keepdim=True) + 1e-8)
        return centered


class ReDimNetTrunk(nn.Module):
    """Log-mel [B, F, T] → the maps of stem, stages and their weighted sum, [B, F · C, T] each."""

    def __init__(self, shape: ReDimNetShape) -> None:
        super().__init__()
        self.size = full = shape.bands * shape.channels
        self.stem = nn.Sequential(nn.Conv2d(1, shape.channels, 3, padding="same"), ChannelNorm(shape.channels))
        c, f = shape.channels, shape.bands
        both_relu = "relu" in shape.kind_2d and "relu" in shape.kind_1d
        for number, (stride, blocks, expansion, reduction) in enumerate(shape.stages):
            inside = stride * c * expansion
            layers: list[nn.Module] = [
                Weighing(number + 1, full),
                nn.Identity(),  # to the picture
                nn.Conv2d(c, inside, (stride, 1), (stride, 1)),
            ]
            c, f = stride * c, f // stride
            layers += [Block2d(shape.kind_2d, inside, f, shape.divisor) for _ in range(blocks)]
            if expansion != 1:
                groups = 1 if shape.divisor is None else c // shape.divisor
                layers.append(
                    nn.Sequential(
                        nn.Conv2d(inside, c, 3, padding="same", groups=groups),
                        nn.BatchNorm2d(c, eps=1e-6),
                        nn.ReLU() if both_relu else nn.GELU(),
                        nn.Conv2d(c, c, 1),
                    )
                )
            layers.append(nn.Identity())  # back to frames
            if reduction:
                layers.append(Block1d(shape.kind_1d, full, full // reduction))
            self.add_module(f"stage{number}", nn.ModuleList(layers))
        self.stages = tuple((stage[0], stage[3]) for stage in shape.stages)
        self.fin_wght1d = Weighing(len(shape.stages) + 1, full)
        self.mfa = nn.Sequential()
        if shape.out:
            self.mfa = nn.Sequential(nn.Conv1d(full, shape.out, 1), nn.BatchNorm1d(shape.out))
            self.size = shape.out
        self.channels = shape.channels

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        maps = {"stem": flattened(self.stem(x[:, None]))}
        c = self.channels
        for number, (stride, reduction) in enumerate(self.stages):
            layers: list[Any] = list(self.get_submodule(f"stage{number}").children())
            weighing, _, conv, *rest = layers
            y = conv(pictured(weighing(list(maps.values())), c))
            c *= stride
            *blocks, last = rest if reduction else [*rest, None]
            for block in blocks[:-1]:  # the last only says that frames follow
                y = block(y)
            y = flattened(y)
            maps[f"stage{number}"] = last(y) if last is not None else y
        maps["fin_wght1d"] = self.fin_wght1d(list(maps.values()))
        if len(self.mfa):
            maps["mfa"] = self.mfa(maps["fin_wght1d"])
        return maps
