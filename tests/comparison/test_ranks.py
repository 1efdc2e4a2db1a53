"""Ranges of places: what differs is told apart, what does not shares its places."""

from __future__ import annotations

from voxboard.comparison import Difference, rank_ranges, shown
from voxboard.records import Value


def value(centre: float, half: float | None = 0.01, better: str = "lower") -> Value:
    bounds = (None, None) if half is None else (centre - half, centre + half)
    return Value(centre, better, low=bounds[0], high=bounds[1], clusters=100)  # type: ignore[arg-type]


def test_two_that_overlap_share_their_places() -> None:
    found = rank_ranges([value(0.10), value(0.105), value(0.30), None])
    assert found == [(1, 2), (1, 2), (3, 3), None]
    assert [shown(places) for places in found] == ["1–2", "1–2", "3", "–"]


def test_higher_can_be_better() -> None:
    assert rank_ranges([value(0.10, better="higher"), value(0.90, better="higher")]) == [(2, 2), (1, 1)]


def test_a_chain_of_neighbours_is_no_group() -> None:
    """First and last differ, the middle one is told from neither."""
    assert rank_ranges([value(0.10, 0.02), value(0.125, 0.02), value(0.15, 0.02)]) == [(1, 2), (1, 3), (2, 3)]


def test_a_value_without_an_interval_is_told_from_none() -> None:
    assert rank_ranges([value(0.1), value(0.9, None), value(0.5)]) == [(1, 2), (1, 3), (2, 3)]


def test_paired_differences_can_take_the_place_of_intervals() -> None:
    values = [value(0.10), value(0.105)]
    assert rank_ranges(values, compare=lambda i, j: Difference(0.005, 0.004, 0.006, 1e-6)) == [(1, 1), (2, 2)]
