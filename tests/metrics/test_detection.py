"""Detection metrics against brute force, against theory, and on inputs that must be refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxboard.metrics import detection

# Few distinct values, so that ties within and between the classes are the rule; ±inf included.
SCORES = st.sampled_from([-np.inf, -2.0, -1.0, -0.5, 0.0, 0.25, 0.5, 1.0, 3.0, np.inf])
SIDES = st.tuples(st.lists(SCORES, min_size=1, max_size=12), st.lists(SCORES, min_size=1, max_size=12))
FINITE = st.floats(-100, 100, allow_nan=False).map(lambda score: round(score, 3))
FINITE_SIDES = st.tuples(st.lists(FINITE, min_size=1, max_size=30), st.lists(FINITE, min_size=1, max_size=30))
METHODS: list[detection.Method] = ["interpolated", "rocch", "nearest"]
Sides = tuple[list[float], list[float]]


def trials(sides: Sides) -> tuple[np.ndarray, np.ndarray]:
    targets, others = sides
    return np.array(targets + others), np.repeat([1, 0], [len(targets), len(others)])


def points(sides: Sides) -> list[tuple[Fraction, Fraction]]:
    """(FAR, FRR) from accept-all to reject-all, exactly, by counting."""
    targets, others = sides
    found = [
        (
            Fraction(sum(score >= threshold for score in others), len(others)),
            Fraction(sum(score < threshold for score in targets), len(targets)),
        )
        for threshold in sorted({*targets, *others})
    ]
    return [*found, (Fraction(0), Fraction(1))]


def crossing(curve: list[tuple[Fraction, Fraction]]) -> float:
    for (far, frr), (far_next, frr_next) in itertools.pairwise(curve):
        if frr_next >= far_next:
            share = (far - frr) / ((far - frr) + (frr_next - far_next))
            return float(frr + share * (frr_next - frr))
    raise AssertionError


def hull(curve: list[tuple[Fraction, Fraction]]) -> list[tuple[Fraction, Fraction]]:
    kept: list[tuple[Fraction, Fraction]] = []
    for far, frr in curve:
        while len(kept) > 1:
            (far_0, frr_0), (far_1, frr_1) = kept[-2:]
            if (far_1 - far_0) * (frr - frr_0) - (frr_1 - frr_0) * (far - far_0) < 0:
                break
            kept.pop()
        kept.append((far, frr))
    return kept


def test_hull_oracle_keeps_the_lower_left_side() -> None:
    curve = [(Fraction(1), Fraction(0)), (Fraction(1), Fraction(1)), (Fraction(0), Fraction(1))]
    assert hull(curve) == [curve[0], curve[2]]


@given(SIDES)
def test_interpolated_eer_is_the_crossing_of_the_exact_roc(sides: Sides) -> None:
    assert detection.eer(*trials(sides))[0] == pytest.approx(crossing(points(sides)), abs=1e-12)


@given(SIDES)
def test_rocch_eer_is_the_crossing_of_the_convex_hull(sides: Sides) -> None:
    value, _ = detection.eer(*trials(sides), method="rocch")
    assert value == pytest.approx(crossing(hull(points(sides))), abs=1e-9)
    assert value <= 0.5 + 1e-12
    assert value <= detection.eer(*trials(sides))[0] + 1e-12


@given(SIDES)
def test_nearest_eer_is_the_mean_where_the_rates_are_closest(sides: Sides) -> None:
    far, frr = min(points(sides)[1:], key=lambda point: abs(point[0] - point[1]))  # the lowest is always rejected
    assert detection.eer(*trials(sides), method="nearest")[0] == pytest.approx(float(far + frr) / 2, abs=1e-12)


@given(SIDES, st.sampled_from([0.001, 0.01, 0.05, 0.5, 0.9]), st.sampled_from([1.0, 10.0]), st.booleans())
def test_min_dcf_is_the_lowest_cost_of_all_thresholds(sides: Sides, p: float, c_miss: float, norm: bool) -> None:
    cost = min(c_miss * p * float(frr) + (1 - p) * float(far) for far, frr in points(sides))
    divisor = min(c_miss * p, 1 - p) if norm else 1.0
    value, _ = detection.min_dcf(*trials(sides), p, c_miss, 1.0, norm)
    assert value == pytest.approx(cost / divisor, abs=1e-12)


@given(FINITE_SIDES)
def test_thresholds_realise_their_operating_points(sides: Sides) -> None:
    scores, labels = trials(sides)
    far, frr = detection.far_frr(scores, labels, detection.min_dcf(scores, labels, 0.1)[1])
    assert (0.1 * frr + 0.9 * far) / 0.1 == pytest.approx(detection.min_dcf(scores, labels, 0.1)[0], abs=1e-12)
    value, threshold = detection.eer(scores, labels, method="nearest")
    assert sum(detection.far_frr(scores, labels, threshold)) / 2 == pytest.approx(value, abs=1e-12)
    # The EER's own threshold is one of the two points that the crossing lies between, the closer one.
    far, frr = detection.far_frr(scores, labels, detection.eer(scores, labels)[1])
    assert abs(far - frr) == pytest.approx(min(abs(float(a - b)) for a, b in points(sides)), abs=1e-12)
    assert min(far, frr) - 1e-12 <= detection.eer(scores, labels)[0] <= max(far, frr) + 1e-12


@given(FINITE_SIDES, st.randoms(use_true_random=False))
def test_order_scale_and_repetition_do_not_matter(sides: Sides, random: object) -> None:
    scores, labels = trials(sides)
    order = np.random.default_rng(len(scores)).permutation(len(scores))
    variants = [
        (scores[order], labels[order]),
        (np.arctan(scores / 50) * 7 - 3, labels),  # strictly monotone
        (np.tile(scores, 3), np.tile(labels, 3)),
        (scores, labels.astype(bool)),
    ]
    for method in METHODS:
        value = detection.eer(scores, labels, method)[0]
        for variant in variants:
            assert detection.eer(*variant, method)[0] == pytest.approx(value, abs=1e-12)
    value = detection.min_dcf(scores, labels)[0]
    assert all(detection.min_dcf(*variant)[0] == pytest.approx(value, abs=1e-12) for variant in variants)


@given(SIDES)
def test_the_eer_of_the_hull_is_the_highest_of_all_minimal_costs(sides: Sides) -> None:
    scores, labels = trials(sides)
    ranked = detection.rank(scores, labels)
    value = detection.eer(ranked, method="rocch")[0]
    hull = detection.roc_convex_hull(ranked)
    assert max(detection.min_dcf(ranked, None, [0.01, 0.2, 0.5, 0.7, 0.99], normalized=False)[0]) <= value + 1e-12
    after = int(np.argmax(hull.frr >= hull.far))
    falls, rises = hull.far[after - 1] - hull.far[after], hull.frr[after] - hull.frr[after - 1]
    prior = falls / (falls + rises)  # whose costs are equal along the segment at the crossing
    if 0 < prior < 1:
        assert detection.min_dcf(ranked, None, prior, normalized=False)[0] == pytest.approx(value, abs=1e-9)


@given(FINITE_SIDES, st.sampled_from([0.01, 0.05, 0.5]), st.booleans())
def test_deciding_costs_no_less_than_the_best_threshold(sides: Sides, p: float, normalized: bool) -> None:
    scores, labels = trials(sides)
    actual = detection.act_dcf(scores, labels, p, normalized=normalized)
    assert actual >= detection.min_dcf(scores, labels, p, normalized=normalized)[0] - 1e-12


@given(SIDES)
def test_a_subset_is_a_list_of_its_own(sides: Sides) -> None:
    scores, labels = trials(sides)
    kept = np.resize([True, False, True], scores.size)
    if set(labels[kept]) == {0, 1}:
        subset = (list(scores[kept & (labels == 1)]), list(scores[kept & (labels == 0)]))
        assert detection.eer(scores[kept], labels[kept]) == detection.eer(*trials(subset))


@given(FINITE_SIDES)
def test_negating_scores_and_labels_mirrors_the_curve(sides: Sides) -> None:
    scores, labels = trials(sides)
    assert detection.eer(-scores, 1 - labels)[0] == pytest.approx(detection.eer(scores, labels)[0], abs=1e-12)


@given(FINITE_SIDES)
def test_curves_hold_every_operating_point_and_the_hull_bounds_them(sides: Sides) -> None:
    scores, labels = trials(sides)
    curve = detection.det_curve(scores, labels)
    assert [(float(far), float(frr)) for far, frr in points(sides)] == list(zip(curve.far, curve.frr, strict=True))
    outer = detection.roc_convex_hull(scores, labels)
    assert np.all(np.interp(curve.far, outer.far[::-1], outer.frr[::-1]) <= curve.frr + 1e-12)
    for far, frr, threshold in zip(*outer, strict=True):
        assert detection.far_frr(scores, labels, threshold) == (far, frr)


@given(FINITE_SIDES)
def test_cllr_is_least_after_calibration(sides: Sides) -> None:
    scores, labels = trials(sides)
    least = detection.min_cllr(scores, labels)
    assert -1e-12 <= least <= detection.cllr(scores / 10, labels) + 1e-9
    assert least <= 1 + 1e-9
    assert detection.min_cllr(np.arctan(scores), labels) == pytest.approx(least, abs=1e-9)


def test_cllr_by_hand() -> None:
    assert detection.cllr([0.0, 0.0], [1, 0]) == pytest.approx(1.0)
    assert detection.cllr([np.log(3), -np.log(3)], [1, 0]) == pytest.approx(np.log2(4 / 3))
    assert detection.cllr([np.inf, -np.inf], [1, 0]) == 0.0
    assert detection.min_cllr([2.0, 1.0], [1, 0]) == 0.0


def test_act_dcf_decides_at_the_bayes_threshold() -> None:
    scores, labels = np.array([5.0, 4.0, -9.0, 6.0]), np.array([1, 1, 0, 0])
    # ln 99 = 4.595: one target below it, one non-target above it
    assert detection.act_dcf(scores, labels, 0.01) == pytest.approx((0.01 * 0.5 + 0.99 * 0.5) / 0.01)
    assert detection.act_dcf(scores, labels, 0.01, normalized=False) == pytest.approx(0.5)


def test_known_values_where_the_definitions_part() -> None:
    sides = ([0.9, 0.6, 0.2], [0.8, 0.5, 0.3, 0.1, 0.05])
    values = [detection.eer(*trials(sides), method=method)[0] for method in METHODS]
    assert values == pytest.approx([1 / 3, 3 / 11, 11 / 30])


@pytest.mark.parametrize("method", METHODS)
def test_constant_scores_are_chance(method: detection.Method) -> None:
    assert detection.eer([0.5] * 5, [1, 1, 0, 0, 0], method) == (0.5, pytest.approx(0.5))


def test_separated_scores_get_a_threshold_in_the_middle() -> None:
    assert detection.eer([0.9, 0.7, 0.3, 0.1], [1, 1, 0, 0]) == (0.0, pytest.approx(0.5))


def test_infinite_scores_are_ordered_like_any_other() -> None:
    assert detection.eer([np.inf, 0.2, 0.7, 0.4, 0.3, 0.1], [1, 1, 1, 0, 0, 0])[0] == pytest.approx(1 / 3)
    assert detection.eer([np.inf, np.inf, -np.inf], [1, 1, 0]) == (0.0, 0.0)
    value, threshold = detection.eer([np.inf, 1.0, -np.inf, -np.inf], [1, 1, 0, 0])
    assert (value, np.isfinite(threshold)) == (0.0, True)


def test_float32_scores_are_compared_exactly_with_a_float64_threshold() -> None:
    scores = np.array([0.1, 0.2], np.float32)
    just_above = np.nextafter(np.float64(scores[1]), 1)
    assert detection.far_frr(scores, [0, 1], float(scores[1])) == (0.0, 0.0)
    assert detection.far_frr(scores, [0, 1], just_above) == (0.0, 1.0)
    assert detection.far_frr(detection.rank(scores, [0, 1]), None, just_above) == (0.0, 1.0)


def test_scores_that_float32_would_tie_stay_apart() -> None:
    scores = np.array([0.100000001, 0.100000002, 0.5, 0.1, 0.1000000005, -0.2])
    assert detection.eer(scores, [1, 1, 1, 0, 0, 0])[0] == 0.0


def test_several_priors_in_one_call_and_one_ranking_for_all() -> None:
    rng = np.random.default_rng(3)
    labels = rng.random(5000) < 0.3
    scores = rng.normal(size=5000) + 2 * labels
    ranked = detection.rank(scores, labels)
    costs, thresholds = detection.min_dcf(ranked, None, [0.01, 0.05])
    assert [(costs[k], thresholds[k]) for k in range(2)] == [
        detection.min_dcf(scores, labels, 0.01),
        detection.min_dcf(scores, labels, 0.05),
    ]
    assert detection.eer(ranked) == detection.eer(scores, labels)


def test_torch_tensors_of_any_type_are_taken() -> None:
    import torch

    scores = torch.tensor([0.5, 0.25, 0.75, 1.0], requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1])
    expected = detection.eer(scores.detach().numpy(), labels.numpy())
    assert detection.eer(scores, labels) == expected
    assert detection.eer(scores.bfloat16(), labels.bool()) == expected
    assert all(type(value) is float for value in detection.eer(scores, labels))


@pytest.mark.parametrize("kind", ["<f2", ">f2", "<f4", ">f4", ">f8", np.longdouble, np.int8, np.uint16, np.bool_])
@pytest.mark.parametrize("truth", [bool, np.uint8, np.int64, float])
def test_numbers_of_any_type_give_what_float64_gives(kind: object, truth: type) -> None:
    scores = np.array([0, 1, 1, 0, 1, 0, 0, 1]).astype(kind)
    if np.dtype(kind).kind == "f":
        scores = scores + np.array([0.25, 0.5, -0.5, 0, 0, 2, -1, 1]).astype(kind)
    labels = np.array([0, 1, 0, 0, 1, 1, 0, 1])
    expected = detection.eer(scores.astype(np.float64), labels), detection.min_dcf(scores.astype(np.float64), labels)
    found = detection.eer(scores, labels.astype(truth)), detection.min_dcf(scores, labels.astype(truth))
    assert found == expected
    assert all(type(value) is float for pair in found for value in pair)


def test_scores_that_float64_would_tie_stay_apart() -> None:
    if np.finfo(np.longdouble).eps == np.finfo(np.float64).eps:
        pytest.skip("long double is no longer than double here")
    scores = 1 + np.array([2, 1]) * np.finfo(np.longdouble).eps
    assert detection.eer(scores, [1, 0])[0] == 0.0


def test_read_only_and_strided_scores_are_left_as_they_are() -> None:
    scores = np.array([0.9, 7.0, 0.1, 7.0, 0.5, 7.0, 0.4, 7.0])[::2]
    scores.flags.writeable = False
    assert detection.eer(scores, [1, 0, 1, 0])[0] == 0.0
    assert scores.tolist() == [0.9, 0.1, 0.5, 0.4]


METRICS: list[Callable[..., object]] = [
    detection.eer,
    detection.min_dcf,
    detection.det_curve,
    detection.roc_convex_hull,
    detection.cllr,
    detection.min_cllr,
    detection.act_dcf,
    lambda scores, labels: detection.far_frr(scores, labels, 0.5),
]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("scores", "labels", "problem"),
    [
        ([], [], "no scores"),
        ([0.1, 0.2], [1], "2 scores but 1 labels"),
        ([0.1, 0.2], [1, 1], "no non-target"),
        ([0.1, 0.2], [0, 0], "no target"),
        ([0.1, np.nan, np.nan], [1, 0, 0], "2 of 3 scores are NaN, the first at index 1"),
        ([np.nan, 0.3], [1, 0], "1 of 2 scores are NaN, the first at index 0"),
        ([0.1, 0.2], [1, 2], "labels must be 1"),
        ([0.1, 0.2], [1, -1], "labels must be 1"),
        ([[0.1], [0.2]], [1, 0], "one dimension"),
        ([0.1, 0.2], [[1], [0]], "one dimension"),
        (["a", "b"], [1, 0], "scores must be numbers"),
        (["0.5", "0.25"], [1, 0], "scores must be numbers"),
        ([1j, 0.25], [1, 0], "scores must be numbers"),
        ([0.1, 0.2], [1, np.nan], "labels must be 1"),
        ([0.1, 0.2], ["target", "nontarget"], "labels must be 1"),
    ],
)
def test_bad_input_is_named(metric: Callable[..., object], scores: list, labels: list, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        metric(scores, labels)


def test_bad_parameters_are_named() -> None:
    scores, labels = [0.1, 0.2], [0, 1]
    with pytest.raises(ValueError, match="p_target"):
        detection.min_dcf(scores, labels, 0.0)
    with pytest.raises(ValueError, match="costs must be positive"):
        detection.min_dcf(scores, labels, c_fa=0.0)
    with pytest.raises(ValueError, match="method"):
        detection.eer(scores, labels, method="middle")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="threshold is NaN"):
        detection.far_frr(scores, labels, float("nan"))


def test_large_lists_agree_with_counting_every_threshold() -> None:
    rng = np.random.default_rng(11)
    labels = rng.random(20_000) < 0.4
    scores = np.round(rng.normal(size=20_000) + 2.5 * labels, 3)
    curve = detection.det_curve(scores, labels)
    for p in (0.001, 0.01, 0.3):
        cost = (p * curve.frr + (1 - p) * curve.far).min() / min(p, 1 - p)
        assert detection.min_dcf(scores, labels, p)[0] == pytest.approx(cost, abs=1e-12)
    after = int(np.argmax(curve.frr >= curve.far))
    assert min(curve.far[after], curve.frr[after - 1]) <= detection.eer(scores, labels)[0] <= curve.far[after - 1]
