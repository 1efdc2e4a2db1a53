"""Windows: every region has one, none leaves the recording, and together they cover the speech."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.cuts import noise_cuts
from voxboard.data import audio
from voxboard.diarization import Diarization
from voxboard.diarization.regions import union
from voxboard.diarization.windows import Window, cuts, founders, windows

SPANS = st.lists(st.tuples(st.floats(0, 20), st.floats(0.001, 8)).map(lambda r: (r[0], r[0] + r[1])), max_size=6)


@given(SPANS, st.sampled_from([8_000, 16_000, 22_050]), st.integers(1, 400_000))
def test_windows_cover_regions_and_stay_inside(spans: list[tuple[float, float]], rate: int, total: int) -> None:
    regions = [(start, end) for start, end in union(spans) if end <= total / rate]
    settings = Diarization()
    found = windows(regions, rate, total, settings)
    assert {window.region for window in found} == set(range(len(regions)))
    for window in found:
        assert window.samples >= 1
        assert 0 <= window.start <= window.start + window.samples <= total
        assert window.samples <= round(settings.window * rate)
    for number, (start, end) in enumerate(regions):
        own = [(w.start, w.start + w.samples) for w in found if w.region == number]
        assert own[0][0] <= round(start * rate)
        assert own[-1][1] >= min(round(end * rate), total)
        assert all(after[0] <= before[1] for before, after in pairwise(own))


def test_windows_of_a_region_end_with_it_and_short_ones_are_widened() -> None:
    found = windows([(0.0, 3.0), (4.0, 4.1), (9.9, 10.0)], 1000, 10_000, Diarization())
    long = [Window(0, 0, 1500), Window(0, 750, 1500), Window(0, 1500, 1500)]
    assert found == [*long, Window(1, 3800, 500), Window(2, 9500, 500)]
    assert windows([(0.0, 0.2)], 1000, 200, Diarization()) == [Window(0, 0, 200)]
    assert windows([], 1000, 0, Diarization()) == []


def test_short_windows_found_no_speaker_unless_all_are_short() -> None:
    found = [Window(0, 0, 1500), Window(1, 0, 750), Window(2, 0, 749)]
    assert founders(found, 1000, Diarization()).tolist() == [True, True, False]
    assert founders(found[2:], 1000, Diarization()).tolist() == [True]
    assert founders([], 1000, Diarization()).shape == (0,)


def test_cuts_hold_the_samples_of_their_windows(tmp_path: Path) -> None:
    (cut,) = noise_cuts(tmp_path, [3.0])
    part = cut.truncate(offset=0.5, duration=2.0)
    found = cuts(part, [Window(0, 100, 8000), Window(0, 24_000, 8000)])
    assert [one.id for one in found] == ["0000000", "0000001"]
    for one, start in zip(found, (100, 24_000), strict=True):
        assert np.array_equal(audio.load(one), audio.window(part, start, 8000))
