"""Encoders: networks, and how they came to their weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from voxboard import model, records
from voxboard.backbones.utterance import Whole
from voxboard.backbones.wrapped import Wrapped, code_of, target_of
from voxboard.benchmarks.base import Fixed
from voxboard.data.corpus import Corpus
from voxboard.data.scan import cuts_of
from voxboard.embedding.embed import embed
from voxboard.errors import UserError
from voxboard.files import existing
from voxboard.model import Network
from voxboard.parts import Part
from voxboard.systems import DEFAULT_HEAD, System


@dataclass(frozen=True)
class Encoder:
    """A network, and how it came to its weights."""

    network: Network
    system: System
    seed: int
    fixed: Fixed | None = None  # by validation
    home: Corpus | None = None  # whose training split scoring may learn from
    learned: Any = None  # from that split
    training: records.Training | None = None
    training_code: str = ""  # digest of the code that trained it, as its run keeps it
    user_code: str = ""  # digest of the code of an object that Python handed over
    frozen: bool = False
    run: Path | None = None
    skipped: int = 0  # training utterances that could not be read
    cost: Mapping[str, Any] = field(default_factory=dict)

    def embed(self, audio: Sequence[str | Path], *, max_seconds: float = 120.0, progress: bool = False) -> np.ndarray:
        """Embed audio files: [U, E] float32, rows of unit length, in the order of the files.

        A longer file than `max_seconds` is embedded in equal pieces, whose embeddings are averaged. Raises `UserError`
        for a file that is not there, `BadAudio` for one that cannot be read.
        """
        cuts = cuts_of([existing(Path(file)) for file in audio])
        heads = self.network.score_heads
        return embed(self.network.encoder, cuts, heads=heads, max_seconds=max_seconds, show_progress=progress).matrix

    def __repr__(self) -> str:
        return f"Encoder({self.system.spec if self.network.head else self.system.name!r}, seed={self.seed})"

    @property
    def foreign(self) -> bool:
        """True if it is an object that a Python program handed over."""
        return isinstance(self.network.encoder.backbone, Wrapped)

    def forgetful(self) -> Encoder:
        """The encoder without what its own validations fixed."""
        return replace(self, fixed=None)


def wrapped(embedder: Any, name: str = "", sample_rate: int = 16_000) -> Encoder:
    """A torch module or callable (waveforms [B, N], lengths [B]) → embeddings [B, E] as an encoder.

    Raises `UserError` for what is no callable, or gives something else.
    """
    if not callable(embedder):
        raise UserError(f"A {type(embedder).__name__} is no encoder.", "Hand over a name, a module or a callable.")
    target = target_of(embedder)
    backbone = Wrapped(Wrapped.Config(target), embedder, sample_rate)
    network = Network(model.EncoderModule(backbone, Whole(backbone.spec.embedding_size)), None)
    part = Part(f"python:{target}")
    system = System(name or target.rpartition(".")[2], part, Part("native"), Part(DEFAULT_HEAD), head_given=False)
    return Encoder(network, system, 0, user_code=code_of(embedder))


def untrained(system: System, seed: int) -> Encoder:
    """A system with the weights that it starts from."""
    return Encoder(model.build(system, None, seed), system, seed)
