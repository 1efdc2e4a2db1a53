"""Cost of a part: weights, and time on a CPU."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from voxboard.contracts.checks import Subject
from voxboard.contracts.inputs import audio, frames, head_input, read

ROUNDS = 3


@dataclass(frozen=True)
class PartCost:
    """`parameters` counts the weights; `milliseconds` is the best of three runs of what `workload` says."""

    parameters: int
    milliseconds: float
    workload: str


def cost(subject: Subject[Any]) -> PartCost:
    """Measures a part in evaluation mode, without gradients."""
    part = subject.build(0).eval()
    run, workload = _workload(subject.kind, part)
    with torch.no_grad():
        best = min(_seconds(run) for _ in range(ROUNDS))
    return PartCost(sum(weight.numel() for weight in part.parameters()), 1000 * best, workload)


def weights(subject: Subject[Any]) -> int | None:
    """The number of weights without making them, or None for a part that cannot be built without memory."""
    try:
        with torch.device("meta"):
            return sum(weight.numel() for weight in subject.build(0).parameters())
    except Exception:  # whatever a constructor that computes with its tensors raises
        return None


def _workload(kind: str, part: Any) -> tuple[Callable[[], Any], str]:
    if kind == "backbone":
        waveforms, lengths = audio(part.spec.sample_rate)
        return lambda: part(waveforms, lengths), "1 s of audio"
    if kind == "pooler":
        batch = frames(part.spec, 100)
        return lambda: part(batch), "100 frames"
    values = read(part, head_input(part))
    return lambda: part.predict(values), f"{len(head_input(part))} predictions"


def _seconds(run: Callable[[], Any]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started
