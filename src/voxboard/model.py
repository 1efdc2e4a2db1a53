"""A system as a network: an encoder (backbone + pooler) and the head that trains it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard import backbones, heads, poolers
from voxboard.backbones.base import Backbone
from voxboard.backbones.frames import Frames
from voxboard.backbones.utterance import UtteranceEncoder, Whole
from voxboard.errors import UserError
from voxboard.heads.base import Head, PredictsTasks
from voxboard.parts import Part
from voxboard.poolers.base import Pooler
from voxboard.poolers.projected import EmbeddingLayer
from voxboard.systems import System
from voxboard.weights import weights_digest

if TYPE_CHECKING:
    from voxboard.data.targets import Targets


BACKBONE = ("backbone.",)  # what an encoder's names of its backbone's weights begin with


class EncoderModule(nn.Module):
    """Waveforms to embeddings: backbone, then pooler.

    A frozen backbone stays in evaluation mode and gets no gradient.
    """

    def __init__(self, backbone: Backbone | UtteranceEncoder, pooler: Pooler | Whole, frozen: bool = False) -> None:
        super().__init__()
        self.backbone = backbone
        self.pooler = pooler
        self.frozen = frozen  # training may lift it, unless it is for good
        self.borrowed = frozen  # for good: the backbone's weights stay those that it is built with
        if frozen:
            backbone.requires_grad_(False)
            backbone.eval()

    def train(self, mode: bool = True) -> EncoderModule:
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    def forward(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """`waveforms` [B, N], `lengths` [B] samples → embeddings [B, E], not normalised."""
        return self.pooler(self.heard(waveforms, lengths))

    def sequence(self, waveforms: Tensor, lengths: Tensor) -> Frames:
        """The same input → what the pooler pools, [B, 1, T, D], for heads that read frames."""
        return self.sequence_of(self.frames(waveforms, lengths))

    def sequence_of(self, frames: Frames) -> Frames:
        """Sequence that the pooler pools of a backbone's frames. Raises `UserError` for an encoder that has none."""
        if isinstance(self.pooler, Whole):
            raise _no_frames(self.backbone)
        return self.pooler.sequence(frames)

    def heard(self, waveforms: Tensor, lengths: Tensor) -> Frames | Tensor:
        """Input of the pooler: frames of a backbone, or the embeddings of an encoder of utterances."""
        if not isinstance(self.backbone, UtteranceEncoder):
            return self.frames(waveforms, lengths)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            embeddings: Tensor = self.backbone(waveforms, lengths)
        return embeddings

    def frames(self, waveforms: Tensor, lengths: Tensor) -> Frames:
        """The same input → what the pooler gets, without gradient where the backbone is frozen."""
        if isinstance(self.backbone, UtteranceEncoder):
            raise _no_frames(self.backbone)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            frames: Frames = self.backbone(waveforms, lengths)
        if not isinstance(frames, Frames):
            raise UserError(
                f"The backbone {type(self.backbone).__name__} returns a {type(frames).__name__}, not Frames.",
                "Let its encode return Frames(states [B, L, T, D], lengths [B], hop): docs/extending.md.",
            )
        return frames

    def fingerprint(self) -> str:
        """sha256 of all weights and of the preprocessing."""
        return weights_digest(self, extra=repr(sorted(self.backbone.preprocessing().items())))


@dataclass
class Network:
    """Encoder and head: what a run trains and evaluates."""

    encoder: EncoderModule
    head: Head | None
    targets: Targets | None = None  # what the head was trained to predict
    drawn: Tensor | None = None  # where torch's random stream was when the backbone was built
    built_on: str = ""  # the fingerprint of a borrowed backbone

    def training_output(self, waveforms: Tensor, lengths: Tensor) -> Any:
        """Input of the head: embeddings [B, E], or `Frames`."""
        return self.read(self.encoder.heard(waveforms, lengths))

    def read(self, heard: Frames | Tensor) -> Any:
        """The same, from the backbone's frames, or the embeddings of an encoder of utterances."""
        reads_frames = self.head is not None and self.head.reads == "frames"
        if reads_frames and isinstance(heard, Frames):
            return self.encoder.sequence_of(heard)
        return self.encoder.pooler(heard)

    def class_scores(self, embeddings: np.ndarray, task: str) -> tuple[np.ndarray, tuple[str, ...]]:
        """Embeddings [U, E] as the encoder gives them → scores [U, C] of a task's classes, and their names."""
        assert self.head is not None
        assert self.targets is not None
        classes = self.targets.classes(task)
        assert classes is not None
        device = next(self.head.parameters()).device
        self.head.eval()
        with torch.inference_mode():
            rows = torch.from_numpy(embeddings).to(device)
            if isinstance(self.head, PredictsTasks):
                scores = self.head.predict_tasks(rows)[task]
            else:
                scores = self.head.predict(rows)
        return scores.float().cpu().numpy(), classes.names

    @property
    def score_heads(self) -> int:
        """Into how many equal pieces an embedding is cut before it is normalised (UniPool's loss heads)."""
        return self.head.heads if self.head is not None else 1

    def to(self, device: torch.device) -> None:
        """Move all weights."""
        self.encoder.to(device)
        if self.head is not None:
            self.head.to(device)

    def state(self) -> dict[str, Tensor]:
        """All weights, with `encoder.` and `head.` in front of their names, but not those of a borrowed backbone."""
        left_out = BACKBONE if self.encoder.borrowed else ()
        weights = {f"encoder.{key}": v for key, v in self.encoder.state_dict().items() if not key.startswith(left_out)}
        if self.head is not None:
            weights |= {f"head.{key}": value for key, value in self.head.state_dict().items()}
        return weights

    def load(self, state: dict[str, Tensor]) -> None:
        """The reverse of `state`, strict; a borrowed backbone keeps the weights that it was built with."""
        if self.encoder.borrowed:
            own = self.encoder.backbone.state_dict()
            state = {f"encoder.backbone.{key}": value for key, value in own.items()} | state
        for prefix, module in (("encoder.", self.encoder), ("head.", self.head)):
            if module is not None:
                part = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
                module.load_state_dict(part)


def build(
    system: System,
    classes: int | Mapping[str, int] | None,
    seed: int,
    frozen: bool = False,
    beside: Network | None = None,
) -> Network:
    """Build a system with weights drawn from `seed`; `classes` (per task, for a head of several tasks) sizes the head.

    `classes` None leaves the head out (evaluation only), unless it needs no training. `beside` is a network of the same
    backbone, seed and freezing, which is shared instead of built once more: the other weights are the same.
    """
    if beside is None:
        torch.manual_seed(seed)
        backbone = backbones.create(system.backbone.name, **system.backbone.options)
        drawn = torch.get_rng_state()
        built_on = backbone.fingerprint() if frozen else ""
    else:
        assert beside.drawn is not None
        backbone, drawn, built_on = beside.encoder.backbone, beside.drawn, beside.built_on
        torch.set_rng_state(drawn)
    pooler = _pooler(system, backbone)
    head = None
    kind = heads.REGISTRY.resolve(system.head.name)[0]
    if classes is not None or kind.trained:
        size = pooler.embedding_size
        if kind.reads == "frames":
            if isinstance(backbone, UtteranceEncoder):
                raise _no_frames(backbone)
            size = backbone.spec.frames.size
        head = heads.create(system.head.name, size, classes, **system.head.options)
    return Network(EncoderModule(backbone, pooler, frozen), head, drawn=drawn, built_on=built_on)


def _no_frames(encoder: nn.Module) -> UserError:
    return UserError(
        f"{type(encoder).__name__} gives one embedding per utterance, and no frames.",
        "Name it alone, without a pooler, and with a head that reads embeddings.",
    )


def _pooler(system: System, backbone: Backbone | UtteranceEncoder) -> Pooler | Whole:
    if isinstance(backbone, UtteranceEncoder):
        given = backbone.spec.embedding_size
        if system.pooler == Part("projected", {"pooler": "native", "size": (size := system.embedding_layer)}):
            return Whole(size, EmbeddingLayer(given, size))
        if system.pooler.name != "native":
            raise _no_frames(backbone)
        return Whole(given)
    if system.pooler.name == "native":
        native = backbone.native_pooler()
        if native is None:
            raise UserError(
                f"{system.backbone.name} has no pooling of its own.",
                "Name a pooler, e.g. mean: voxboard list poolers",
            )
        return native
    return poolers.create(system.pooler.name, backbone.spec.frames, **system.pooler.options)


def normalize(embeddings: Tensor, heads: int = 1) -> Tensor:
    """[B, E] → [B, E] whose dot products are cosines, averaged over `heads` equal pieces where there are several."""
    pieces = embeddings.reshape(*embeddings.shape[:-1], heads, -1)
    return (F.normalize(pieces, dim=-1) / heads**0.5).flatten(-2)


def parameters(module: nn.Module) -> int:
    """Number of parameters, frozen ones included."""
    return sum(parameter.numel() for parameter in module.parameters())
