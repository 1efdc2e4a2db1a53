"""The DET plot: false rejections against false acceptances of several systems (Martin et al. 1997)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from voxboard.charts.operating import (
    P_TARGETS,
    Axis,
    Point,
    cheapest,
    common_axis,
    deviates,
    drawn,
    equal_error,
    percent,
    probit,
    trials,
)
from voxboard.charts.titles import folded
from voxboard.errors import printable
from voxboard.plots.labels import along
from voxboard.plots.style import SOFT, Source, as_curves, in_key, plain_axes, stroke, styled
from voxboard.records import Curves
from voxboard.records.standard_metrics import standard
from voxboard.shown import as_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_MARKERS = ("v", "^", "<", ">")  # of the lowest cost at each prior
_NAMED_ALONG = 5  # systems; more get a key
_KEY = 56  # letters of a line in the key
_SIZE = (4.9, 5.2)  # inches, without a key


def det(
    systems: Mapping[str, Source],
    p_targets: Sequence[float] = P_TARGETS,
    thresholds: Mapping[str, Point] | None = None,
    title: str = "",
) -> Figure:
    """DET curves on probit axes: a dot at each EER, a triangle at each minDCF of the priors `p_targets`.

    `systems`: name → `records.Curves`, or (scores [n], labels [n]). `thresholds`: name → the (FAR, FRR) that a
    validation threshold gave, drawn as a cross. Where no trial is an error, half a trial stands in. Raises
    `ValueError` without a system, or as every detection metric does.
    """
    curves = as_curves(systems)
    order = sorted(curves, key=lambda name: (equal_error(curves[name]) or 0.0, name))
    axis = common_axis(curves.values())
    thresholds = thresholds or {}
    with styled():
        from matplotlib.figure import Figure

        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.subplots()
        _frame(axes, axis, title, list(curves.values()))
        lines = [
            _curve(axes, curves[name], stroke(index), p_targets, thresholds.get(name))
            for index, name in enumerate(order)
        ]
        figure.legend(handles=_signs(p_targets, bool(thresholds)), loc="outside lower center", ncols=4, fontsize=7.5)
        _names(axes, lines, [_title(name, curves[name]) for name in order])
    return figure


def _title(name: str, curves: Curves) -> str:
    equal, name = equal_error(curves), printable(name)
    return name if equal is None else f"{name}  {as_text(standard('eer'), equal)}"


def _frame(axes: Axes, axis: Axis, title: str, systems: Sequence[Curves]) -> None:
    ends = probit(axis.low), probit(axis.high)
    places, words = [probit(rate) for rate in axis.ticks()], [percent(rate) for rate in axis.ticks()]
    axes.set(
        xlim=ends, ylim=ends, aspect="equal", xlabel="False acceptance rate (%)", ylabel="False rejection rate (%)"
    )
    axes.set_xticks(places, words)
    axes.set_yticks(places, words)
    axes.plot(ends, ends, color=SOFT, linewidth=0.6, linestyle=(0, (1, 3)), zorder=1)
    plain_axes(axes, "both")
    axes.set_title(printable(title))
    if len({trials(curves) for curves in systems}) == 1:
        targets, others = trials(systems[0])
        note = f"{targets:,} targets, {others:,} non-targets"
        axes.annotate(note, (1, 1), (-2, 3), "axes fraction", "offset points", ha="right", fontsize=7, color=SOFT)


def _curve(
    axes: Axes, curves: Curves, look: Mapping[str, Any], p_targets: Sequence[float], threshold: Point | None
) -> Line2D:
    """One system: its line, and filled marks of its operating points on it."""
    line = [(probit(far), probit(frr)) for far, frr in deviates(curves)]
    (drawn_line,) = axes.plot(*zip(*line, strict=True) if line else ((), ()), linewidth=1.5, zorder=3, **look)
    equal = equal_error(curves)
    cheap = [cheapest(curves, p_target) for p_target in p_targets]
    marks = [(_MARKERS[i % 4], cheapest_points[0], 20.0) for i, cheapest_points in enumerate(cheap) if cheapest_points]
    marks += [("X", threshold, 30.0)] if threshold else []
    marks += [("o", (equal, equal), 22.0)] if equal is not None else []
    for marker, point, size in marks:
        x, y = map(probit, drawn(curves, point))
        axes.scatter(x, y, size, marker=marker, color=look["color"], edgecolors="white", linewidths=0.7, zorder=5)
    return drawn_line


def _signs(p_targets: Sequence[float], crossed: bool) -> list[Line2D]:
    """Legend of the marks, without a colour."""
    from matplotlib.lines import Line2D

    words = [("o", "EER")] + [(_MARKERS[i % 4], f"minDCF({p:g})") for i, p in enumerate(p_targets)]
    words += [("X", "validation threshold")] if crossed else []
    return [Line2D([], [], linestyle="", marker=sign, markersize=4.5, color=SOFT, label=text) for sign, text in words]


def _names(axes: Axes, lines: Sequence[Line2D], texts: Sequence[str]) -> None:
    """Names with EER along the lines where there is room for all of them, else in a key, best system first."""
    if len(lines) <= _NAMED_ALONG and along(axes, lines, texts):
        return
    for line, text in zip(lines, texts, strict=True):
        line.set_label(in_key(folded(text, _KEY)))
    figure = axes.get_figure(root=True)
    assert figure is not None
    key = figure.legend(
        handles=list(lines), loc="outside right upper", fontsize=7.5, title="System, EER", alignment="left"
    )
    figure.set_size_inches(60, 30)  # the key has a size once it is laid out, with room to spare
    figure.draw_without_rendering()
    needed = key.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
    width, height = _SIZE
    figure.set_size_inches(width + needed.width, max(height, needed.height + 0.4))
