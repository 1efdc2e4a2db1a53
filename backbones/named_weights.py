"""Weights of encoders that are named: published ones, random ones, or those of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxboard import published
from voxboard.backbones.base import RANDOM

if TYPE_CHECKING:
    from torch import Tensor

Weights = dict[str, "Tensor"]
PUBLISHED, NONE = "published", "random"


def weights_of(name: str, word: str) -> Weights:
    """Return the weights that an option `weights` names, empty for random ones.

    Raises `UserError` where published ones are not on this machine, or a file holds none.
    """
    if word == NONE:
        return {}
    if word == PUBLISHED:
        return published.weights(name)
    from voxboard.reference_weights import read_weights

    return read_weights(Path(word).expanduser())


def origin(name: str, word: str, source: str = "") -> dict[str, Any]:
    """Return what a spec says of these weights: kind, licence, corpora, and `source` unless they are published."""
    if word == PUBLISHED:
        entry = published.entry(name)
        described = {"weights_licence": entry.licence, "trained_on": entry.seen}
        return {"weights": "pretrained", "source": entry.original or entry.source.where, **described}
    if word == NONE:
        return {"weights": "random", "weights_licence": RANDOM, "source": source}
    return {"weights": "unknown", "source": Path(word).name}
