"""Cllr and actual costs: the same numbers as `detection` gives, and resampled as if every trial were repeated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.metrics.test_bootstrap import trials
from voxboard.metrics import bootstrap, detection, subgroups
from voxboard.metrics.clusters import Clusters
from voxboard.metrics.trial_estimates import TrialEstimates


def _named(scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    return {
        "cllr": detection.cllr(scores, labels),
        "act_dcf_0.01": detection.act_dcf(scores, labels, 0.01),
        "act_dcf_0.3": detection.act_dcf(scores, labels, 0.3),
    }


@given(st.integers(0, 10**6), st.integers(40, 300), st.integers(3, 20))
def test_resamples_equal_repeating_every_trial(seed: int, size: int, speakers: int) -> None:
    scores, labels, first, second = trials(seed, size, speakers, 3)
    clusters = Clusters.of(size, first, second)
    estimates = TrialEstimates(scores, labels == 1, clusters, [0.01, 0.3], None, scores).estimates(5)
    columns = [column for counts in clusters.draws(5) for column in counts.T]
    for name, value in _named(scores, labels).items():
        assert estimates[name].value == pytest.approx(value, rel=1e-12)
        for column, resampled in zip(columns, estimates[name].resampled, strict=True):
            rows = np.repeat(np.arange(size), clusters.weights(column))
            if len(set(labels[rows])) == 2:
                assert resampled == pytest.approx(_named(scores[rows], labels[rows])[name], rel=1e-9)
            else:
                assert np.isnan(resampled)


def test_influence_is_how_the_metric_moves_when_a_speaker_is_left_out() -> None:
    scores, labels, first, second = trials(3, 20_000, 60)
    clusters = Clusters.of(scores.size, first, second)
    estimate = TrialEstimates(scores, labels == 1, clusters, [0.01], None, scores).estimates(3)["cllr"]
    assert estimate.influence is not None
    moves = estimate.influence.pairs + estimate.influence.pairs.T
    moved = moves.sum(axis=0) - estimate.influence.pairs.diagonal()
    rest = [(first != speaker) & (second != speaker) for speaker in range(60)]
    truth = [estimate.value - detection.cllr(scores[kept], labels[kept]) for kept in rest]
    assert np.corrcoef(moved, truth)[0, 1] > 0.999  # leaving out is no small step: it moves a little further
    assert 0.9 < np.linalg.norm(moved) / np.linalg.norm(truth) < 1.0


def test_calibrated_scores_join_in_intervals_and_gaps() -> None:
    scores, labels, first, second = trials(1, 4000, 30)
    found = bootstrap.detection(scores, labels, first, second, calibrated=scores, replicates=100)
    assert list(found) == ["eer", "min_dcf_0.01", "min_dcf_0.05", "cllr", "act_dcf_0.01", "act_dcf_0.05"]
    assert found["cllr"].low < found["cllr"].value < found["cllr"].high
    halves = {str(part): first % 2 == part for part in (0, 1)}
    groups = subgroups.detection(scores, labels, first, second, halves, calibrated=scores, replicates=20)
    chosen = halves["0"]
    assert groups.groups["0"].values["cllr"].value == pytest.approx(detection.cllr(scores[chosen], labels[chosen]))
    assert groups.gaps["cllr"].value.value > 0


def test_a_certainty_has_no_finite_cost() -> None:
    scores, labels, first, second = trials(1, 100, 5)
    with pytest.raises(ValueError, match="1 calibrated scores are not finite"):
        bootstrap.detection(scores, labels, first, second, calibrated=np.where(np.arange(100) == 7, np.inf, scores))
