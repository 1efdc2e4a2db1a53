"""Student's t distribution in plain Python: the bytes of a board depend on no numerical library."""

from __future__ import annotations

import math
from functools import cache

_TINY = 1e-300
_TERMS = 100_000


def two_sided(t: float, degrees: float) -> float:
    """The probability that |T| is t (not negative) or more, for `degrees` (above zero) of freedom.

    It is the regularised incomplete beta function of degrees / (degrees + t²) (Abramowitz and Stegun 1964, 26.7.1),
    by its continued fraction (26.5.8).
    """
    if t > 1e150:  # its square has no float
        return 0.0
    a, b = degrees / 2, 0.5
    odds = t * t / degrees
    if odds == 0:
        return 1.0
    x = 1 / (1 + odds)
    weight = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) - a * math.log1p(odds)
    front = math.exp(weight + b * (math.log(odds) - math.log1p(odds)))
    # Each form of the fraction converges fast on its side of the mean.
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, odds / (1 + odds)) / b


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function, by Lentz's method."""
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    result = d
    for m in range(1, _TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        step = 1.0
        for term in (even, odd):
            d, c = 1 / _away(1 + term * d), _away(1 + term / c)
            step = c * d
            result *= step
        if abs(step - 1) < 1e-15:
            break
    return result


def _away(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


@cache
def quantile(level: float, degrees: float) -> float:
    """The t that |T| stays below with probability `level`."""
    low, high = 0.0, 1.0
    while two_sided(high, degrees) > 1 - level and high < 1e150:
        low, high = high, 2 * high
    while (middle := (low + high) / 2) not in (low, high):
        if two_sided(middle, degrees) > 1 - level:
            low = middle
        else:
            high = middle
    return high
