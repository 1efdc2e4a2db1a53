"""Sizes and costs: parameters, and the multiply-adds that 3 s of audio take.

torch's counter sees matrix products, convolutions and attention; LSTMs are added. Fourier transforms, norms,
activations and other element-wise work are not counted. Counts are integers that depend on no machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from voxboard import backbones, heads, poolers, systems
from voxboard.backbones.base import Backbone, BackboneSpec
from voxboard.backbones.frames import Frames, FramesSpec

SECONDS = 3
FRAMES, STEPS = FramesSpec(13, 768, input_layer=True), 149  # what a base transformer makes of 3 s
EMBEDDING, CLASSES = 192, 1_000


def everything() -> dict[str, dict[str, dict[str, Any]]]:
    """Kind → name → what was measured, for every part of the catalogues, every named system, task and card."""
    from voxboard.catalogue import tasks

    return {
        "backbone": {name: backbone(name) for name in catalogued("backbone")},
        "pooler": {name: pooler(name) for name in catalogued("pooler") if name != "native"},
        "head": {name: head(name) for name in catalogued("head")},
        "system": {name: system(one) for name, one in systems.named().items()},
        "benchmark": tasks.main_metrics(),
    }


def catalogued(kind: str) -> list[str]:
    """The names of a kind without those of plugins."""
    registry = systems.registry(kind)
    return [name for name in registry.names() if registry.entry(name)]


def backbone(name: str, **options: Any) -> dict[str, Any]:
    """A backbone at its defaults, on 3 s of audio."""
    spec, cost, _ = _run(name, options)
    return {
        "parameters": spec.parameters,
        "multiply_adds": cost,
        "layers": spec.frames.layers,
        "size": spec.frames.size,
        "frames_per_second": round(1 / spec.frames.hop, 3),
        "batching": spec.batching,
        "code_licence": spec.code_licence,
    }


def pooler(name: str, spec: FramesSpec = FRAMES, steps: int = STEPS, **options: Any) -> dict[str, Any]:
    """A pooler on one utterance's frames, by default 149 of 13 layers × 768."""
    built = poolers.create(name, spec, **options).eval()
    frames = Frames(torch.randn(1, spec.layers, steps, spec.size), torch.tensor([steps]), spec.hop)
    cost = multiply_adds(lambda: built(frames))
    return {"parameters": _parameters(built), "multiply_adds": cost, "embedding": built.embedding_size}


def head(name: str, **options: Any) -> dict[str, Any]:
    """A head's prediction from one embedding of 192, or from 149 frames of 768; 1,000 classes, or one value."""
    config = heads.REGISTRY.config(name, **options)
    cls, _ = heads.REGISTRY.resolve(name)
    counts = {task: 1 if kind == "values" else CLASSES for task, kind in cls.needs(config).items()}
    whole_sequence = cls.reads == "frames"
    size = FRAMES.size if whole_sequence else EMBEDDING
    built = heads.create(name, size, counts if len(counts) > 1 else next(iter(counts.values())), **options).eval()
    given: Any = torch.randn(1, size)
    if whole_sequence:
        given = Frames(torch.randn(1, 1, STEPS, size), torch.tensor([STEPS]), FRAMES.hop)
    return {"parameters": _parameters(built), "multiply_adds": multiply_adds(lambda: built.predict(given))}


def system(system: systems.System) -> dict[str, Any]:
    """A named system's encoder, backbone and pooler, on 3 s of audio."""
    options = {key: value for key, value in system.backbone.options.items() if key != "use_pretrain"}
    spec, cost, steps = _run(system.backbone.name, options)
    pooled = pooler(system.pooler.name, spec.frames, steps, **system.pooler.options)
    return {
        "parameters": spec.parameters + pooled["parameters"],
        "multiply_adds": cost + pooled["multiply_adds"],
        "embedding": pooled["embedding"],
    }


def multiply_adds(call: Callable[[], object]) -> int:
    """The multiply-adds of a call."""
    # The fused attention of CPUs is unknown to the counter; the plain one is two products. So is their LSTM.
    recurrent = {torch.ops.aten.mkldnn_rnn_layer: _of_lstm}
    counter = FlopCounterMode(display=False, custom_mapping=recurrent)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        call()
    return int(counter.get_total_flops()) // 2


def _run(name: str, options: Mapping[str, Any]) -> tuple[BackboneSpec, int, int]:
    """A backbone's spec, the multiply-adds of 3 s, and their frames.

    A checkpoint's transformer repeats one layer, so its cost follows exactly from networks of one and of two layers:
    the whole one is only described, on torch's meta device, which holds no weights.
    """
    cls, _ = backbones.REGISTRY.resolve(name)
    accepted = {item.name for item in fields(cls.Config)}
    if any(item.name == "weights" and item.default == "published" for item in fields(cls.Config)):
        options = {"weights": "random", **options}  # sizes need no published ones
    if not {"cfg", "layers"} <= accepted:
        built = backbones.framed(name, **options).eval()
        return built.spec, *_heard(built)
    with torch.device("meta"):
        spec = backbones.framed(name, **options).spec
    small = {key: value for key, value in options.items() if key != "depth"}
    (one, steps), (two, _) = (_heard(backbones.framed(name, **{**small, "layers": n}).eval()) for n in (1, 2))
    return spec, one + (spec.frames.layers - 2) * (two - one), steps


def _heard(built: Backbone) -> tuple[int, int]:
    """The multiply-adds of 3 s of audio, and their frames."""
    samples = SECONDS * built.spec.sample_rate
    frames: list[Frames] = []
    cost = multiply_adds(lambda: frames.append(built(0.1 * torch.randn(1, samples), torch.tensor([samples]))))
    return cost, int(frames[0].lengths[0])


def _of_lstm(frames: Sequence[int], inputs: Sequence[int], states: Sequence[int], *_: Any, **__: Any) -> int:
    """Operations of one layer on `frames` [T, B, D], by the shapes of its weights for inputs and states."""
    return 2 * frames[0] * frames[1] * (inputs[0] * inputs[1] + states[0] * states[1])


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
