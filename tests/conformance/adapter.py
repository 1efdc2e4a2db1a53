"""Our functions under the names and arguments that ../shared/metric-cases/check.py calls.

PYTHONPATH=. python ../shared/metric-cases/check.py tests.conformance.adapter
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from voxboard.backbones.features import KaldiFbank
from voxboard.metrics import classification, detection, diarization, normalizers, regression, text
from voxboard.scoring import normalization, rows


def eer(pos: np.ndarray, neg: np.ndarray, method: detection.Method) -> float:
    return detection.eer(*_trials(pos, neg), method=method)[0]


def min_dcf(pos: np.ndarray, neg: np.ndarray, p_target: float, c_miss: float, c_fa: float, normalise: bool) -> float:
    return detection.min_dcf(*_trials(pos, neg), p_target, c_miss, c_fa, normalise)[0]


def _trials(pos: np.ndarray, neg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([pos, neg]), np.repeat([1, 0], [len(pos), len(neg)])


def accuracy(truth: np.ndarray, pred: np.ndarray) -> float:
    return classification.accuracy(truth, pred)


def f1_macro(truth: np.ndarray, pred: np.ndarray) -> float:
    return classification.macro_f1(truth, pred)


def rmse(truth: np.ndarray, pred: np.ndarray) -> float:
    return regression.rmse(truth, pred)


def mae(truth: np.ndarray, pred: np.ndarray) -> float:
    return regression.mae(truth, pred)


def as_norm(
    emb: np.ndarray, cohort: np.ndarray, enrol: np.ndarray, test: np.ndarray, top_k: int, std: normalization.Std
) -> np.ndarray:
    ours, others = rows.unit(emb), rows.unit(cohort)
    scores = np.einsum("ne,ne->n", ours[enrol], ours[test])
    return normalization.as_norm(scores, ours, enrol, test, others, top_k, std)


def der(
    ref: dict[str, list[diarization.Turn]],
    hyp: dict[str, list[diarization.Turn]],
    collar: float,
    skip_overlap: bool,
    uem: dict[str, list[diarization.Region]] | None,
    mapping: diarization.Mapper,
    merge_touching: bool = False,
) -> dict[str, float]:
    found = diarization.score(ref, hyp, collar, skip_overlap, uem, mapping=mapping, merge_touching=merge_touching)
    parts = {"total": found.total, "miss": found.miss, "fa": found.false_alarm, "confusion": found.confusion}
    return {"der": found.der, **parts}


def jer(ref: dict[str, list[diarization.Turn]], hyp: dict[str, list[diarization.Turn]]) -> float:
    return diarization.jer(ref, hyp)


def wer(refs: list[str], hyps: list[str]) -> float:
    return text.wer(refs, hyps)


def cer(refs: list[str], hyps: list[str]) -> float:
    return text.cer(refs, hyps)


def normalise(text: str, kind: str) -> str:
    return normalizers.get({"whisper-english": "whisper-en", "whisper-basic": "basic"}[kind])(text)


def fbank(wave: np.ndarray) -> np.ndarray:
    return KaldiFbank()(torch.from_numpy(wave)[None], torch.tensor([len(wave)]))[0][0].numpy()


def balanced_counts(case: Mapping[str, Any]) -> dict[str, Any]:
    """Counts of a balanced list: in all, per stratum, per speaker pair and per speaker.

    Takes `speakers`: {name: {"gender": "F", …, "utterances": 400}} or a list of such dictionaries that name their `id`;
    `utterances`: how many each speaker has, where the speakers do not say (a number, or {name: number}); `preset`, or
    `targets`, `non_targets` (None targets: as many as non-targets, down to thousands), `strata` and `rule` (ceil or
    exact; ceil unless said). Returns `trials`, `targets`, `non_targets`; `strata`: {"1,0": {"pairs", "per_pair",
    "trials"}} by shared labels; `per_pair`: {"a b": non-targets}; `per_speaker`: {name: {"targets", "non_targets"}}.
    """
    from tests.conformance.balanced import counts

    return counts(case)
