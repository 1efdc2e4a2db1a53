"""Layered frames, which backbones return and poolers take, and their sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Frames:
    """The frames of a batch.

    `states` [B, L, T, D] float, `lengths` [B] valid frames per utterance (int64), `hop` seconds per frame.
    Frames past an utterance's length are padding: their values mean nothing.
    """

    states: Tensor
    lengths: Tensor
    hop: float

    @property
    def mask(self) -> Tensor:
        """[B, T] bool, true on valid frames."""
        return valid(self.lengths.to(self.states.device), self.states.shape[2])

    def layers(self, keep: slice) -> Frames:
        """The same frames with some of the layers only."""
        return replace(self, states=self.states[:, keep])

    def flat(self) -> Tensor:
        """[B, T, L·D]: the layers side by side, which for L = 1 is the layer itself."""
        batch, layers, steps, size = self.states.shape
        return self.states.permute(0, 2, 1, 3).reshape(batch, steps, layers * size)


@dataclass(frozen=True)
class FramesSpec:
    """The sizes that a pooler needs to know: `layers` L, `size` D, `hop` seconds per frame.

    `input_layer` tells whether layer 0 is the input embedding of a transformer (which UniPool leaves out).
    `hop` is infinite where one frame stands for the whole utterance: the backbone pools by itself.
    `native` names the registered pooler that the backbone was published with, and its options.
    """

    layers: int
    size: int
    hop: float = 0.02
    input_layer: bool = False
    native: tuple[str, Mapping[str, Any]] | None = field(default=None, hash=False)

    @staticmethod
    def of(sizes: FramesSpec | tuple[int, int]) -> FramesSpec:
        """Accept a spec or a plain `(layers, size)`."""
        return sizes if isinstance(sizes, FramesSpec) else FramesSpec(*sizes)


def valid(lengths: Tensor, steps: int) -> Tensor:
    """`lengths` [B] → [B, steps] bool, true on the first `length` steps of each row."""
    return torch.arange(steps, device=lengths.device)[None, :] < lengths[:, None]
