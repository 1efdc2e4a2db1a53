"""Quality measures of utterances and of trials are what they are called."""

from __future__ import annotations

import numpy as np
import pytest

from voxboard.scoring import quality
from voxboard.scoring.rows import unit

ENROL, TEST = np.array([0, 1, 2]), np.array([1, 1, 0])


def test_measures_of_utterances() -> None:
    draw = np.random.default_rng(0)
    rows, cohort = draw.standard_normal((3, 8)), unit(draw.standard_normal((30, 8)))
    assert quality.log_duration([1.0, np.e, 10.0]).tolist() == pytest.approx([0.0, 1.0, np.log(10)])
    np.testing.assert_allclose(quality.magnitude(rows.astype(np.float32)), np.linalg.norm(rows, axis=1), rtol=1e-6)
    top = np.sort(unit(rows) @ cohort.T, axis=1)[:, -7:]
    np.testing.assert_allclose(quality.cohort_mean(unit(rows), cohort, top_k=7), top.mean(axis=1), atol=1e-12)


def test_measures_of_trials() -> None:
    columns = quality.per_trial([[1.0, 3.0, 5.0], [0.0, 1.0, 8.0]], ENROL, TEST, ("min", "max", "mean", "difference"))
    assert columns.tolist() == [[1, 3, 2, 2, 0, 1, 0.5, 1], [3, 3, 3, 0, 1, 1, 1, 0], [1, 5, 3, 4, 0, 8, 4, 8]]


def test_the_sides_of_a_trial_have_no_order() -> None:
    measure, ways = [1.0, 3.0, 5.0], ("min", "max", "mean", "difference")
    np.testing.assert_array_equal(
        quality.per_trial([measure], ENROL, TEST, ways), quality.per_trial([measure], TEST, ENROL, ways)
    )


def test_wrong_input_is_named() -> None:
    with pytest.raises(ValueError, match="positive, got 0.0"):
        quality.log_duration([1.0, 0.0])
    with pytest.raises(ValueError, match="from before normalisation"):
        quality.magnitude(unit(np.random.default_rng(0).standard_normal((5, 4))))
    with pytest.raises(ValueError, match="min, max, mean, difference"):
        quality.per_trial([[1.0]], [0], [0], ("sum",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not finite"):
        quality.per_trial([[1.0, np.nan]], [0], [1])
    with pytest.raises(ValueError, match="must lie in 0 … 1"):
        quality.per_trial([[1.0, 2.0]], [0], [2])
