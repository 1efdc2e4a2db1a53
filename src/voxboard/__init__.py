"""voxboard answers one question: which voice encoder is better, for what, and how sure are we?

>>> import voxboard as vb
>>> encoder = vb.load("fbank+statistics")
>>> record = vb.evaluate(encoder, "Voices")

The public names load their module on first use, so that `import voxboard` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voxboard import backbones, benchmarks, heads, metrics, plots, poolers, records, trials
    from voxboard.api import board, compare, embed, evaluate, load, score, train

__version__ = "0.1.0"

_FUNCTIONS = ("board", "compare", "embed", "evaluate", "load", "score", "train")
_MODULES = ("backbones", "benchmarks", "heads", "metrics", "plots", "poolers", "records", "trials")

__all__ = [*_FUNCTIONS, *_MODULES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(importlib.import_module("voxboard.api"), name)
    if name in _MODULES:
        return importlib.import_module(f"voxboard.{name}")
    raise AttributeError(f"module 'voxboard' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
