"""Classification metrics by hand, against scikit-learn, and on inputs that must be refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from voxboard.metrics.classification import accuracy, balanced_accuracy, macro_f1

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), min_size=1, max_size=50)


@given(PAIRS)
def test_equal_to_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, predictions = zip(*pairs, strict=True)
    assert accuracy(truth, predictions) == pytest.approx(metrics.accuracy_score(truth, predictions))
    recall = [np.mean([p == c for t, p in pairs if t == c]) for c in set(truth)]
    assert balanced_accuracy(truth, predictions) == pytest.approx(np.mean(recall))
    expected = metrics.f1_score(truth, predictions, average="macro", zero_division=0.0)
    assert macro_f1(truth, predictions) == pytest.approx(expected)


def test_names_are_classes_too() -> None:
    truth, predictions = ["a", "a", "b"], ["a", "b", "b"]
    assert (accuracy(truth, predictions), balanced_accuracy(truth, predictions)) == (2 / 3, 0.75)
    assert macro_f1(truth, predictions) == pytest.approx(2 / 3)


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="one length"):
        accuracy([1, 2], [1])
    with pytest.raises(ValueError, match="no predictions"):
        macro_f1([], [])
    with pytest.raises(ValueError, match="truth holds 1 NaN"):
        balanced_accuracy([1.0, np.nan], [1.0, 2.0])
