"""Any torch module or callable as an encoder of utterances, as `voxboard.load` takes it in Python."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from voxboard import code_digest
from voxboard.backbones.utterance import UtteranceEncoder, UtteranceSpec, probed_size
from voxboard.errors import UserError

Embedder = Callable[[Tensor, Tensor], Any]


class Wrapped(UtteranceEncoder):
    """A callable (waveforms [B, N], lengths [B]) → embeddings [B, E], batched by equal length.

    `lengths` are left out for one that takes waveforms alone. What it does with padding, and where its weights come
    from, is not known here, and records say so.
    """

    @dataclass(frozen=True)
    class Config:
        target: str = ""
        """Name of the callable: it is made in Python, never from this name."""

    def __init__(self, config: Config, embedder: Embedder | None = None, sample_rate: int = 16_000) -> None:
        super().__init__()
        if embedder is None:
            raise UserError(
                f"{config.target} was an object of a Python program.",
                "Hand it to voxboard.load there, or name a class.",
            )
        self.config = config
        self.embedder = embedder
        self._takes_lengths = takes_two(embedder)
        parameters = sum(weight.numel() for weight in self.parameters())
        self.spec = UtteranceSpec(
            embedding_size=probed_size(_Call(self), sample_rate),
            sample_rate=sample_rate,
            parameters=parameters,
            batching="equal-length",
            code_licence="",
            weights="unknown",
        )

    def embed(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        made = self.embedder(waveforms, lengths) if self._takes_lengths else self.embedder(waveforms)  # type: ignore[call-arg]
        return torch.from_numpy(made).to(waveforms.device) if isinstance(made, np.ndarray) else made

    def preprocessing(self) -> dict[str, Any]:
        return {"target": self.config.target, "code": code_of(self.embedder)}


class _Call(nn.Module):
    """The embedding alone, before its size is known."""

    def __init__(self, wrapped: Wrapped) -> None:
        super().__init__()
        self._embed = wrapped.embed

    def forward(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        made = self._embed(waveforms, lengths)
        if not isinstance(made, Tensor) or made.ndim != 2:
            shape = tuple(made.shape) if isinstance(made, Tensor) else type(made).__name__
            raise UserError(f"It gives {shape} for one utterance.", "Let it give embeddings [B, E].")
        return made


def takes_two(embedder: Embedder) -> bool:
    """Return whether a callable takes lengths beside waveforms."""
    function = embedder.forward if isinstance(embedder, nn.Module) else embedder
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return True
    required = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    return len(required) > 1


def target_of(embedder: Embedder) -> str:
    """Return the dotted name of a callable, or of the class of a module."""
    named: Any = (
        type(embedder) if isinstance(embedder, nn.Module) or not hasattr(embedder, "__qualname__") else embedder
    )
    return f"{named.__module__}.{named.__qualname__}"


def code_of(embedder: Embedder) -> str:
    """Return a digest of the code of a callable: of its file and the helpers below it, or of its own lines.

    Empty where its source is not at hand.
    """
    named: Any = (
        type(embedder) if isinstance(embedder, nn.Module) or not hasattr(embedder, "__qualname__") else embedder
    )
    try:
        file = Path(inspect.getfile(named))
        if file.is_file():
            return code_digest.user_digest(file)
        return hashlib.sha256(inspect.getsource(named).encode()).hexdigest()
    except (OSError, TypeError):
        return ""
