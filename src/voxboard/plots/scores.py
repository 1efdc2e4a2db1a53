"""Score histograms: how far apart the scores of targets and of non-targets lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from voxboard.plots.style import INK, NON_TARGETS, TARGETS, Source, as_curves, heading, panels, plain_axes, styled
from voxboard.records import Curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def histogram(systems: Mapping[str, Source], thresholds: Mapping[str, float] | None = None, title: str = "") -> Figure:
    """Histograms of both classes, each as a share of its own trials, one panel per system.

    `systems`: name → `records.Curves`, or (scores [n], labels [n]). `thresholds`: name → the score that decides,
    drawn as a line; equal scores are accepted. Raises `ValueError` without a system, or as detection metrics do.
    """
    by_system = as_curves(systems)
    with styled():
        width, height = (4.6, 3.2) if len(by_system) == 1 else (3.3, 2.6)
        figure, grid = panels(len(by_system), width, height)
        for axes, (name, curves) in zip(grid, by_system.items(), strict=True):
            _panel(axes, curves, (thresholds or {}).get(name))
            axes.set_title(heading(name, width))
        if title:
            figure.suptitle(title, x=0.02, ha="left", fontsize=10)
    return figure


def _panel(axes: Axes, curves: Curves, threshold: float | None) -> None:
    targets, others = shares(curves.targets), shares(curves.non_targets)
    for heights, color in ((others, NON_TARGETS), (targets, TARGETS)):
        axes.stairs(heights, curves.edges, fill=True, color=color, alpha=0.28)
        axes.stairs(heights, curves.edges, color=color, linewidth=1.1)
    for side, count, word, color in (
        (0, sum(curves.non_targets), "non-targets", NON_TARGETS),
        (1, sum(curves.targets), "targets", TARGETS),
    ):
        place: dict[str, Any] = {"ha": ("left", "right")[side], "va": "top", "transform": axes.transAxes}
        axes.text(0.01 + 0.98 * side, 1.0, f"{count:,} {word}", color=color, **place)
    top = max((*targets, *others)) or 1.0
    axes.set(ylim=(0, 1.32 * top), xlabel="score", ylabel="share of the class (%)")
    if threshold is not None:
        axes.plot([threshold] * 2, [0, 1.1 * top], color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
        words = f"threshold {threshold:.3g}"
        axes.annotate(words, (threshold, 1.1 * top), (0, 2), textcoords="offset points", ha="center", fontsize=7.5)
    plain_axes(axes)


def shares(counts: Sequence[int]) -> list[float]:
    """Percent of a class in each bin."""
    total = sum(counts) or 1
    return [100 * count / total for count in counts]
