"""What is read from thinned DET points agrees with the metrics on all scores, and axes show what they should."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri

from tests.metrics.test_detection import SIDES, Sides, trials
from tests.plots.plot_samples import sample_curves, simulated
from voxboard.charts import operating
from voxboard.charts.operating import Axis, cheapest, common_axis, deviates, equal_error, thinned
from voxboard.metrics import detection
from voxboard.metrics.curves import curves
from voxboard.records import Curves


@given(SIDES)
def test_operating_points_are_those_of_the_metrics(sides: Sides) -> None:
    scores, labels = trials(sides)
    found = Curves(**curves(scores, labels))
    assert equal_error(found) == pytest.approx(detection.eer(scores, labels)[0], abs=1e-5)
    for p_target in (0.01, 0.05):
        (far, frr), cost = cheapest(found, p_target) or ((0.0, 0.0), -1.0)
        assert cost == pytest.approx(detection.min_dcf(scores, labels, p_target)[0], rel=1e-4)
        assert (p_target * frr + (1 - p_target) * far) / p_target == pytest.approx(cost)


@given(SIDES)
def test_what_is_drawn_lies_on_probit_axes(sides: Sides) -> None:
    found = Curves(**curves(*trials(sides)))
    line = deviates(found)
    assert line
    assert all(0 < rate < 1 for point in line for rate in point)
    inside = {point for point in zip(found.far, found.frr, strict=True) if 0 < min(point) <= max(point) < 1}
    assert inside <= set(line)
    axis = common_axis([found])
    assert 0 < axis.low < axis.high < 1


def test_a_system_without_errors_is_one_point_at_half_a_trial() -> None:
    found = Curves(**curves([2.0, 2.0, 1.0, 0.0, 0.0], [1, 1, 0, 0, 0]))
    assert deviates(found) == [(0.5 / 3, 0.5 / 2)]
    assert equal_error(found) == 0.0


def test_records_without_curves_have_no_operating_points() -> None:
    empty = Curves((), (), (0.0, 1.0), (1,), (1,))
    assert (equal_error(empty), cheapest(empty, 0.01), deviates(empty)) == (None, None, [])


def test_probits_and_places() -> None:
    for rate in (1e-6, 0.02, 0.5, 0.99):
        assert operating.probit(rate) == pytest.approx(ndtri(rate))
    axis = Axis(0.01, 0.4)
    assert [axis.place(0.01), axis.place(0.4)] == [0.0, 1.0]
    assert axis.ticks() == (0.01, 0.02, 0.05, 0.1, 0.2, 0.4)


@pytest.mark.parametrize("ends", [(1e-8, 0.99), (1e-4, 0.6), (0.001, 0.2), (0.01, 0.8)])
def test_ticks_stay_apart_and_include_the_ends(ends: tuple[float, float]) -> None:
    axis = Axis(*ends)
    for apart in (0.05, 0.09):
        ticks = axis.ticks(apart)
        assert (ticks[0], ticks[-1]) == ends
        places = [axis.place(rate) for rate in ticks]
        assert min(np.diff(places)) >= apart
    assert [operating.percent(rate) for rate in (1e-5, 0.002, 0.05, 0.4)] == ["0.001", "0.2", "5", "40"]


def test_the_axis_shows_every_operating_point_of_all_systems() -> None:
    systems = [sample_curves(name, distance) for name, distance in (("a", 4.0), ("b", 2.0), ("c", 0.8))]
    axis = common_axis(systems)
    for found in systems:
        equal = equal_error(found)
        assert equal is not None
        assert 0.05 < axis.place(equal) < 0.95
    low = cheapest(systems[0], 0.05)
    assert low
    assert all(0 < axis.place(max(rate, 0.5 / 2000)) < 1 for rate in low[0])


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=40), st.floats(0.001, 0.3))
def test_thinned_lines_keep_their_ends_and_lose_only_what_is_close(
    line: list[operating.Point], tolerance: float
) -> None:
    kept = thinned(line, tolerance)
    assert (kept[0], kept[-1]) == (line[0], line[-1])
    ordered = iter(line)
    assert all(point in ordered for point in kept)
    places = [0]
    for point in kept[1:-1]:
        places.append(line.index(point, places[-1] + 1))
    places.append(len(line) - 1)
    for start, end in itertools.pairwise(places):
        (x, y), (x_end, y_end) = line[start], line[end]
        length = np.hypot(x_end - x, y_end - y)
        for px, py in line[start + 1 : end]:
            area = abs((px - x) * (y_end - y) - (py - y) * (x_end - x))
            assert (area / length if length else np.hypot(px - x, py - y)) <= tolerance + 1e-9


def test_samples_differ_by_name_and_not_by_chance() -> None:
    assert np.array_equal(simulated("a", 2.0)[0], simulated("a", 2.0)[0])
    assert not np.array_equal(simulated("a", 2.0)[0], simulated("b", 2.0)[0])
