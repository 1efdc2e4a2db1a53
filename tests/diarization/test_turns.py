"""Turns: every instant of the speech has one speaker, by the windows that lie over it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxboard.diarization import Diarization
from voxboard.diarization.regions import spoken
from voxboard.diarization.turns import turns
from voxboard.diarization.windows import Window, windows


def test_the_nearer_window_wins() -> None:
    found = [Window(0, 0, 1500), Window(0, 750, 1500), Window(0, 1500, 1500)]
    (one, other) = turns([(0.0, 3.0)], found, np.array([0, 0, 1]), 1000)
    assert one == ("speaker00", 0.0, pytest.approx(1.875, abs=0.011))
    assert other == ("speaker01", one[2], 3.0)


def test_several_windows_outvote_one() -> None:
    found = [Window(0, start, 1500) for start in (0, 300, 600, 900, 1200, 1500)]
    assert len(turns([(0.0, 3.0)], found, np.array([0, 0, 0, 1, 0, 0]), 1000)) == 1


def test_regions_keep_their_pauses() -> None:
    found = [Window(0, 0, 500), Window(1, 800, 500)]
    expected = [("speaker03", 0.0, 0.5), ("speaker03", 1.0, 1.0005)]
    assert turns([(0.0, 0.5), (1.0, 1.0005)], found, np.array([3, 3]), 1000) == expected


@given(st.lists(st.tuples(st.floats(0.001, 6), st.floats(0.1, 3)), min_size=1, max_size=5), st.integers(0, 99))
def test_turns_are_the_speech_and_never_overlap(sizes: list[tuple[float, float]], seed: int) -> None:
    regions, now = [], 0.0
    for length, pause in sizes:
        regions.append((now, now + length))
        now += length + pause
    found = windows(regions, 16_000, round(now * 16_000), Diarization())
    result = turns(regions, found, np.random.default_rng(seed).integers(3, size=len(found)), 16_000)
    assert np.allclose(spoken(result), regions)
    for before, after in pairwise(result):
        assert before[2] <= after[1]
        assert before[0] != after[0] or before[2] < after[1]
