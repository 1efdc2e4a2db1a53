"""voxboard answers one question: which voice encoder is better, for what, and how sure are we?

>>> import voxboard as vb
>>> encoder = vb.load("fbank+statistics")
>>> record = vb.evaluate(encoder, "Voices")

The public names load their module on first use, so that `import voxboard` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from voxboard.version import __version__ as __version__

if TYPE_CHECKING:
    from voxboard import backbones as backbones
    from voxboard import benchmarks as benchmarks
    from voxboard import boards as boards
    from voxboard import heads as heads
    from voxboard import metrics as metrics
    from voxboard import plots as plots
    from voxboard import poolers as poolers
    from voxboard import published as published
    from voxboard import records as records
    from voxboard import trials as trials
    from voxboard.api import board as board
    from voxboard.api import compare as compare
    from voxboard.api import embed as embed
    from voxboard.api import evaluate as evaluate
    from voxboard.api import load as load
    from voxboard.api import score as score
    from voxboard.api import train as train

_FUNCTIONS = frozenset({"board", "compare", "embed", "evaluate", "load", "score", "train"})
_MODULES = frozenset(
    {"backbones", "benchmarks", "boards", "heads", "metrics", "plots", "poolers", "published", "records", "trials"}
)


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(importlib.import_module("voxboard.api"), name)
    if name in _MODULES:
        return importlib.import_module(f"voxboard.{name}")
    raise AttributeError(f"module 'voxboard' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({"__version__", *_FUNCTIONS, *_MODULES})
