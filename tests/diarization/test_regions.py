"""Regions: joined, clipped and cleaned, against sets of centiseconds."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from voxboard.diarization import regions

REGIONS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 10)).map(lambda r: (float(r[0]), float(r[0] + r[1]))))


def points(found: list[tuple[float, float]]) -> set[int]:
    return {point for start, end in found for point in range(int(start), int(end))}


@given(REGIONS, REGIONS)
def test_union_and_clip_are_those_of_sets(one: list[tuple[float, float]], other: list[tuple[float, float]]) -> None:
    assert points(regions.union(one)) == points(one)
    assert points(regions.clip(one, other)) == points(one) & points(other)
    for found in (regions.union(one), regions.clip(one, other)):
        assert all(start < end for start, end in found)
        assert all(before[1] <= after[0] for before, after in pairwise(found))


def test_pauses_are_filled_before_short_speech_is_dropped() -> None:
    given_regions = [(0.0, 0.2), (0.3, 0.5), (2.0, 2.1), (3.0, 4.0)]
    assert regions.clean(given_regions, 0.25, 0.2) == [(0.0, 0.5), (3.0, 4.0)]


def test_speakers_outside_the_scored_regions_do_not_count() -> None:
    turns = [("Ágnes", 0.0, 1.0), ("b", 5.0, 6.0), ("zero", 2.0, 2.0)]
    assert regions.speakers(turns) == 2
    assert regions.speakers(turns, [(0.0, 2.0)]) == 1
    assert regions.spoken(turns) == [(0.0, 1.0), (5.0, 6.0)]
