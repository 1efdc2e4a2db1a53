"""Charts of one record's scores: histograms of both classes, and the Bayes error rate over priors."""

from __future__ import annotations

import math
from collections.abc import Sequence

from voxboard.boards.forest import HUGE, axis, ticks_of
from voxboard.charts.chart import Chart, ChartAxis, ChartLine, Point, RuleLine, linear, path
from voxboard.charts.numbers import count
from voxboard.charts.operating import P_TARGETS
from voxboard.records import Curves, Record

_LEAD = 1.14  # of the highest bar: room for the threshold's name


def histogram(record: Record) -> Chart | None:
    """The histograms of a record's scores, each as a share of its own class; None where it has none."""
    curves = record.curves
    if curves is None or not _spans(curves.edges):
        return None
    named = (("non-targets", curves.non_targets), ("targets", curves.targets))
    heights = [[bar / (sum(bars) or 1) for bar in bars] for _, bars in named]
    top = _LEAD * (max(max(side) for side in heights) or 1.0)
    low, high = curves.edges[0], curves.edges[-1]
    lines: list[ChartLine] = []
    for (word, bars), side in zip(named, heights, strict=True):
        steps = [((x - low) / (high - low), y / top) for x, y in _steps(curves.edges, side)]
        css = word.replace("-", "")
        lines.append(ChartLine(path([(steps[0][0], 0), *steps, (steps[-1][0], 0)], closed=True), f"area {css}", ""))
        lines.append(ChartLine(path(steps), f"edge {css}", f"{count(sum(bars))} {word}"))
    _, end, step = axis([0, 100 * top])
    upright = [(value / 100, text) for value, text in ticks_of(0, end, step)]
    return Chart(
        "Histograms of the scores of targets and non-targets",
        _score_axis(low, high),
        linear("Share of the class (%)", "share", 0, top, upright, "%"),
        tuple(lines),
        rules=_threshold(record, low, high),
    )


def _score_axis(low: float, high: float) -> ChartAxis:
    return linear("Score", "score", low, high, ticks_of(*axis([low, high])))


def _steps(edges: Sequence[float], heights: Sequence[float]) -> list[Point]:
    """The corners of a histogram's outline, without those between bars of equal height."""
    corners: list[Point] = []
    for place, height in enumerate(heights):
        if not place or heights[place - 1] != height:
            corners.append((edges[place], height))
        if place + 1 == len(heights) or heights[place + 1] != height:
            corners.append((edges[place + 1], height))
    return corners


def _threshold(record: Record, low: float, high: float) -> tuple[RuleLine, ...]:
    """The threshold of the validation list where there is one, else that of the main metric."""
    for metric, name in (("far@valid_threshold", "validation threshold"), (record.benchmark.main_metric, "threshold")):
        value = record.values.get(metric)
        if value and value.threshold is not None and low <= value.threshold <= high:
            share = (value.threshold - low) / (high - low)
            side = "start" if share < 0.25 else "end" if share > 0.75 else "middle"
            return (RuleLine(share, f"{name} {value.threshold:.3f}", side),)  # type: ignore[arg-type]
    return ()


def bayes_error(record: Record) -> Chart | None:
    """The normalised Bayes error rate over prior log-odds, actual and minimum; None without calibrated scores."""
    curves = record.curves
    if curves is None or not _spans(curves.log_odds):
        return None
    low, high = curves.log_odds[0], curves.log_odds[-1]
    top = min(1.5, max(1.1, 1.05 * max(curves.actual)))
    actual, minimum = (_over(curves, rates, top) for rates in (curves.actual, curves.minimum))
    between = path([*actual, *reversed(minimum)], closed=True)
    priors = [(p, math.log(p / (1 - p))) for p in P_TARGETS]
    return Chart(
        "Normalised Bayes error rate over prior log-odds, actual and minimum",
        linear("Prior log-odds of a target", "log-odds", low, high, ticks_of(*axis([low, high]))),
        linear("Normalised error rate", "error rate", 0, top, ticks_of(0, 1.4, 0.2)),
        (
            ChartLine(between, "area loss", ""),
            ChartLine(path([(0, 1 / top), (1, 1 / top)]), "level", ""),
            ChartLine(path(minimum), "edge minimum", "minimum"),
            ChartLine(path(actual), "edge actual", "actual"),
        ),
        rules=tuple(
            RuleLine((odds - low) / (high - low), f"p={p:g}", side)  # type: ignore[arg-type]
            for (p, odds), side in zip(priors, ("end", "start"), strict=True)
            if low < odds < high
        ),
    )


def _over(curves: Curves, rates: Sequence[float], top: float) -> list[Point]:
    """A line over the priors; what is far above the chart ends not so far above it."""
    low, high = curves.log_odds[0], curves.log_odds[-1]
    return [((x - low) / (high - low), min(y / top, 9.0)) for x, y in zip(curves.log_odds, rates, strict=True)]


def _spans(points: Sequence[float]) -> bool:
    """True if an axis can be drawn over them."""
    if len(points) < 2 or max(map(abs, points)) > HUGE:
        return False
    return points[-1] - points[0] > max(1 / HUGE, 1e-9 * max(map(abs, points)))
