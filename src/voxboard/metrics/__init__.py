"""Metrics: exact, each with one documented definition, and intervals beside them.

    detection        EER, minDCF, actual DCF, Cllr, DET curve, FAR and FRR at a threshold
    curves           DET, histograms and Bayes error rates, thinned for records and pictures
    bootstrap        95 % intervals by resampling speakers, differences between systems
    exact            bounds of a rate after few errors or none, the sign-flip test
    subgroups        detection metrics per group of trials, worst minus best
    classification   accuracy, balanced accuracy, macro F1
    regression       RMSE, MAE, Pearson's r, concordance
    text             WER and CER of a corpus, split by utterance and kind of error
    normalizers      named, versioned text normalizers
    retrieval        recall and mean average precision among the k most similar items
    diarization      DER with its components, JER, per file and over a corpus
    rttm             who spoke when and what of it is scored, as RTTM and UEM files
    reference        EER and minDCF as UniPool-SV, SpeechBrain and Double-MHA compute them

A module is imported when its name is first used.
"""

from __future__ import annotations

import importlib
from types import ModuleType

_MODULES = (
    "bootstrap",
    "classification",
    "curves",
    "detection",
    "diarization",
    "exact",
    "normalizers",
    "reference",
    "regression",
    "retrieval",
    "rttm",
    "subgroups",
    "text",
)


def __getattr__(name: str) -> ModuleType:
    if name in _MODULES:
        return importlib.import_module(f"voxboard.metrics.{name}")
    raise AttributeError(f"module 'voxboard.metrics' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
