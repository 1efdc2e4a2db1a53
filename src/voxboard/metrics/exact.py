"""Exact statements about few errors and few speakers: bounds of a rate, and the sign-flip test."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

ENUMERATED = 40  # differences up to which all 2^K signs are counted, each half of them by itself
DRAWN = 100_000  # signs that are drawn where there are more


def clopper_pearson(errors: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact two-sided interval (low, high) of a rate after `errors` in independent `trials`.

    Clopper and Pearson (1934, "The use of confidence or fiducial limits illustrated in the case of the binomial").
    Raises `ValueError` for counts that do not fit.
    """
    return _binomial(errors, trials, confidence, "exact")


def wilson(errors: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the score interval (low, high) of a rate, without correction for continuity.

    Wilson (1927, "Probable inference, the law of succession, and statistical inference"). Raises as `clopper_pearson`.
    """
    return _binomial(errors, trials, confidence, "wilson")


def _binomial(errors: int, trials: int, confidence: float, method: str) -> tuple[float, float]:
    from scipy.stats import binomtest

    _check_level(confidence)
    if not 0 <= errors <= trials or trials < 1:
        raise ValueError(f"{errors} errors in {trials} trials")
    interval = binomtest(errors, trials).proportion_ci(confidence, method)
    return float(interval.low), float(interval.high)


def zero_error_bound(trials: float, confidence: float = 0.95) -> float:
    """Return the one-sided upper bound 1 − (1 − confidence)^(1/trials) of a rate when no trial was an error.

    `trials` are as many as are independent: utterances at best, speakers where those of one rise and fall together,
    the fractional matching number where each has two (see `bounds`). Hanley and Lippman-Hand (1983, "If nothing goes
    wrong, is everything all right?") round it to 3/trials. Raises `ValueError` without trials.
    """
    _check_level(confidence)
    if not trials > 0:
        raise ValueError(f"a bound needs trials, got {trials}")
    return float(-np.expm1(np.log1p(-confidence) / trials))


def sign_flip(differences: ArrayLike) -> float:
    """Return the exact two-sided p of "each difference is symmetric about zero": the sign-flip test over speakers.

    `differences` [K] are those of one speaker each. p is the share of the 2^K choices of signs whose sum is as far from
    zero as the observed one (Fisher 1935, "The design of experiments", section 21); a difference of zero has no sign.
    Above 40 differences signs are drawn, and p = (b + 1) / (B + 1). Raises `ValueError` for values that are not finite.
    """
    values = np.asarray(differences, np.float64).ravel()
    if not np.isfinite(values).all():
        raise ValueError("differences must be finite")
    values = values[values != 0]
    limit = abs(values.sum()) - 1e-12 * np.abs(values).sum()  # ties count, rounding does not undo them
    if limit <= 0:
        return 1.0
    if values.size > ENUMERATED:
        signs = np.random.default_rng(0).integers(0, 2, (DRAWN, values.size), np.int8) * 2 - 1
        return float((1 + np.count_nonzero(np.abs(signs @ values) >= limit)) / (1 + DRAWN))
    half = values.size // 2
    left, right = _signed_sums(values[:half]), np.sort(_signed_sums(values[half:]))
    above = right.size - np.searchsorted(right, limit - left, side="left")
    below = np.searchsorted(right, -limit - left, side="right")
    return float((above.sum() + below.sum()) / 2.0**values.size)


def _signed_sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sums [2^K] under all choices of signs."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def smallest_p(clusters: int) -> float:
    """Return the smallest two-sided p that a sign-flip test over so many speakers can reach: 2^(1 − K)."""
    if clusters < 1:
        raise ValueError(f"a test needs clusters, got {clusters}")
    return 2.0 ** (1 - clusters)


def _check_level(confidence: float) -> None:
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
