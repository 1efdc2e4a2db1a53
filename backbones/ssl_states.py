"""The hidden states of transformers' encoders: what every layer returns, collected while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class States:
    """The input of the first layer at place 0 and the output of layer n at place n + 1, [B, T, D] each.

    Without gradient every state goes at once to its place in the result, so that none is in memory twice.
    """

    def __init__(self, layers: int, steps: int | None) -> None:
        """Only the first `steps` frames of each state are kept, None for all."""
        self.layers, self.steps = layers, steps
        self.seen: dict[int, Tensor] = {}
        self._whole: Tensor | None = None

    def keep(self, place: int, state: Tensor) -> None:
        """Take a state."""
        state = state[:, : self.steps]
        if not torch.is_grad_enabled() and not torch.is_autocast_enabled(state.device.type):
            if self._whole is None:
                batch, steps, size = state.shape
                self._whole = state.new_empty(batch, self.layers + 1, steps, size)
            self._whole[:, place] = state
            state = self._whole[:, place]
        self.seen[place] = state

    def stacked(self, last: Tensor, final: bool) -> Tensor:
        """[B, layers + 1, T, D]; a layer that LayerDrop leaves out passes its input on.

        `last` [B, T, D] is what the encoder returns: the last state where it is `final`, the first where no layer ran.
        """
        if 0 not in self.seen:
            self.keep(0, last)
        if final:
            self.keep(self.layers, last)
        for place in range(1, self.layers + 1):
            if place not in self.seen:
                self.keep(place, self.seen[place - 1])
        return self._whole if self._whole is not None else torch.stack([self.seen[n] for n in sorted(self.seen)], 1)


@contextmanager
def recorded(layers: nn.ModuleList, steps: int | None = None) -> Iterator[States]:
    """Collect what the first layer receives and what every layer returns, of so many steps."""
    states = States(len(layers), steps)
    with ExitStack() as hooks:
        for index, layer in enumerate(layers):

            def keep(_: nn.Module, inputs: Any, output: Any, index: int = index) -> None:
                if 0 not in states.seen:
                    states.keep(0, inputs[0])
                states.keep(index + 1, output[0] if isinstance(output, tuple) else output)

            hooks.callback(layer.register_forward_hook(keep).remove)
        yield states
