"""Options that make every registered part small enough for a test; a part that is not named here is taken as it is."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tests.language_models import chat_model
from voxboard import backbones
from voxboard.contracts import inputs, measures
from voxboard.contracts.inputs import audio, frames, settle

__all__ = ["audio", "frames", "settle"]

TRANSFORMER = {"layers": 2, "size": 32, "heads": 4, "ffn": 48, "conv_size": 16}

WHISPER = {"layers": 2, "size": 32, "heads": 4, "ffn": 48, "seconds": 1}

ZIPFORMER: dict[str, Any] = {
    "num_encoder_layers": (1,),
    "downsampling_factor": (1, 4, 2),
    "encoder_dim": (16, 32, 24),
    "feedforward_dim": (32,),
    "encoder_unmasked_dim": (12,),
    "num_heads": (2,),
    "query_head_dim": (4,),
    "value_head_dim": (4,),
    "cnn_module_kernel": (7, 5, 7),
    "pos_dim": 8,
}

RESNET = '{"channels": [8, 8, 16, 16], "block_sizes": [1, 1, 1, 1], "lin_neurons": 12}'

RESNET_2D: dict[str, Any] = {"channels": 4, "blocks": (1, 1, 1, 1), "bins": 24, "embedding": 12}

BACKBONES: dict[str, dict[str, Any]] = {
    "zipformer": ZIPFORMER,
    "zipformer-large": ZIPFORMER,
    "zipformer-causal": ZIPFORMER,
    "ecapa": {"channels": 16, "frame_size": 24, "scale": 4, "squeeze": 8, "bottleneck": 8, "embedding": 12},
    "campplus": {"weights": "random", "growth": 4, "bottleneck": 2, "channels": 16, "embedding": 12},
    "resemblyzer": {"weights": "random", "hidden": 16, "layers": 2, "embedding": 12},
    **{name: {**RESNET_2D, "channels": 8} for name in ("eres2net", "eres2netv2")},
    **{name: RESNET_2D for name in backbones.names() if name.startswith("wespeaker-")},
    "redimnet": {"size": "b0", "stages": 1, "embedding": 12},
    "xvector": {"channels": 16, "frame_size": 24, "embedding": 12},
    "speechbrain-ecapa": {"channels": 16, "frame_size": 24, "scale": 4, "squeeze": 8, "bottleneck": 8, "embedding": 12},
    "speechbrain-xvector": {"channels": 16, "frame_size": 24, "embedding": 12},
    "speechbrain-resnet": {"options": RESNET, "bins": 24},
    "speechbrain": {"options": RESNET, "bins": 24},
    "vgg": {"channels": 16},
    "vgg3l": {"channels": 16},
    "resnet": {"channels": 32},
    "sincnet": {"window_ms": 40.0, "filters": (8, 6, 6), "kernels": (31, 5, 5), "dense": (24, 20, 16)},
}
POOLERS: dict[str, dict[str, Any]] = {
    "unipool": {"conv_dim": 8, "pool_dim": 12},
    "asp": {"bottleneck": 8},
    "ecapa-asp": {"bottleneck": 8, "project": 12},
    "speechbrain-asp": {"bottleneck": 8, "project": 12},
    "self-attentive": {"hidden": 8, "hops": 2},
    "mha": {"heads": 4},
    "double-mha": {"heads": 4},
    "mqmha": {"heads": 4, "queries": 2, "hidden": 3},
    "xvector-head": {"weighted": True, "channels": (8, 8, 8, 8, 12), "embedding": 10},
    "weighted": {"pooler": "asp(bottleneck=8)", "normalize": True},
}
HEADS: dict[str, dict[str, Any]] = {
    "contrastive": {"size": 16},
    "whisper-intensity": {"layers": 1, "ffn": 16, "positions": 8, "dropout": 0.0},
}

FRAME_SIZE = 24
SPECS = inputs.specs(FRAME_SIZE)


def options(kind: str, name: str) -> dict[str, Any]:
    """The options that make a part small."""
    if name == "question-answer":
        return {"lm": _chat_model(), "frames": 1}
    if kind != "backbone":
        return {"pooler": POOLERS, "head": HEADS}[kind].get(name, {})
    found = BACKBONES.get(name.removesuffix("-1024"))
    if found is None and name.startswith("whisper"):
        found = WHISPER
    if found is None and backbones.REGISTRY.resolve(name)[0].__name__ == "SSL":
        found = TRANSFORMER
    return found or {}


@cache
def _chat_model() -> str:
    """The folder of a tiny language model, which is there until the tests end."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return chat_model(Path(folder))


def backbone(name: str, seed: int = 0) -> backbones.base.Backbone:
    """A small backbone with weights from a seed, in evaluation mode."""
    torch.manual_seed(seed)
    return backbones.create(name, **options("backbone", name)).eval()


def assert_close(found: Tensor, expected: Tensor, tolerance: float = measures.TOLERANCE) -> None:
    """The largest difference, relative to the largest value, is within the tolerance."""
    assert measures.difference(found, expected) <= tolerance


def assert_finite_gradients(module: nn.Module, loss: Tensor) -> None:
    """Every weight that the loss reaches gets a finite gradient, and the loss reaches some."""
    measures.require_finite_gradients(module, loss, "of the batch", "")
