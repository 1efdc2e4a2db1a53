"""Our functions under the names and arguments that ../shared/metric-cases/check.py calls.

PYTHONPATH=. python ../shared/metric-cases/check.py tests.conformance.adapter
"""

from __future__ import annotations

import numpy as np

from voxboard.metrics import classification, detection, regression


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
