"""What is evaluated: a network, and how it came to its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from voxboard import model, records
from voxboard.benchmarks.base import Fixed
from voxboard.data.corpus import Corpus
from voxboard.model import Network
from voxboard.systems import System


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
    frozen: bool = False
    run: Path | None = None
    skipped: int = 0  # training utterances that could not be read
    cost: Mapping[str, Any] = field(default_factory=dict)

    def forgetful(self) -> Encoder:
        """The encoder without what its own validations fixed."""
        return replace(self, fixed=None)


def untrained(system: System, seed: int, corpus: Corpus) -> Encoder:
    """A system with the weights that it starts from."""
    return Encoder(model.build(system, None, seed), system, seed, home=corpus)
