"""Confusion matrices: which class is taken for which, in percent of the true class's utterances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from voxboard.charts.confusion import LARGEST, Matrix, matrix
from voxboard.plots.style import COLOURS, INK, SOFT, heading, panels, styled
from voxboard.records import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELL = 0.42  # inches
_DEEP = 0.6  # share from which a cell is so dark that its text is white


def confusion(systems: Mapping[str, Record], title: str = "") -> Figure:
    """A matrix per system: rows are true classes, shades and numbers the percent of the row; totals at the right.

    `systems`: name → record. Raises `ValueError` for a record without a matrix, or with too many classes.
    """
    if not systems:
        raise ValueError("there is no system to plot")
    matrices = {name: _drawable(name, record) for name, record in systems.items()}
    most = max(len(mixed.classes) for mixed in matrices.values())
    longest = max(len(name) for mixed in matrices.values() for name in mixed.classes)
    room = 0.075 * longest
    with styled():
        width = 1.6 + room + _CELL * most
        figure, grid = panels(len(matrices), width, 1.3 + room + _CELL * most, columns=3)
        for axes, (name, mixed) in zip(grid, matrices.items(), strict=True):
            _panel(axes, mixed)
            axes.set_title(heading(name, width))
        if title:
            figure.suptitle(title, x=0.02, ha="left", fontsize=10)
    return figure


def _drawable(name: str, record: Record) -> Matrix:
    mixed = matrix(record.confusion)
    if mixed is None:
        raise ValueError(f"{name} has no confusion matrix: its benchmark predicts no classes")
    if not mixed.drawn:
        raise ValueError(
            f"{name} has {len(mixed.classes)} classes, more than the {LARGEST} that a picture has room for"
        )
    return mixed


def _panel(axes: Axes, mixed: Matrix) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("shades", ["#f6f4ef", COLOURS[0]])
    size = len(mixed.classes)
    shares = [[field.share for field in line.fields] for line in mixed.lines]
    axes.imshow(shares, cmap=shades, vmin=0.0, vmax=1.0, interpolation="nearest")
    for row, line in enumerate(mixed.lines):
        for column, field in enumerate(line.fields):
            color = "white" if field.share >= _DEEP else INK
            weight = "bold" if field.right else "normal"
            axes.text(column, row, field.text, ha="center", va="center", color=color, fontweight=weight, fontsize=8)
        total = f"{line.total:,}"
        axes.annotate(
            total, (size - 0.5, row), (6, 0), textcoords="offset points", va="center", color=SOFT, fontsize=7.5
        )
    upright = max(map(len, mixed.classes)) > 6
    axes.set_xticks(range(size), mixed.classes, rotation=90 if upright else 0)
    axes.set_yticks(range(size), mixed.classes)
    axes.set(xlabel="taken for", ylabel="true class")
    # White lines between the cells.
    axes.set_xticks([place - 0.5 for place in range(1, size)], minor=True)
    axes.set_yticks([place - 0.5 for place in range(1, size)], minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
