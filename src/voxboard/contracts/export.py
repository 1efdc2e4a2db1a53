"""Parts as programs that run without their Python code, where a part says that it can be one."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from voxboard.backbones.base import Backbone, WaveformModel
from voxboard.backbones.frames import Frames
from voxboard.backbones.utterance import UtteranceEncoder
from voxboard.contracts.checks import Broken, Measurement, Skipped
from voxboard.contracts.measures import TOLERANCE, difference
from voxboard.heads.base import Head
from voxboard.poolers.base import Pooler

WAYS = ("torch.export", "torchscript")


class Tensors(nn.Module):
    """A part with tensors in and out, as exported programs have them.

    Backbone: waveforms [B, N], lengths [B] → states [B, L, T, D], lengths [B]. Encoder of utterances: the same →
    embeddings [B, E]. Pooler: states, lengths → embeddings [B, E]. Head: embeddings [B, E], or states and lengths →
    what `predict` gives.
    """

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, values: Tensor, lengths: Tensor | None = None) -> Any:
        if isinstance(self.part, Backbone):
            assert lengths is not None
            frames = self.part(values, lengths)
            return frames.states, frames.lengths
        if isinstance(self.part, Head):
            return self.part.predict(values if lengths is None else Frames(values, lengths, 0.02))
        if isinstance(self.part, UtteranceEncoder):
            return self.part(values, lengths)
        assert isinstance(self.part, Pooler)
        assert lengths is not None
        return self.part(Frames(values, lengths, self.part.spec.hop))


def declared(part: nn.Module) -> tuple[str, ...]:
    """Return the ways of export that a part declares: in `spec.exports` if it hears waveforms, else in `exports`."""
    return part.spec.exports if isinstance(part, WaveformModel) else tuple(getattr(part, "exports", ()))


def program(part: nn.Module, way: str, example: Sequence[Tensor]) -> nn.Module:
    """The exported program of a part in evaluation mode, for any number of utterances of any length.

    `example` is a batch of at least two utterances of unlike lengths, the longest first.
    """
    wrapped = Tensors(part.eval())
    with _quiet(), torch.no_grad():
        if way == "torchscript":
            return torch.jit.trace(wrapped, tuple(example), check_trace=False)  # type: ignore[no-untyped-call]
        exported = torch.export.export(wrapped, tuple(example), dynamic_shapes=_dynamic(part, example), strict=False)
    module: nn.Module = exported.module()
    return module


def same_as_exported(part: nn.Module, example: Sequence[Tensor], others: Sequence[Sequence[Tensor]]) -> Measurement:
    """Every declared program gives what the part gives, for batches of other sizes than the example's too."""
    ways = declared(part)
    if not ways:
        raise Skipped("declares no export")
    if wrong := sorted(set(ways) - set(WAYS)):
        raise Broken(f"It declares the unknown export {wrong[0]!r}.", f"Known: {', '.join(WAYS)}.")
    worst = 0.0
    for way in ways:
        made = _made(part, way, example)
        worst = max(worst, *(_compare(part, way, made, inputs) for inputs in [example, *others]))
    return Measurement(worst, f"{worst:.1e} apart, {' and '.join(ways)}")


def _made(part: nn.Module, way: str, example: Sequence[Tensor]) -> nn.Module:
    try:
        return program(part, way, example)
    except Exception as error:  # torch raises many kinds
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        advice = "Let no branch or shape depend on values, or do not declare it; torch.where and masks serve instead."
        raise Broken(f"It declares {way}, which fails: {line[:200]}", advice) from error


def _compare(part: nn.Module, way: str, made: nn.Module, inputs: Sequence[Tensor]) -> float:
    shape = tuple(inputs[0].shape)
    advice = "Compute sizes from the input's shape, and let no step ask which size divides which, as pooling does."
    with torch.no_grad():
        expected = Tensors(part)(*inputs)
        try:
            exported = made(*inputs)
        except Exception as error:
            line = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise Broken(f"Its {way} does not take an input {shape}: {line[:200]}", advice) from error
    worst = max(
        difference(one, other) for one, other in zip(_valid(part, exported), _valid(part, expected), strict=True)
    )
    if worst > TOLERANCE:
        raise Broken(f"Its {way} differs by {worst:.2g} for an input {shape} (limit {TOLERANCE:g}).", advice, worst)
    return worst


def _valid(part: nn.Module, output: Any) -> list[Tensor]:
    """A backbone's valid frames and lengths, or the one output of other parts."""
    if isinstance(part, Backbone):
        states, lengths = output
        frames = Frames(states, lengths, part.spec.frames.hop)
        return [frames.states.transpose(1, 2)[frames.mask], frames.lengths.float()]
    return [output]


def _dynamic(part: nn.Module, example: Sequence[Tensor]) -> tuple[tuple[dict[int, Any], ...]] | tuple[Any, ...]:
    """The number of utterances and of samples or frames may differ from the example's."""
    utterances, time = torch.export.Dim.DYNAMIC, torch.export.Dim.DYNAMIC
    if len(example) == 1:
        return ({0: utterances}, None)[:1]
    return ({0: utterances, 1 if isinstance(part, WaveformModel) else 2: time}, {0: utterances})


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch prints about a program that cannot be exported: the check says it in one sentence."""
    logger = logging.getLogger("torch.fx.experimental.symbolic_shapes")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
