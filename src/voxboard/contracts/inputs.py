"""Inputs of checks: audio, frames, labels; every number is a function of a seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.heads.base import MISSING, Head

Module = TypeVar("Module", bound=nn.Module)

# What heads are built for: embedding size, number of classes (of a vocabulary with its blank, or of values).
SIZE, CLASSES = 12, 5


def specs(size: int) -> dict[str, FramesSpec]:
    """The frames that poolers are built for: of one layer, and of several as transformers have them."""
    return {
        "one layer": FramesSpec(1, size, hop=0.01, native=("statistics", {"project": 8})),
        "all layers": FramesSpec(4, size, input_layer=True, native=("mean", {})),
    }


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


def settle(module: Module) -> Module:
    """Give every batch norm statistics that are not its initial ones, so that evaluation mode is seen to use them."""
    generator = torch.Generator().manual_seed(5)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean.normal_(0.0, 0.3, generator=generator)
            norm.running_var.uniform_(0.5, 2.0, generator=generator)
    return module.eval()


def head_input(head: Head, utterances: int = 10, scale: float = 1.0) -> Tensor:
    """Input of a head, as a tensor to differentiate by: embeddings [B, E], or states [B, 1, T, D]."""
    generator = torch.Generator().manual_seed(3)
    if head.reads == "frames":
        return scale * frames(FramesSpec(1, SIZE), *_steps(utterances), seed=3).states
    return scale * torch.randn(utterances, SIZE, generator=generator)


def read(head: Head, values: Tensor) -> Any:
    """Argument of a head's `loss` and `predict`, around `head_input`: embeddings, or `Frames` with their lengths."""
    if head.reads == "frames":
        return Frames(values, torch.tensor(_steps(len(values))), 0.02)
    return values


def labels(needs: Mapping[str, str], utterances: int = 10) -> Any:
    """Labels for so many utterances: a tensor, or a mapping from task to tensor for a head that needs several.

    Every class is there as often as the others and twice; tokens are sequences of unlike lengths without the blank.
    """
    labels = {task: _labels(kind, utterances) for task, kind in needs.items()}
    return labels if len(labels) > 1 else next(iter(labels.values()))


def _labels(kind: str, utterances: int) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    if kind == "values":
        return torch.randn(utterances, CLASSES, generator=generator)
    if kind == "tokens":
        tokens = torch.randint(1, CLASSES, (utterances, 3), generator=generator)
        tokens[1::2, 2] = MISSING
        return tokens
    if kind == "vectors":
        return torch.randn(utterances, CLASSES, generator=generator)
    if kind == "texts":
        return ord("a") + torch.randint(0, CLASSES, (utterances, 1), generator=generator)
    return torch.arange(utterances) % CLASSES


def _steps(utterances: int) -> list[int]:
    """Valid frames of each utterance: enough for three tokens, repeats included, and the first one longest."""
    return [12 - row % 4 for row in range(utterances)]
