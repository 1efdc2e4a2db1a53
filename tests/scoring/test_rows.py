"""Rows are normalised as the network's are, and what is no matrix or no row number is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from voxboard.model import normalize
from voxboard.scoring import rows


@pytest.mark.parametrize("heads", [1, 3])
def test_rows_are_normalised_as_the_network_does_it(heads: int) -> None:
    given = np.random.default_rng(0).standard_normal((5, 12), dtype=np.float32)
    given[2] = 0.0
    np.testing.assert_allclose(rows.unit(given, heads), normalize(torch.from_numpy(given), heads), atol=1e-7)
    with pytest.raises(ValueError, match="5 equal pieces"):
        rows.unit(given, 5)


def test_float_types_are_kept_and_tensors_taken() -> None:
    assert rows.matrix(np.ones((2, 3), np.float32), "rows").dtype == np.float32
    assert rows.matrix(torch.ones(2, 3, dtype=torch.bfloat16), "rows").dtype == np.float32
    assert rows.matrix([[1, 2]], "rows").dtype == np.float64
    with pytest.raises(ValueError, match="must be a matrix"):
        rows.matrix(np.ones(3), "rows")


def test_the_first_row_that_is_not_finite_is_named() -> None:
    given = np.zeros((4, 2))
    given[2] = np.inf, -np.inf
    with pytest.raises(ValueError, match="1 of 4 rows of these are not finite, the first is row 2"):
        rows.finite(given, "these")
    huge = np.full((1, 2), 1e308)  # the sum overflows, the row does not
    assert rows.finite(huge, "these") is huge


def test_row_numbers_are_checked() -> None:
    assert rows.places([], 0, "enrol").dtype == np.intp
    with pytest.raises(ValueError, match="2 enrol but 1 test"):
        rows.sides([0, 1], [0], 2)
    with pytest.raises(ValueError, match="must lie in 0 … 1, got 0 … 2"):
        rows.places([0, 2], 2, "enrol")
    with pytest.raises(ValueError, match="row numbers"):
        rows.places([0.0], 2, "enrol")
