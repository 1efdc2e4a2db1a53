"""The ancestors' numbers: rows of the parity fixture's columns, and agreement with our own definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from voxboard.metrics import detection, reference

SCORES = st.lists(st.floats(-1, 1).map(lambda score: round(score, 2)), min_size=2, max_size=40)


@given(SCORES)
def test_the_nearest_method_is_the_ancestors_up_to_their_rounding(scores: list[float]) -> None:
    labels = np.arange(len(scores)) % 2
    far, frr, _ = (values[1:] for values in detection.det_curve(scores, labels))
    # float32 decides between points where |FAR − FRR| is equally small.
    smallest = np.abs(far - frr) <= np.abs(far - frr).min() + 1e-6
    equally_near = ((far + frr) / 2)[smallest]
    for value in (detection.eer(scores, labels, "nearest")[0], reference.unipool_eer(scores, labels)[0]):
        assert np.abs(equally_near - value).min() < 1e-6
    # They never accept everything, which only pays when targets are the rule.
    assert detection.min_dcf(scores, labels, normalized=False)[0] == pytest.approx(
        reference.unipool_min_dcf(scores, labels)[0], abs=1e-6
    )


def test_a_score_at_the_threshold_is_rejected() -> None:
    assert reference.unipool_far_frr([0.5, 0.5], [1, 0], 0.5) == (0.0, 1.0)
    assert detection.far_frr([0.5, 0.5], [1, 0], 0.5) == (1.0, 0.0)


def test_the_grid_charges_separated_scores() -> None:
    scores = np.array([0.399, 0.395, 0.4, 0.41])
    labels = np.array([0, 0, 1, 1])
    assert detection.eer(scores, labels)[0] == 0.0
    assert reference.double_mha_eer(scores, labels) == pytest.approx(50.0)


def test_without_a_grid_threshold_below_the_crossing_there_is_no_value() -> None:
    assert np.isnan(reference.double_mha_eer([-3.0, -2.0], [1, 0]))


@given(SCORES)
def test_ge2es_cutoff_is_the_one_of_scikit_learns_roc(scores: list[float]) -> None:
    labels = np.arange(len(scores)) % 2
    fpr, tpr, thresholds = roc_curve(labels, scores)
    value, cutoff = reference.ge2e_eer(scores, labels)
    assert cutoff == thresholds[np.abs(tpr - (1 - fpr)).argmin()]
    # The ROC passes 1 − FPR = TPR at the EER; where it is vertical there, anywhere between its ends.
    assert np.interp(value - 1e-9, fpr, tpr) - 1e-6 <= 1 - value <= np.interp(value + 1e-9, fpr, tpr) + 1e-6
