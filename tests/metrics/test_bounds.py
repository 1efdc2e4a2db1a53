"""Where no error is seen there is a bound, and no interval has the width zero."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from voxboard.metrics import bootstrap, subgroups
from voxboard.metrics.bounds import Rate, independent
from voxboard.metrics.bounds import separated as separated_bound
from voxboard.metrics.exact import zero_error_bound


def separated(speakers: int, targets: int = 4) -> tuple[np.ndarray, ...]:
    """Every speaker with some targets, every pair of speakers with a non-target, no errors."""
    own = np.repeat(np.arange(speakers), targets)
    first, second = np.array(list(combinations(range(speakers), 2))).T
    labels = np.repeat([1, 0], [own.size, first.size])
    return labels * 2.0, labels, np.concatenate([own, first]), np.concatenate([own, second])


# statistics.md, section 3
@pytest.mark.parametrize(
    ("speakers", "frr", "far", "eer"),
    [(6, 0.393, 0.632, 0.637), (10, 0.259, 0.451, 0.456), (20, 0.139, 0.259, 0.262), (40, 0.072, 0.139, 0.141)],
)
def test_bounds_of_trials_without_errors(speakers: int, frr: float, far: float, eer: float) -> None:
    found = bootstrap.detection(*separated(speakers), threshold=1.0, replicates=30)
    for name, expected in {"frr": frr, "far": far, "eer": eer}.items():
        assert found[name].bound is not None
        assert (found[name].low, found[name].high) == (0.0, pytest.approx(expected, abs=6e-4))
    half = found["half_total"]
    assert half.high == pytest.approx((found["far"].high + found["frr"].high) / 2)
    assert found["min_dcf_0.01"].high == 1.0  # so few speakers cannot show it
    assert found["min_dcf_0.01"].false_alarms == 0
    assert found["frr"].bound.seen == f"0 of {4 * speakers} targets rejected"  # type: ignore[union-attr]
    assert found["frr"].bound.independent == pytest.approx(zero_error_bound(4 * speakers))  # type: ignore[union-attr]


def test_nothing_but_errors_is_the_mirror_image() -> None:
    scores, labels, first, second = separated(20)
    found = bootstrap.detection(-scores, labels, first, second, threshold=-1.0, replicates=30)
    assert (found["frr"].low, found["frr"].high) == (pytest.approx(0.861, abs=6e-4), 1.0)
    assert (found["far"].low, found["far"].high) == (pytest.approx(1 - 0.259, abs=6e-4), 1.0)
    assert (found["eer"].low, found["eer"].high) == (pytest.approx(1 - 0.262, abs=6e-4), 1.0)


def test_a_system_that_rejects_everything_has_no_certain_cost() -> None:
    scores, labels, first, second = separated(20)
    cost = bootstrap.detection(scores, labels, first, second, calibrated=scores - 9.0, replicates=30)["act_dcf_0.01"]
    assert cost.value == 1.0
    assert (cost.low, cost.high) == (pytest.approx(0.861, abs=6e-4), pytest.approx(1 + 99 * 0.259, abs=0.05))


@pytest.mark.parametrize(
    ("pairs", "size", "expected"),
    [
        ([(0, 1), (0, 2), (0, 3)], 4, 1.0),  # all with one speaker
        ([(0, 1), (1, 2), (0, 2)], 3, 1.5),
        ([(0, 1), (2, 3)], 4, 2.0),
        ([(0, 0), (1, 1), (0, 1)], 2, 2.0),
        (list(combinations(range(7), 2)), 7, 3.5),
    ],
)
def test_fractional_matching_number(pairs: list[tuple[int, int]], size: int, expected: float) -> None:
    rows, columns = np.array(pairs).T
    assert independent(csr_array((np.ones(rows.size), (rows, columns)), shape=(size, size))) == expected


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_shares_without_errors_are_bounded_by_their_clusters(value: float) -> None:
    found = bootstrap.ratio(np.full(200, value), clusters=np.arange(200) // 5, replicates=30)
    assert found.bound is not None
    assert found.high - found.low == pytest.approx(0.0722, abs=1e-4)
    assert found.value in (found.low, found.high)
    assert bootstrap.ratio(np.zeros(200), clusters=np.arange(200) // 5, replicates=30, share=False).bound is None


def test_a_gap_of_two_groups_without_errors_is_bounded() -> None:
    scores, labels, first, second = separated(24, 8)
    halves = {name: (first % 2 == part) & (second % 2 == part) for part, name in enumerate(("even", "odd"))}
    gap = subgroups.detection(scores, labels, first, second, halves, replicates=30).gaps["eer"].value
    assert gap.low == -gap.high < -0.3


def test_differences_of_two_systems_without_errors_are_bounded() -> None:
    scores, *rest = separated(20)
    found = bootstrap.difference(scores, scores * 3, *rest, replicates=30)["eer"]
    assert (found.value, found.low, found.high) == (
        0.0,
        pytest.approx(-0.262, abs=1e-3),
        pytest.approx(0.262, abs=1e-3),
    )


@pytest.mark.parametrize(("targets", "others"), [(3, 3), (1, 1), (20, 10), (5, 500), (1251, 625.5)])
def test_the_bound_of_an_eer_solves_its_equation(targets: float, others: float) -> None:
    u = separated_bound(Rate(0, 9, targets), Rate(0, 9, others))(0.95).high
    assert (1 - u) ** targets + (1 - u) ** others == pytest.approx(0.05)


@pytest.mark.parametrize("speakers", [6, 20, 40])
def test_bounds_hold_the_truth_but_for_one_list_in_twenty(speakers: int) -> None:
    """A share of speakers always fails, and every trial with them: the bound is sharp."""
    scores, labels, first, second = separated(speakers)
    found = bootstrap.detection(scores, labels, first, second, threshold=1.0, replicates=10)
    rng = np.random.default_rng(speakers)
    for name, trials in {"frr": labels == 1, "far": labels == 0}.items():
        rate = found[name].high + 1e-3  # of the population, just beyond the bound
        share = rate if name == "frr" else 1 - (1 - rate) ** 0.5  # of speakers who make their trials fail
        failing = rng.random((3000, speakers)) < share
        without = ~(failing[:, first[trials]] | failing[:, second[trials]]).any(axis=1)
        assert without.mean() == pytest.approx(0.05, abs=0.015)


@given(
    st.integers(0, 10**6), st.integers(2, 9), st.integers(1, 4), st.floats(-3, 6), st.sampled_from([0, 1, 6]),
    st.sampled_from(["percentile", "bca", "bca_t"]),
)  # fmt: skip
def test_no_interval_has_the_width_zero(
    seed: int, speakers: int, targets: int, shift: float, decimals: int, method: bootstrap.Method
) -> None:
    _, labels, first, second = separated(speakers, targets)
    noise = np.random.default_rng(seed).normal(size=labels.size)
    scores = (noise + shift * labels).round(decimals)
    found = bootstrap.detection(
        scores, labels, first, second, threshold=1.0, calibrated=scores, replicates=60, method=method
    )
    found["accuracy"] = bootstrap.ratio((scores > 1) == labels, clusters=first, replicates=60, method=method)
    for one in found.values():
        assert speakers > 2 or math.isnan(one.low)
        assert one.low < one.high or (math.isnan(one.low) and one.reason)
        assert one.bound is None or one.low <= one.value <= one.high
