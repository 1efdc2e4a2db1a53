"""Student's distribution in plain Python gives what scipy gives."""

from __future__ import annotations

import pytest
from scipy.special import stdtr, stdtrit

from voxboard.metrics.student_t import quantile, two_sided

DEGREES = (1, 2, 3, 7, 23, 39, 500, 9_999, 1_000_000)


@pytest.mark.parametrize("degrees", DEGREES)
def test_tails_are_those_of_scipy(degrees: int) -> None:
    for t in (1e-8, 0.001, 0.5, 1, 2, 3, 5, 10, 40):
        assert two_sided(t, degrees) == pytest.approx(2 * stdtr(degrees, -t), rel=1e-8, abs=1e-280)


@pytest.mark.parametrize("degrees", DEGREES)
def test_quantiles_are_those_of_scipy(degrees: int) -> None:
    for level in (0.5, 0.9, 0.95, 0.99):
        assert quantile(level, degrees) == pytest.approx(stdtrit(degrees, (1 + level) / 2), rel=1e-8)


def test_the_ends_are_exact() -> None:
    assert two_sided(0.0, 23) == 1.0
    assert two_sided(float("inf"), 23) == 0.0
    assert two_sided(1e200, 1) == 0.0
