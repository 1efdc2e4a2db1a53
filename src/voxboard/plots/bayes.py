"""Calibration: what decisions cost over all priors, and whether a probability means what it says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from voxboard.charts.operating import P_TARGETS
from voxboard.plots.style import COLOURS, INK, SOFT, Source, as_curves, heading, panels, plain_axes, styled
from voxboard.records import Curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BINS = 10  # of predicted probability
_COLOUR = COLOURS[0]


def calibration(systems: Mapping[str, Source], title: str = "") -> Figure:
    """The normalised Bayes error rate over prior log-odds, actual and minimum, one column per system.

    The area between the lines is what calibration loses (Brümmer & de Villiers 2013, §2.4). `systems`: name →
    `records.Curves`, or (log-likelihood ratios [n], labels [n]); of these a reliability diagram stands below. Raises
    `ValueError` for curves without calibrated scores, or as detection metrics do.
    """
    by_system = as_curves(systems, calibrated=True)
    for name, curves in by_system.items():
        if not curves.log_odds:
            raise ValueError(f"{name} has no calibrated scores")
    ratios = {name: source for name, source in systems.items() if not isinstance(source, Curves)}
    width, height = (4.4, 3.2) if len(by_system) == 1 else (3.3, 2.8)
    with styled():
        figure, grid = panels(len(by_system) + len(ratios), width, height, columns=min(len(by_system), 3))
        top = _top(by_system)
        for axes, (name, curves) in zip(grid, by_system.items(), strict=False):
            _bayes_error(axes, curves, top)
            axes.set_title(heading(name, width))
        for axes, (name, (scores, labels)) in zip(grid[len(by_system) :], ratios.items(), strict=True):
            _reliability(axes, scores, labels)
            axes.set_title("" if len(by_system) == 1 else heading(name, width))
        if title:
            figure.suptitle(title, x=0.02, ha="left", fontsize=10)
    return figure


def _top(by_system: Mapping[str, Curves]) -> float:
    """End of the axis: at most a half above the cost of a system that ignores its input."""
    return min(1.5, max(1.1, 1.05 * max(max(curves.actual) for curves in by_system.values())))


def _bayes_error(axes: Axes, curves: Curves, top: float) -> None:
    odds = curves.log_odds
    axes.axhline(1, color=SOFT, linewidth=0.7)
    axes.annotate("input ignored", (0, 1), (0, 2), textcoords="offset points", ha="center", fontsize=7, color=SOFT)
    axes.fill_between(odds, curves.minimum, curves.actual, color=_COLOUR, alpha=0.16, linewidth=0)
    axes.plot(odds, curves.actual, color=_COLOUR, linewidth=1.5, label="actual")
    axes.plot(odds, curves.minimum, color=INK, linewidth=1.1, linestyle=(0, (5, 2)), label="minimum")
    for p_target, side in zip(P_TARGETS, ("right", "left"), strict=True):
        place = math.log(p_target / (1 - p_target))
        axes.plot([place] * 2, [0, top], color=SOFT, linewidth=0.7, linestyle=(0, (1, 2)), zorder=1)
        shift = (3 if side == "left" else -3, 0)
        axes.annotate(f"p={p_target:g}", (place, top), shift, textcoords="offset points", ha=side, va="top",
                      fontsize=7, color=SOFT)  # fmt: skip
    axes.set(
        xlim=(odds[0], odds[-1]), ylim=(0, top), xlabel="prior log-odds of a target", ylabel="normalised error rate"
    )
    axes.legend(loc="lower center", fontsize=7.5, ncols=2)
    plain_axes(axes)


def reliability(scores: Any, labels: Any, bins: int = _BINS) -> tuple[Any, Any, Any]:
    """(mean predicted probability, observed share of targets, weight), each [b], of the bins that hold trials.

    Probabilities are those of log-likelihood ratios [n] at a prior of one half; both classes weigh the same.
    """
    import numpy as np
    from scipy.special import expit

    from voxboard.metrics.ranked import checked

    values, targets = checked(scores, labels)
    predicted = expit(values.astype(np.float64))
    weight = np.where(targets, 0.5 / targets.sum(), 0.5 / (~targets).sum())
    place = np.minimum((predicted * bins).astype(int), bins - 1)
    total, mean, hits = (np.bincount(place, w, bins) for w in (weight, weight * predicted, weight * targets))
    used = total > 0
    return mean[used] / total[used], hits[used] / total[used], total[used]


def _reliability(axes: Axes, scores: Any, labels: Any) -> None:
    predicted, observed, weight = reliability(scores, labels)
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.7)
    axes.plot(predicted, observed, color=_COLOUR, linewidth=1.1)
    axes.scatter(predicted, observed, 8 + 160 * weight, color=_COLOUR, edgecolors="white", linewidths=0.7, zorder=3)
    axes.annotate("at a prior of ½; dots by share of trials", (1, 0), (-2, 4), "axes fraction", "offset points",
                  ha="right", fontsize=7, color=SOFT)  # fmt: skip
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal", xlabel="predicted probability of a target")
    axes.set_ylabel("observed share of targets")
    plain_axes(axes)
