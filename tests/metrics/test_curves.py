"""The few points that a picture keeps give the numbers, and the line, of all of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from tests.metrics.test_detection import SIDES, Sides, trials
from voxboard.metrics import detection
from voxboard.metrics.curves import LOG_ODDS, bayes_error, curves, det_points, histograms
from voxboard.records import Curves

FAR, FRR = tuple[float, ...], tuple[float, ...]


def simulated(size: int, seed: int = 0, distance: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Normal scores of two classes, one target to three non-targets."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(size) % 4 == 0).astype(int)
    return rng.normal(distance * labels, 1.0).astype(np.float32), labels


def crossing(far: FAR, frr: FRR) -> float:
    """The EER of a polyline, by ascending FAR."""
    for (far_0, frr_0), (far_1, frr_1) in itertools.pairwise(zip(far, frr, strict=True)):
        if far_1 >= frr_1:
            share = (frr_0 - far_0) / ((frr_0 - far_0) + (far_1 - frr_1))
            return far_0 + share * (far_1 - far_0)
    raise AssertionError


def lowest_cost(far: FAR, frr: FRR, prior: float) -> float:
    costs = (prior * miss + (1 - prior) * alarm for alarm, miss in zip(far, frr, strict=True))
    return min(costs) / min(prior, 1 - prior)


def farthest_off(far: FAR, frr: FRR, scores: np.ndarray, labels: np.ndarray) -> float:
    """How far, in probits, any operating point with errors of both kinds lies from the polyline."""
    exact = detection.det_curve(scores, labels)
    shown = (exact.far > 0) & (exact.frr > 0) & (exact.far < 1) & (exact.frr < 1)
    points = np.stack([ndtri(exact.far[shown]), ndtri(exact.frr[shown])], axis=1)
    positive, negative = int(labels.sum()), int((labels == 0).sum())
    limits = [(np.array(side), 0.5 / size) for side, size in ((far, negative), (frr, positive))]
    line = np.stack([ndtri(np.clip(side, half, 1 - half)) for side, half in limits], axis=1)
    start, chord = line[:-1], np.diff(line, axis=0)
    squared = (chord**2).sum(axis=1)
    worst = 0.0
    for point in points[:: max(1, len(points) // 2000)]:
        share = np.clip(((point - start) * chord).sum(axis=1) / np.maximum(squared, 1e-30), 0, 1)
        worst = max(worst, float(np.hypot(*(start + share[:, None] * chord - point).T).min()))
    return worst


@given(SIDES)
def test_eer_and_min_dcf_can_be_read_from_the_points(sides: Sides) -> None:
    scores, labels = trials(sides)
    found = curves(scores, labels)
    assert crossing(found["far"], found["frr"]) == pytest.approx(detection.eer(scores, labels)[0], abs=1e-5)
    for prior in (0.01, 0.05):
        exact, _ = detection.min_dcf(scores, labels, prior)
        assert lowest_cost(found["far"], found["frr"], prior) == pytest.approx(exact, rel=1e-4)


@given(SIDES)
def test_points_are_operating_points_from_reject_all_to_accept_all(sides: Sides) -> None:
    scores, labels = trials(sides)
    far, frr = det_points(detection.rank(scores, labels))
    assert (far[0], frr[0], far[-1], frr[-1]) == (0.0, 1.0, 1.0, 0.0)
    assert list(far) == sorted(far)
    assert list(frr) == sorted(frr, reverse=True)
    exact = detection.det_curve(scores, labels)
    known = {(float(f"{a:.6g}"), float(f"{m:.6g}")) for a, m in zip(exact.far, exact.frr, strict=True)}
    assert set(zip(far, frr, strict=True)) <= known | {(0.0, 1.0)}
    assert len(set(zip(far, frr, strict=True))) == len(far)


@pytest.mark.parametrize("size", [40, 400, 4000, 40_000, 1_000_000])
def test_the_thinned_line_is_the_exact_one_to_the_eye(size: int) -> None:
    scores, labels = simulated(size)
    found = curves(scores, labels)
    assert len(found["far"]) <= 200
    assert farthest_off(found["far"], found["frr"], scores, labels) < 0.02  # 2 of some 500 pixels
    assert crossing(found["far"], found["frr"]) == pytest.approx(detection.eer(scores, labels)[0], rel=1e-4)
    for prior in (0.01, 0.05):
        exact, _ = detection.min_dcf(scores, labels, prior)
        assert lowest_cost(found["far"], found["frr"], prior) == pytest.approx(exact, rel=1e-4)


def test_more_points_lie_closer() -> None:
    scores, labels = simulated(4000)
    ranked = detection.rank(scores, labels)
    off = [farthest_off(*det_points(ranked, points), scores, labels) for points in (20, 60, 200)]
    assert off[0] > off[1] > off[2]
    with pytest.raises(ValueError, match="at least 16"):
        det_points(ranked, 15)


@given(SIDES, st.integers(1, 20))
def test_histograms_count_every_trial_once(sides: Sides, bins: int) -> None:
    scores, labels = trials(sides)
    edges, targets, others = histograms(detection.rank(scores, labels), bins)
    assert len(edges) - 1 == len(targets) == len(others) == bins
    assert (sum(targets), sum(others)) == (len(sides[0]), len(sides[1]))
    assert list(edges) == sorted(set(edges))


@given(st.lists(st.floats(-1e300, 1e300, width=64), min_size=2, max_size=30), st.integers(1, 12))
def test_histograms_put_scores_between_their_edges(scores: list[float], bins: int) -> None:
    labels = np.arange(len(scores)) % 2
    edges, targets, others = histograms(detection.rank(scores, labels), bins)
    assert len(set(edges)) == bins + 1
    counted = [a + b for a, b in zip(targets, others, strict=True)]
    for place, limit in enumerate(edges[1:-1], 1):
        assert sum(counted[:place]) == sum(score < limit for score in scores)


def test_all_scores_equal_or_infinite_still_have_a_histogram() -> None:
    for scores in ([0.0, 0.0], [-np.inf, np.inf], [1e-320, 0.0], [-1e308, 1e308]):
        edges, targets, others = histograms(detection.rank(scores, [1, 0]), 3)
        assert np.isfinite(edges).all()
        assert (sum(targets), sum(others)) == (1, 1)


@given(SIDES)
@settings(max_examples=25)
def test_the_bayes_error_is_the_cost_of_deciding_at_the_prior(sides: Sides) -> None:
    scores, labels = trials(sides)
    found = curves(scores, labels, calibrated=scores)
    assert found["log_odds"] == LOG_ODDS
    for odds, actual, minimum in zip(LOG_ODDS, found["actual"], found["minimum"], strict=True):
        prior = 1 / (1 + np.exp(-odds))
        far = np.mean(np.array(sides[1]) >= -odds)
        frr = np.mean(np.array(sides[0]) < -odds)
        assert actual == pytest.approx((prior * frr + (1 - prior) * far) / min(prior, 1 - prior), rel=1e-5)
        assert minimum == pytest.approx(detection.min_dcf(scores, labels, prior)[0], rel=1e-5)
        assert minimum <= min(actual, 1.0)


def test_calibrated_scores_come_close_to_the_minimum_and_shifted_ones_do_not() -> None:
    scores, labels = simulated(200_000)
    ratios = 3.0 * scores - 4.5  # of two normal densities, 3 apart
    actual, minimum = (np.array(side) for side in bayes_error(detection.rank(ratios, labels), LOG_ODDS))
    middle = np.abs(LOG_ODDS) <= 4
    assert np.all(actual[middle] <= 1.1 * minimum[middle] + 0.01)
    shifted, same = bayes_error(detection.rank(ratios + 2, labels), LOG_ODDS)
    assert np.mean(shifted) > 1.3 * np.mean(actual)
    assert same == tuple(minimum)


def test_the_fields_are_those_of_a_record_and_small() -> None:
    scores, labels = simulated(20_000)
    found = curves(scores, labels, calibrated=3 * scores - 4.5)
    Curves(**found).validate()
    assert len(found["edges"]) == 61
    assert max(len(f"{value!r}") for value in (*found["far"], *found["frr"])) <= 12
    without = curves(detection.rank(scores, labels))
    assert (without["log_odds"], without["actual"], without["minimum"]) == ((), (), ())
    assert without["far"] == found["far"]


@pytest.mark.parametrize(
    ("scores", "labels", "calibrated", "says"),
    [
        ([1.0, np.nan], [1, 0], None, "NaN"),
        ([1.0, 2.0], [1, 1], None, "no non-target"),
        ([1.0, 2.0], [1, 0], [1.0], "1 scores but 2 labels"),
        ([1.0, 2.0], None, None, "0 labels"),
    ],
)
def test_what_has_no_curve_is_refused(scores: list[float], labels: object, calibrated: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        curves(scores, labels, calibrated)  # type: ignore[arg-type]
