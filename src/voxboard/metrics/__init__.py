"""Metrics: exact, each with one documented definition, and intervals beside them.

    detection        EER, minDCF, actual DCF, Cllr, DET curve, FAR and FRR at a threshold
    bootstrap        95 % intervals by resampling speakers
    classification   accuracy, balanced accuracy, macro F1
    regression       RMSE, MAE, Pearson's r, concordance
    reference        EER and minDCF as UniPool-SV, SpeechBrain and Double-MHA compute them

A module is imported when its name is first used.
"""

from __future__ import annotations

import importlib
from types import ModuleType

_MODULES = ("bootstrap", "classification", "detection", "reference", "regression")


def __getattr__(name: str) -> ModuleType:
    if name in _MODULES:
        return importlib.import_module(f"voxboard.metrics.{name}")
    raise AttributeError(f"module 'voxboard.metrics' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
