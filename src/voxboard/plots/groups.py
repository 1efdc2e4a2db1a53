"""Forest plots of speaker groups: who is served worse, by how much, and how sure that is."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from voxboard.boards.forest import ends, shown_unit
from voxboard.boards.groups import Division, GroupLine, divisions
from voxboard.charts.numbers import plain, show, show_interval
from voxboard.plots.style import COLOURS, INK, LINE, SOFT, heading, panels, plain_axes, styled
from voxboard.records import Record, Value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW, _WIDTH = 0.24, 5.6  # inches
_USUAL, _WORST = COLOURS[0], COLOURS[1]


def forest(systems: Mapping[str, Record], metric: str | None = None, title: str = "") -> Figure:
    """Groups with their intervals under each label, one panel per system; the worst group is a filled diamond.

    `systems`: name → record. `metric`: an id such as "eer@interpolated"; default: the first record's main one. The
    band is the interval over everything; labels with very many groups, such as recordings, are left out. Raises
    `ValueError` for a record without groups or without the metric.
    """
    if not systems:
        raise ValueError("there is no system to plot")
    metric = metric or next(iter(systems.values())).benchmark.main_metric
    by_system = {
        name: tuple(part for part in divisions(record, metric) if not part.many) for name, record in systems.items()
    }
    for name, parts in by_system.items():
        if not any(part.numbers for part in parts):
            raise ValueError(f"{name} has no group with a number")
    whole = {name: _whole(record, metric) for name, record in systems.items()}
    rows = max(2 + sum(len(part.groups) + 2.5 for part in parts) for parts in by_system.values())
    with styled():
        figure, grid = panels(len(by_system), _WIDTH, 0.9 + _ROW * rows, columns=2)
        limits = _limits([value for name, parts in by_system.items() for value in (*_numbers(parts), *whole[name])])
        for axes, (name, parts) in zip(grid, by_system.items(), strict=True):
            _panel(axes, parts, whole[name], _kind(systems[name]))
            axes.set(title=heading(name, _WIDTH), xlim=limits)
        if title:
            figure.suptitle(title, x=0.02, ha="left", fontsize=10)
    return figure


def _kind(record: Record) -> str:
    return record.protocol.items.kind if record.protocol else "items"


def _whole(record: Record, metric: str) -> list[Value]:
    """The number over all trials, where there is one."""
    value = record.values.get(metric)
    return [value] if value and value.value is not None else []


def _numbers(parts: Sequence[Division]) -> list[Value]:
    return [value for part in parts for value in part.numbers]


def _limits(values: Sequence[Value]) -> tuple[float, float]:
    """One axis for all systems, from zero when that is near."""
    reach = [end for value in values for end in ends(value)]
    room = 0.06 * (max(reach) - min(reach) or 1.0)
    low = 0.0 if 0 <= min(reach) < 0.6 * max(reach) else min(reach) - room
    return low, max(reach) + room


def _panel(axes: Axes, parts: tuple[Division, ...], whole: Sequence[Value], kind: str) -> None:
    """Rows from the top: everything, then each label with its groups and a sentence on the gap."""
    values = [*_numbers(parts), *whole]
    digits = parts[0].digits
    rows: list[tuple[float, str, str]] = []  # height, text, weight
    height = 0.0
    for value in whole:
        axes.axvspan(*ends(value)[::2], color=LINE, alpha=0.5, linewidth=0)
        axes.axvline(ends(value)[1], color=SOFT, linewidth=0.8, linestyle=(0, (4, 2)))
        _mark(axes, height, value, INK, "s", digits)
        rows.append((height, f"all {kind}", "normal"))
        height += 0.4
    for part in parts:
        height += 1.0
        rows.append((height, part.label, "bold"))
        for group in part.groups:
            height += 1.0
            rows.append((height, f"{group.name} ({group.count:,})", "normal"))
            _group(axes, height, group, digits)
        if part.sentence:
            height += 1.0
            height += 0.8 * (_words(axes, height, part.sentence) - 1)
    axes.set(ylim=(height + 0.8, -0.8), xlabel=_unit(parts[0], values[0]))
    axes.set_yticks([row[0] for row in rows], [row[1] for row in rows])
    for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_fontweight(row[2])
    axes.tick_params(axis="y", length=0)
    plain_axes(axes, "x")
    axes.spines["left"].set_visible(False)


def _group(axes: Axes, height: float, group: GroupLine, digits: int) -> None:
    if group.value is None:
        _words(axes, height, group.reason)
    else:
        _mark(axes, height, group.value, _WORST if group.worst else _USUAL, "D" if group.worst else "o", digits)


def _mark(axes: Axes, height: float, value: Value, color: str, marker: str, digits: int) -> None:
    low, middle, high = ends(value)
    axes.plot([low, high], [height] * 2, color=color, linewidth=1.4, solid_capstyle="butt", zorder=3)
    axes.scatter(middle, height, 22, marker=marker, color=color, edgecolors="white", linewidths=0.6, zorder=4)
    text = f"{show(value, digits)} {show_interval(value, digits)}".strip()
    axes.annotate(text, (1, height), (6, 0), ("axes fraction", "data"), "offset points", va="center", fontsize=7.5)


def _words(axes: Axes, height: float, text: str) -> int:
    """A sentence in place of a mark; returns how many lines it took."""
    lines = textwrap.wrap(text, 66) or [""]
    ground = {"facecolor": "white", "edgecolor": "none", "boxstyle": "square,pad=0.1"}
    for index, line in enumerate(lines):
        axes.annotate(line, (0, height + 0.7 * index), (2, 0), ("axes fraction", "data"), "offset points", va="center",
                      fontsize=7.5, color=SOFT, style="italic", bbox=ground)  # fmt: skip
    return len(lines)


def _unit(part: Division, value: Value) -> str:
    unit = plain(shown_unit(value.unit))
    return f"{part.metric.name} ({unit})" if unit else part.metric.name
