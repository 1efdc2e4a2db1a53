"""Options that make every registered part small enough for a test; a part that is not named here is taken as it is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from voxboard import backbones
from voxboard.backbones.base import Frames, FramesSpec

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

BACKBONES: dict[str, dict[str, Any]] = {
    "zipformer": ZIPFORMER,
    "zipformer-large": ZIPFORMER,
    "zipformer-causal": ZIPFORMER,
    "ecapa": {"channels": 16, "frame_size": 24, "scale": 4, "squeeze": 8, "bottleneck": 8, "embedding": 12},
    "xvector": {"channels": 16, "frame_size": 24, "embedding": 12},
    "speechbrain-ecapa": {"channels": 16, "frame_size": 24, "scale": 4, "squeeze": 8, "bottleneck": 8, "embedding": 12},
    "speechbrain-xvector": {"channels": 16, "frame_size": 24, "embedding": 12},
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
    "weighted": {"pooler": "asp(bottleneck=8)", "normalize": True},
}
HEADS: dict[str, dict[str, Any]] = {}

SPECS = {
    "one layer": FramesSpec(1, 24, hop=0.01, native=("statistics", {"project": 8})),
    "all layers": FramesSpec(4, 24, input_layer=True, native=("mean", {})),
}


def backbone(name: str, seed: int = 0) -> backbones.base.Backbone:
    """A small backbone with weights from a seed, in evaluation mode."""
    torch.manual_seed(seed)
    options = BACKBONES.get(name.removesuffix("-1024"))
    if options is None and name.startswith("whisper"):
        options = WHISPER
    if options is None and backbones.REGISTRY.resolve(name)[0].__name__ == "SSL":
        options = TRANSFORMER
    return backbones.create(name, **(options or {})).eval()


def audio(*lengths: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Noise that swells and fades [B, N], NaN past each length, and the lengths."""
    generator = torch.Generator().manual_seed(seed)
    waveforms = torch.full((len(lengths), max(lengths)), torch.nan)
    for row, length in enumerate(lengths):
        swell = torch.linspace(0, 9, length).sin()
        waveforms[row, :length] = 0.1 * swell * torch.randn(length, generator=generator)
    return waveforms, torch.tensor(lengths)


def frames(spec: FramesSpec, *lengths: int, padding: float = 0.0, seed: int = 0) -> Frames:
    """Random frames of a spec; `padding` fills what lies past the lengths."""
    generator = torch.Generator().manual_seed(seed)
    states = torch.full((len(lengths), spec.layers, max(lengths), spec.size), padding)
    for row, length in enumerate(lengths):
        states[row, :, :length] = torch.randn(spec.layers, length, spec.size, generator=generator)
    return Frames(states, torch.tensor(lengths), spec.hop)


def settle(module: nn.Module) -> nn.Module:
    """Gives every batch norm statistics that are not its initial ones, so that tests in evaluation mode see them."""
    generator = torch.Generator().manual_seed(5)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean.normal_(0.0, 0.3, generator=generator)
            norm.running_var.uniform_(0.5, 2.0, generator=generator)
    return module.eval()


def assert_close(found: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    """The largest difference, relative to the largest value, is within the tolerance."""
    assert found.shape == expected.shape
    scale = max(1.0, float(expected.abs().max()))
    assert torch.isfinite(found).all()
    assert float((found - expected).abs().max()) <= tolerance * scale


def assert_finite_gradients(module: nn.Module, loss: Tensor) -> None:
    """Every weight that the loss reaches gets a finite gradient, and the loss reaches some."""
    assert torch.isfinite(loss)
    loss.backward()
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
