"""Windows that number their speakers each in its own way become tracks of a recording, by votes."""

from __future__ import annotations

import numpy as np
import pytest

from voxboard.diarization.stitching import NOBODY, FrameGrid, counted, segments, tracks

GRID = FrameGrid(window=4.0, step=2.0, frame_step=1.0, frame_duration=1.0)


def decisions(*windows: str) -> np.ndarray:
    """A string per window: digits are the local speakers of a frame, `.` nobody, `x` both 0 and 1."""
    table = {".": (0, 0), "0": (1, 0), "1": (0, 1), "x": (1, 1)}
    return np.array([[table[letter] for letter in window] for window in windows], np.uint8)


def test_speakers_of_windows_are_told_apart_by_their_cluster() -> None:
    found = tracks(decisions("0011", "0011"), np.array([[0, 1], [1, 0]]), GRID)
    assert found.T.tolist() == [[1, 1, 0, 0, 1, 1, 0], [0, 0, 1, 1, 0, 0, 0]]


def test_as_many_speak_as_windows_count_on_average_half_to_even() -> None:
    given = decisions("xx0.", "x.11")
    assert counted(given, GRID).tolist() == [2, 2, 2, 0, 1, 1, 0]  # 1.5 → 2, 0
    assert counted(decisions("0.0.", "...0"), GRID).tolist() == [1, 0, 0, 0, 0, 1, 0]  # 0.5 → 0


def test_who_speaks_is_who_has_the_most_votes() -> None:
    grid, given = FrameGrid(4.0, 1.0, 1.0, 1.0), decisions("..00", "00..", "1...")
    clusters = np.array([[1, NOBODY], [0, NOBODY], [NOBODY, 1]])
    assert tracks(given, clusters, grid)[2].tolist() == [0, 1]  # one vote and two
    assert tracks(given[:2], clusters[:2], grid)[2].tolist() == [1, 0]  # one vote each: the lower number


def test_silent_local_speakers_and_those_of_nobody_are_left_out() -> None:
    assert tracks(decisions("00.."), np.array([[0, 7]]), GRID).shape[1] == 1
    assert not tracks(decisions("00.."), np.array([[NOBODY, 0]]), GRID, heard=True).any()


def test_with_heard_nobody_speaks_without_a_vote() -> None:
    given, clusters = decisions("xx..", "..00"), np.array([[0, 0], [1, NOBODY]])
    assert tracks(given, clusters, GRID)[0].tolist() == [1, 1]
    assert tracks(given, clusters, GRID, heard=True)[0].tolist() == [1, 0]
    assert tracks(decisions("xx.."), np.array([[0, 1]]), GRID, most=1).sum(axis=1).max() == 1


def test_changes_are_in_the_middle_of_frames() -> None:
    found = np.array([[0, 1, 1, 0, 0, 1, 0, 1]], np.uint8).T
    assert segments(found, GRID) == [(1.5, 3.5, 0), (5.5, 6.5, 0)]  # the last frame alone is no stretch of time
    assert segments(found, GRID, gap=2.0) == segments(found, GRID)
    assert segments(found, GRID, gap=2.1) == [(1.5, 6.5, 0)]
    assert segments(found, GRID, shortest=1.5) == [(1.5, 3.5, 0)]


def test_segments_ascend_over_all_tracks() -> None:
    found = np.array([[0, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]], np.uint8).T
    assert segments(found, GRID) == [(0.5, 1.5, 2), (0.5, 2.5, 1), (1.5, 3.5, 0)]


@pytest.mark.parametrize("windows", [1, 2, 15])
def test_the_recording_has_a_frame_for_every_frame_of_its_windows(windows: int) -> None:
    grid = FrameGrid(10.0, 1.0, 0.016875, 0.0619375)
    assert grid.first(windows - 1) + 589 <= grid.frames(windows)
