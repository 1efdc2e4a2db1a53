"""Regression metrics by hand, their invariances, and inputs that must be refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from voxboard.metrics.regression import ccc, mae, pearson, rmse

VALUES = st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=2, max_size=30)


@given(VALUES)
def test_errors_and_correlations_keep_their_order(pairs: list[tuple[int, int]]) -> None:
    truth, predictions = np.array(pairs, float).T
    assert rmse(truth, predictions) >= mae(truth, predictions) - 1e-12
    assume(np.ptp(truth) > 0 and np.ptp(predictions) > 0)
    correlation = pearson(truth, predictions)
    assert correlation == pytest.approx(np.corrcoef(truth, predictions)[0, 1], abs=1e-12)
    assert pearson(truth, 3 * predictions - 7) == pytest.approx(correlation, abs=1e-9)
    assert abs(ccc(truth, predictions)) <= abs(correlation) + 1e-12  # scale and offset only cost
    assert ccc(truth, truth) == pytest.approx(1.0)


def test_values_by_hand() -> None:
    assert rmse([20, 30, 41], [22, 27, 41]) == pytest.approx((13 / 3) ** 0.5)
    assert mae([20, 30, 41], [22, 27, 41]) == pytest.approx(5 / 3)
    # variances 2/3 and 2/3, covariance 2/3, offset 1
    assert ccc([1, 2, 3], [2, 3, 4]) == pytest.approx((4 / 3) / (4 / 3 + 1))


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="2 true values but 1 predictions"):
        rmse([1, 2], [1])
    with pytest.raises(ValueError, match="no predictions"):
        mae([], [])
    with pytest.raises(ValueError, match="predictions holds 1 values that are NaN or infinite"):
        mae([1, 2], [np.inf, 2])
    with pytest.raises(ValueError, match="truth is constant"):
        pearson([1, 1], [1, 2])
    with pytest.raises(ValueError, match="predictions is constant"):
        ccc([1, 2], [3, 3])
