"""voxboard answers one question: which voice encoder is better, for what, and how sure are we?

The public names load their module on first use, so that `import voxboard` costs nothing.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__version__ = "0.1.0"

_PUBLIC = ("backbones", "benchmarks", "board", "heads", "metrics", "poolers", "records", "trials")


def __getattr__(name: str) -> ModuleType:
    if name in _PUBLIC:
        return importlib.import_module(f"voxboard.{name}")
    raise AttributeError(f"module 'voxboard' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
