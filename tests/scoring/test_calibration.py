"""Calibrated scores are likelihood ratios, whatever the list's share of targets; the fit is the exact optimum."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from voxboard.errors import UserError
from voxboard.metrics.detection import act_dcf, cllr, eer, min_cllr, min_dcf
from voxboard.scoring import calibration
from voxboard.scoring.calibration import Calibration, fit


def gaussian(targets: int, others: int, seed: int = 0, d: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Natural-log likelihood ratios of two unit Gaussians whose means are `d` apart, and labels."""
    draw = np.random.default_rng(seed)
    labels = np.repeat([1, 0], [targets, others])
    return d * (draw.standard_normal(targets + others) + d * labels - d / 2), labels


def cost(scale: float, offset: float, scores: np.ndarray, labels: np.ndarray, p: float) -> float:
    """The objective as the module's docstring writes it."""
    shifted = scale * scores + offset + np.log(p / (1 - p))
    misses, alarms = np.logaddexp(0, -shifted[labels == 1]), np.logaddexp(0, shifted[labels == 0])
    return float(p * misses.mean() + (1 - p) * alarms.mean())


@given(st.integers(0, 10_000), st.sampled_from([0.01, 0.05, 0.5, 0.9]), st.integers(20, 200), st.integers(20, 200))
@settings(max_examples=15, deadline=None)
def test_no_other_scale_and_offset_cost_less(seed: int, p: float, targets: int, others: int) -> None:
    scores, labels = gaussian(targets, others, seed, d=1.5)
    found = fit(scores, labels, p)
    best = cost(found.scale, found.offset, scores, labels, p)
    simplex = minimize(lambda x: cost(x[0], x[1], scores, labels, p), (1.0, 0.0), method="Nelder-Mead")
    assert best <= simplex.fun + 1e-9
    for step in (1e-3, -1e-3):
        assert best <= cost(found.scale * (1 + step), found.offset, scores, labels, p)
        assert best <= cost(found.scale, found.offset + step, scores, labels, p)


@pytest.mark.parametrize("p", [0.01, 0.5])
@pytest.mark.parametrize("others", [20_000, 200_000])
def test_known_ratios_are_found_again_whatever_the_share_of_targets(p: float, others: int) -> None:
    ratios, labels = gaussian(20_000, others)
    found = fit(0.05 * ratios + 0.3, labels, p)
    assert found.scale == pytest.approx(20, rel=0.06)
    assert found.offset == pytest.approx(-6, rel=0.06)
    assert np.abs(found.apply(0.05 * ratios + 0.3) - ratios).mean() < 0.2


def test_a_copy_of_the_non_targets_changes_nothing() -> None:
    scores, labels = gaussian(50, 400)
    again = np.append(scores, scores[labels == 0]), np.append(labels, labels[labels == 0])
    one, two = fit(scores, labels, 0.05), fit(*again, 0.05)
    assert (one.scale, one.offset) == pytest.approx((two.scale, two.offset), rel=1e-8)


def test_order_is_kept_and_costs_fall_towards_their_least() -> None:
    ratios, labels = gaussian(3000, 30_000)
    fitted, rest = slice(None, None, 2), slice(1, None, 2)
    raw = ratios / 20 + 0.4
    found = fit(raw[fitted], labels[fitted], 0.05).apply(raw[rest])
    assert eer(found, labels[rest])[0] == pytest.approx(eer(raw[rest], labels[rest])[0], abs=1e-12)
    least = min_cllr(raw[rest], labels[rest])
    assert least <= cllr(found, labels[rest]) < least + 0.01 < cllr(raw[rest], labels[rest])
    assert act_dcf(found, labels[rest], 0.05) < 1.05 * min_dcf(raw[rest], labels[rest], 0.05)[0]


def test_float32_scores_far_from_zero_lose_nothing() -> None:
    ratios, labels = gaussian(500, 500)
    near, far = fit(ratios, labels), fit(ratios + 1e6, labels)
    assert far.scale == pytest.approx(near.scale, rel=1e-6)
    single = fit(torch.tensor(ratios, dtype=torch.float32), torch.tensor(labels))
    assert single.scale == pytest.approx(near.scale, rel=1e-5)


@pytest.mark.parametrize("p", [1e-3, 0.5])
@pytest.mark.parametrize("count", [1, 300])
def test_separable_classes_get_a_large_finite_scale(p: float, count: int) -> None:
    scores = np.concatenate([np.linspace(2, 3, count), np.linspace(0, 1, count)])
    found = fit(scores, np.repeat([1, 0], count), p)
    assert 5 < found.scale < 1e4
    assert cllr(found.apply(scores), np.repeat([1, 0], count)) < 1e-5


def test_inverted_scores_get_a_negative_scale_and_constant_ones_none() -> None:
    ratios, labels = gaussian(300, 300)
    assert fit(-ratios, labels).scale == pytest.approx(-fit(ratios, labels).scale)
    nothing = fit(np.full(600, 0.7), labels, 0.01)
    assert (nothing.scale, nothing.offset) == (0.0, 0.0)
    assert nothing.apply([np.inf, -3.0]).tolist() == [0.0, 0.0]


def test_infinite_scores_are_applied_but_not_fitted() -> None:
    assert Calibration(2.0, 1.0).apply([np.inf, -np.inf, 0.5]).tolist() == [np.inf, -np.inf, 2.0]
    with pytest.raises(ValueError, match="trial 1, column 0, is inf"):
        fit([1.0, np.inf, 0.0], [1, 1, 0])


def test_quality_measures_help_where_they_say_what_a_score_is_worth() -> None:
    draw = np.random.default_rng(0)
    ratios, labels = gaussian(4000, 4000)
    measure = draw.uniform(-1, 1, 8000)
    shifted = ratios + 3 * measure  # short utterances score low, targets and non-targets alike
    plain, aware = fit(shifted, labels), fit(shifted, labels, quality=measure)
    assert aware.quality[0] == pytest.approx(-3 * aware.scale, rel=0.05)
    assert cllr(aware.apply(shifted, measure), labels) < cllr(plain.apply(shifted), labels) - 0.1
    with pytest.raises(ValueError, match="2 columns were fitted, 1 are given"):
        aware.apply(shifted)


def test_it_survives_json() -> None:
    scores, labels = gaussian(100, 100)
    found = fit(scores, labels, 0.01, quality=np.random.default_rng(0).random((200, 2)))
    assert Calibration.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    with pytest.raises(UserError, match="ofset"):
        Calibration.from_dict({"scale": 1.0, "ofset": 0.0})


@pytest.mark.parametrize(
    ("scores", "labels", "options", "problem"),
    [
        ([], [], {}, "no scores"),
        ([1.0, 2.0], [1, 1], {}, "no non-target"),
        ([1.0, 2.0, 3.0], [1, 0], {}, "3 scores but 2 labels"),
        ([1.0, np.nan], [1, 0], {}, "nan"),
        ([1.0, 2.0], [1, 0], {"p_target": 1.0}, "between 0 and 1"),
        ([1.0, 2.0], [1, 0], {"quality": [[1.0]]}, "2 scores but 1 rows"),
        ([1.0, 2.0], [1, 2], {}, "labels must be 1"),
    ],
)
def test_wrong_input_is_named(scores: list[float], labels: list[int], options: dict, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        calibration.fit(scores, labels, **options)
