"""Ranges of places: what `voxboard compare` would tell apart."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from voxboard.comparison import between
from voxboard.comparison import rank_ranges as by_comparison
from voxboard.ranking import rank_ranges
from voxboard.records import Value


@st.composite
def columns(draw: st.DrawFn) -> list[Value | None]:
    """Values of one metric with ties, lost intervals, other levels and few clusters."""
    better = draw(st.sampled_from(["lower", "higher"]))
    centers = st.floats(0, 1) | st.sampled_from([0.1, 0.2, 0.5])
    arms = st.floats(0, 0.1) | st.just(0.0)

    def value(centre: float, down: float, up: float, known: bool, clusters: int | None, level: float) -> Value:
        bounds = (centre - down, centre + up) if known else (None, None)
        return Value(centre, better, low=bounds[0], high=bounds[1], clusters=clusters, level=level)

    known = st.sampled_from([True, True, True, False])
    clusters = st.sampled_from([None, 1, 2, 12, 24, 24, 1000])
    one = st.builds(value, centers, arms, arms, known, clusters, st.sampled_from([0.95, 0.95, 0.9]))
    return draw(st.lists(one | st.none() | st.just(Value(None, reason="none")), max_size=10))


@given(columns())
@settings(deadline=None, max_examples=60)
def test_places_are_those_of_the_comparison_of_every_pair(values: list[Value | None]) -> None:
    def compare(first: int, second: int) -> object:
        before, after = values[first], values[second]
        assert before is not None
        assert after is not None
        return between(before, after)

    assert rank_ranges(values) == by_comparison(values, compare=compare)  # type: ignore[arg-type]


def test_five_speakers_give_no_places_and_few_no_more_than_a_sign_flip_test_can() -> None:
    def apart(clusters: int, systems: int = 2) -> list[Value]:
        return [Value(0.1 * n, low=0.1 * n - 0.01, high=0.1 * n + 0.01, clusters=clusters) for n in range(systems)]

    assert rank_ranges(apart(5)) == [(1, 2), (1, 2)]
    assert rank_ranges(apart(6)) == [(1, 1), (2, 2)]
    assert rank_ranges(apart(6, 3)) == [(1, 3)] * 3  # 3 × 2⁻⁵ is more than 0.05
    assert rank_ranges([Value(0.0, low=0.0, high=0.07, clusters=40, interval="bound"), *apart(40)[1:]])[0] == (1, 1)


@given(columns(), st.randoms())
@settings(deadline=None, max_examples=30)
def test_the_order_of_rows_does_not_matter(values: list[Value | None], shuffled: random.Random) -> None:
    places = list(range(len(values)))
    shuffled.shuffle(places)
    found = rank_ranges(values)
    assert rank_ranges([values[place] for place in places]) == [found[place] for place in places]


@given(columns())
@settings(deadline=None, max_examples=30)
def test_the_best_value_may_always_be_first_and_the_worst_last(values: list[Value | None]) -> None:
    known = [(v.value, span) for v, span in zip(values, rank_ranges(values), strict=True) if v and v.value is not None]
    if not known:
        return
    better = next(v.better for v in values if v and v.value is not None)
    known.sort(key=lambda pair: pair[0], reverse=better == "higher")
    assert known[0][1] is not None
    assert known[-1][1] is not None
    assert known[0][1][0] == 1
    assert known[-1][1][1] == len(known)
    assert all(span and 1 <= span[0] <= place <= span[1] <= len(known) for place, (_, span) in enumerate(known, 1))
