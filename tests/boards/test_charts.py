"""Charts of a board: what a line, a dot and a sentence say is what the records say."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.boards.test_arrange import board_of
from tests.plots.plot_samples import SYSTEMS, board_records, grouped, sample_curves
from tests.records.record_samples import DCF, EER, failed, make_record
from voxboard.boards import Board
from voxboard.boards.det import Det, det
from voxboard.boards.group_forest import GroupForest, group_forests
from voxboard.boards.groups import divisions, gaps
from voxboard.boards.scores import bayes_error, histogram
from voxboard.charts import operating
from voxboard.charts.chart import UNITS, ChartAxis, look, path
from voxboard.records import Curves, Gap, Group, Record, Value


@pytest.fixture(scope="module")
def board() -> Board:
    return board_of(*board_records(), failed("broken+x"))


def _points(drawing: str) -> list[tuple[float, float]]:
    """The points of a path, as shares from the left and from the bottom."""
    numbers = [int(part) for part in re.findall(r"-?\d+", drawing)]
    x = y = 0
    found = []
    for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
        x, y = x + dx, y + dy
        found.append((x / UNITS, 1 - y / UNITS))
    return found


def _rate(axis: ChartAxis, share: float) -> float:
    """What a position on a probit axis means."""
    low, high = operating.probit(axis.low), operating.probit(axis.high)
    return operating._NORMAL.cdf(low + share * (high - low))


def _det(board: Board) -> Det:
    plot = det(board, board.panels[0])
    assert plot
    return plot


def test_paths_come_back_as_they_were() -> None:
    points = [(0.0, 1.0), (0.25, 0.5), (0.2, 0.75), (1.0, -0.1)]
    for drawn, point in zip(_points(path(points)), points, strict=True):
        assert drawn == pytest.approx(point)
    assert path(points, closed=True).endswith("z")
    assert path([]) == ""


def test_every_point_of_a_line_is_an_operating_point_of_its_record(board: Board) -> None:
    plot = _det(board)
    assert [key.row.label for key in plot.keys] == list(SYSTEMS)
    for line in plot.chart.lines:
        record = board.panels[0].filed[line.row].record
        assert record.curves
        known = operating.deviates(record.curves)
        for x, y in _points(line.path):
            far, frr = _rate(plot.chart.x, x), _rate(plot.chart.y, y)
            assert any(abs(far - a) < 1e-3 * a and abs(frr - b) < 1e-3 * b for a, b in known)


def test_lines_deviate_less_than_a_pixel_from_all_points(board: Board) -> None:
    plot = _det(board)
    for line in plot.chart.lines:
        record = board.panels[0].filed[line.row].record
        assert record.curves
        points = [(plot.chart.x, far, frr) for far, frr in operating.deviates(record.curves)]
        every = [
            (operating.Axis(a.low, a.high).place(far), operating.Axis(a.low, a.high).place(frr))
            for a, far, frr in points
        ]
        drawn = _points(line.path)
        for x, y in (point for point in every if all(0 <= share <= 1 for share in point)):
            before = max(place for place, point in enumerate(drawn) if point[0] <= x + 1e-5 and point[1] >= y - 1e-5)
            (x0, y0), (x1, y1) = drawn[before], drawn[min(before + 1, len(drawn) - 1)]
            length = max(((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5, 1e-9)
            assert abs((x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)) / length < 1 / 500


def test_dots_are_the_eer_the_cheapest_points_and_the_validation_threshold() -> None:
    record = grouped("a+b", 2.5)
    assert record.protocol
    assert record.curves
    valid = {"far@valid_threshold": Value(0.06), "frr@valid_threshold": Value(0.14)}
    metrics = {**record.protocol.metrics, "frr@valid_threshold": {}}
    record = replace(record, values={**record.values, **valid}, protocol=replace(record.protocol, metrics=metrics))
    plot = _det(board_of(record))
    equal = operating.equal_error(record.curves)
    assert equal
    dots = {
        dot.label.partition(": ")[2]: (_rate(plot.chart.x, dot.x), _rate(plot.chart.y, dot.y))
        for dot in plot.chart.dots
    }
    assert dots[f"EER {100 * equal:.6g} %"] == pytest.approx((equal, equal))
    assert dots["validation threshold: FAR* 6.00 %, FRR* 14.00 %"] == pytest.approx((0.06, 0.14))
    assert plot.validated
    assert any(label.startswith("minDCF(0.05)") for label in dots)


def test_a_chart_needs_curves_and_counts_who_has_none() -> None:
    bare = board_of(make_record("a"), make_record("b"))
    assert det(bare, bare.panels[0]) is None
    plot = _det(board_of(grouped("a"), make_record("b", 0.4), failed("c")))
    assert (len(plot.keys), plot.without) == (1, 1)


def test_systems_look_alike_in_all_charts_while_colours_last(board: Board) -> None:
    looks = [{key.row.id: key.css for key in plot.keys} for panel in board.panels if (plot := det(board, panel))]
    assert len(looks) == 2
    assert looks[0] == looks[1]
    assert len(set(looks[0].values())) == 4
    assert len({look(index) for index in range(12)}) == 12
    assert look(12) == look(99) == "rest"
    many = board_of(*(grouped(f"s{i}+x", 2.0 + i / 20) for i in range(14)))
    assert [key.css for key in _det(many).keys].count("rest") == 2


def test_the_histogram_stands_on_its_counts_and_marks_the_threshold() -> None:
    record = grouped()
    curves = record.curves
    assert curves
    chart = histogram(record)
    assert chart
    for line, counts in zip(chart.lines[1::2], (curves.non_targets, curves.targets), strict=True):
        assert line.label.startswith("2,000")
        highest = max(y for _, y in _points(line.path)) * chart.y.high
        assert highest == pytest.approx(max(counts) / sum(counts), rel=1e-3)
    (rule,) = chart.rules
    assert rule.text == "threshold 0.240"
    assert chart.x.low + rule.x * (chart.x.high - chart.x.low) == pytest.approx(0.24)
    assert histogram(make_record()) is None


def test_the_bayes_error_plot_has_both_lines_and_the_reported_priors() -> None:
    record = grouped()
    assert record.curves
    chart = bayes_error(record)
    assert chart
    lines = {line.label: _points(line.path) for line in chart.lines if line.label}
    for name, rates in (("actual", record.curves.actual), ("minimum", record.curves.minimum)):
        assert [y * chart.y.high for _, y in lines[name]] == pytest.approx(list(rates), abs=1e-4)
    assert [rule.text for rule in chart.rules] == ["p=0.01", "p=0.05"]
    assert bayes_error(replace(record, curves=replace(record.curves, log_odds=(), actual=(), minimum=()))) is None


# --- groups ---


def _forests(record: Record) -> tuple[GroupForest, ...]:
    panel = board_of(record).panels[0]
    return group_forests(panel, panel.filed[panel.rows[0].id])


def test_groups_have_their_intervals_on_one_axis() -> None:
    gender, accent = _forests(grouped())
    assert gender.ticks == accent.ticks
    assert [mark.group.name for mark in gender.marks] == ["female", "male"]
    for mark in (*gender.marks, *accent.marks[:-1]):
        low, x, high = (float(end.rstrip("%")) for end in (mark.low, mark.x, mark.high))
        assert 0 <= low < x < high <= 100
    assert gender.band
    assert float(gender.band[0].rstrip("%")) < float(gender.band[1].rstrip("%"))
    assert _forests(make_record()) == ()


def test_the_worst_group_and_the_gap_are_stated() -> None:
    gender, accent = (plot.division for plot in _forests(grouped()))
    assert gender.worst
    assert gender.worst.name == "female"
    assert re.fullmatch(r"Worst: female, 8\.60 %\. Gap to male: 2\.75 points \[0\.82, 4\.95\]\.", gender.sentence)
    assert accent.sentence.endswith("The interval holds zero.")


def test_a_group_too_small_for_a_number_says_so() -> None:
    marks = _forests(grouped())[1].marks
    assert (marks[-1].group.name, marks[-1].group.reason) == ("Welsh", "too small: 12 targets, a number needs 30")
    assert (marks[-1].x, marks[-1].text) == ("", "")


@pytest.mark.parametrize(
    ("gap", "says"),
    [
        (None, ""),
        (Value(None, reason="no resample has both groups"), "No gap: no resample has both groups."),
        (Value(0.02), "Gap to male: 2.00 points."),
    ],
)
def test_gaps_that_lack_something_say_what(gap: Value | None, says: str) -> None:
    strata = tuple(
        Group(f"gender={g}", 9, 3, {EER: Value(v)}, label="gender") for g, v in (("female", 0.1), ("male", 0.08))
    )
    found = (Gap("gender", EER, "gender=female", "gender=male", gap),) if gap else ()
    (part,) = divisions(make_record(groups=strata, gaps=found))
    assert says in part.sentence
    assert bool(part.sentence) == bool(gap)
    (alone,) = divisions(make_record(groups=strata[:1], gaps=()))
    assert alone.sentence == "No gap: fewer than two groups have a number."


def test_groups_of_another_metric_are_others() -> None:
    record = grouped()
    (gender, _) = divisions(record, DCF)
    assert gender.numbers == ()
    assert gender.groups[0].reason == "minDCF(0.01) was not measured"


def test_the_table_of_gaps_has_a_column_per_label(board: Board) -> None:
    table = gaps(board.panels[0])
    assert table.labels == ("gender", "accent")
    assert [row.label for row, _ in table.rows] == list(SYSTEMS)
    assert all(
        part and part.worst and part.worst.name in ("female", "Indian") for _, parts in table.rows for part in parts
    )
    assert gaps(board_of(make_record()).panels[0]).rows == ()


def test_odd_curves_are_still_drawn() -> None:
    for curves in (
        Curves((), (), (0.0, 0.0), (0,), (0,)),
        Curves((0.5,), (0.5,), (0.0, 1.0), (0,), (0,)),
        Curves((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (-1e300, 1e300), (5,), (5,), (0.0, 0.0), (9.0, 9.0), (1.0, 1.0)),
        sample_curves("x", 30.0, 40),
    ):
        record = make_record(curves=curves)
        board = board_of(record)
        plot = det(board, board.panels[0])
        assert (plot is None) == (not curves.far)
        for chart in (histogram(record), bayes_error(record)):
            assert chart is None or all("nan" not in line.path for line in chart.lines)
