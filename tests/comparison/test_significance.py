"""p from intervals, differences of independent values, Holm's correction, and how often chance is taken for more."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from voxboard.comparison import Difference, between, holm, p_value
from voxboard.metrics import bootstrap
from voxboard.metrics.bootstrap import Interval
from voxboard.records import Value
from voxboard.verdicts import significant

SPEAKERS, EACH = 30, 8


def test_p_is_five_percent_where_the_interval_ends_at_zero() -> None:
    assert p_value(0.02, 0.0, 0.05, clusters=12) == pytest.approx(0.05)
    assert p_value(-0.02, -0.09, 0.0, clusters=12) == pytest.approx(0.05)


@given(st.floats(1e-6, 1), st.floats(1e-6, 1), st.integers(6, 2000), st.sampled_from([0.9, 0.95, 0.99]))
def test_an_interval_that_ends_at_zero_is_never_significant(
    value: float, above: float, clusters: int, level: float
) -> None:
    """p is then one minus the level but for a rounding error, on either side."""
    for low, high in ((0.0, value + above), (-value - above, 0.0)):
        sign = 1 if low == 0 else -1
        p = p_value(sign * value, low, high, clusters, level)
        assert p == pytest.approx(max(1 - level, 2.0 ** (1 - clusters)), rel=1e-6)
        assert not significant(Difference(sign * value, low, high, p), p, level)
    nearly = math.nextafter(0.0, 1.0)
    assert not significant(Difference(value, nearly, value + above, 0.05), 0.05 - 1e-14)
    assert significant(Difference(value, nearly, value + above, 0.01), 0.01)


def test_fewer_than_six_speakers_have_no_p_and_no_more_have_less_than_a_sign_flip_test() -> None:
    assert [p_value(0.5, 0.49, 0.51, clusters) for clusters in (2, 3, 4, 5)] == [None] * 4
    assert [p_value(0.5, 0.49, 0.51, clusters) for clusters in (6, 7, 10)] == [2.0**-5, 2.0**-6, 2.0**-9]
    assert p_value(0.0, -0.1, 0.1, 3) == 1.0


def test_a_system_without_errors_is_not_known_exactly() -> None:
    """Against 2 % of 40 speakers it was p = 0.008 when its interval was [0, 0]."""
    perfect = Value(0.0, low=0.0, high=0.0722, clusters=40, interval="bound")
    found = between(perfect, _value(0.02, 0.008, 0.05))
    assert found.low is not None
    assert found.low < 0
    assert found.p is not None
    assert found.p > 0.5


def test_a_difference_that_every_speaker_has_is_significant_without_an_interval() -> None:
    assert significant(Difference(-0.25, p=0.002, flat=True), 0.002)
    assert not significant(Difference(-0.25, p=0.002), 0.002)
    assert not significant(Difference(0.0, p=1.0, flat=True), 1.0)


def test_p_of_a_mean_is_that_of_the_t_test() -> None:
    values = np.random.default_rng(3).normal(0.4, 1.0, 15)
    arm = stats.t.ppf(0.975, 14) * stats.sem(values)
    expected = stats.ttest_1samp(values, 0.0).pvalue
    assert p_value(values.mean(), values.mean() - arm, values.mean() + arm, 15) == pytest.approx(expected)


def test_without_an_interval_there_is_no_p_but_for_no_difference() -> None:
    assert p_value(0.1, math.nan, math.nan, 2) is None
    assert p_value(0.0, math.nan, math.nan, 2) == 1.0
    assert p_value(0.1, 0.1, 0.1, 9) == 2.0**-8


def test_holm_on_an_example_worked_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.2))
def test_holm_rejects_what_the_procedure_does(ps: list[float], alpha: float) -> None:
    """Smallest first, each against alpha over how many are left, until one is kept."""
    rejected = set()
    for rank, place in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        if ps[place] * (len(ps) - rank) > alpha:
            break
        rejected.add(place)
    assert {place for place, p in enumerate(holm(ps)) if p is not None and p <= alpha} == rejected


def test_what_was_not_tested_does_not_count() -> None:
    assert holm([0.02, None, 0.03]) == [0.04, None, 0.04]


def test_weights_give_shares_of_the_correction() -> None:
    """The first has half of it; what is rejected leaves its share to the others."""
    assert holm([0.02, 0.03, 0.2], [1.0, 0.5, 0.5]) == pytest.approx([0.04, 0.06, 0.2])
    assert holm([0.02, None, 0.2], [1.0, 0.5, 0.5]) == pytest.approx([0.03, None, 0.2])


def test_the_difference_of_symmetric_intervals_adds_their_squares() -> None:
    found = between(_value(0.10, 0.07, 0.13), _value(0.15, 0.11, 0.19))
    assert (found.low, found.high) == pytest.approx((0.0, 0.10))
    assert found.p == pytest.approx(0.05)
    assert between(_value(0.1, None, None), _value(0.2, 0.1, 0.3)).p is None


def test_the_sides_of_skewed_intervals_that_face_each_other_decide() -> None:
    """Zou and Donner: the lower limit comes from the second's lower and the first's upper half."""
    found = between(_value(0.10, 0.0, 0.13), _value(0.15, 0.11, 0.9))
    assert found.low == pytest.approx(0.0)
    assert found.high == pytest.approx(0.05 + math.hypot(0.75, 0.10))


def test_false_alarms_of_equals_are_as_rare_as_they_should_be() -> None:
    """200 pairs of equally good systems: paired on the same utterances, and unpaired on other speakers."""
    rng = np.random.default_rng(1)
    paired = unpaired = 0
    for _ in range(200):
        rates = rng.beta(4, 36, size=(2, SPEAKERS))  # of speakers, who differ far more than systems
        owners, words = np.repeat(np.arange(SPEAKERS), EACH), rng.integers(5, 30, SPEAKERS * EACH)
        first, second, other = (rng.binomial(words, np.repeat(rates[side], EACH)) for side in (0, 0, 1))
        options = {"clusters": owners, "replicates": 400}
        sides = [bootstrap.ratio(errors, words, **options) for errors in (first, second, other)]
        p = bootstrap.between(sides[0], sides[1]).p
        paired += p is not None and p < 0.05
        p = between(_of(sides[0]), _of(sides[2])).p
        unpaired += p is not None and p < 0.05
    assert paired / 200 <= 0.07
    assert unpaired / 200 <= 0.07


def test_a_planted_regression_is_found() -> None:
    rng = np.random.default_rng(2)
    rates = rng.beta(4, 36, SPEAKERS)
    owners, words = np.repeat(np.arange(SPEAKERS), EACH), rng.integers(5, 30, SPEAKERS * EACH)
    before, after = (rng.binomial(words, np.repeat(scale * rates, EACH)) for scale in (1.0, 1.3))
    found = bootstrap.between(*(bootstrap.ratio(side, words, clusters=owners) for side in (before, after)))
    assert found.value > 0
    assert found.p is not None
    assert found.p < 0.001


def _value(value: float, low: float | None, high: float | None) -> Value:
    return Value(value, low=low, high=high)


def _of(interval: Interval) -> Value:
    return Value(interval.value, low=interval.low, high=interval.high, clusters=interval.clusters)
