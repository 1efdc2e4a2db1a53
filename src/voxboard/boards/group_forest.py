"""Forest plots of one record's speaker groups, each label beside the number over all trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voxboard.boards.forest import LINE, axis, ends, position, shown_unit, ticks_of
from voxboard.boards.groups import Division, GroupLine, divisions
from voxboard.boards.model import BoardColumn, Panel
from voxboard.charts.numbers import show, show_interval
from voxboard.records import Filed, Value


@dataclass(frozen=True)
class GroupMark:
    """One group; positions in percent of the width, empty where there is no number."""

    group: GroupLine
    y: float  # pixels
    low: str
    x: str
    high: str
    text: str
    interval: str


@dataclass(frozen=True)
class GroupForest:
    """The groups under one label."""

    division: Division
    marks: tuple[GroupMark, ...]
    ticks: tuple[tuple[str, str], ...]
    height: int
    band: tuple[str, str, str] | None  # over all trials: left end, middle and width
    unit: str


def group_forests(panel: Panel, filed: Filed) -> tuple[GroupForest, ...]:
    """One plot per label, all on the same axis; empty for a record without groups.

    Labels with too many groups are left to a table.
    """
    parts = tuple(part for part in divisions(filed.record, panel.main.metric) if not part.many)
    overall = filed.record.values.get(panel.main.metric)
    whole = [overall] if overall and overall.value is not None else []
    values = [value for part in parts for value in part.numbers]
    if not parts:
        return ()
    span = axis([end for value in [*values, *whole] for end in ends(value)] or [0.0, 1.0])
    return tuple(_forest(part, panel.main, span, whole) for part in parts)


def _forest(
    part: Division, column: BoardColumn, span: tuple[float, float, float], overall: Sequence[Value]
) -> GroupForest:
    start, end, step = span
    band = None
    if overall:
        low, middle, high = ends(overall[0])
        band = position(low, start, end), position(middle, start, end), position(high - low, 0, end - start)
    return GroupForest(
        part,
        tuple(_mark(group, place, part.digits, start, end) for place, group in enumerate(part.groups)),
        tuple((position(point, start, end), text) for point, text in ticks_of(start, end, step)),
        LINE * len(part.groups),
        band,
        shown_unit(column.unit),
    )


def _mark(group: GroupLine, place: int, digits: int, start: float, end: float) -> GroupMark:
    y = (place + 0.5) * LINE
    if group.value is None:
        return GroupMark(group, y, "", "", "", "", "")
    low, middle, high = (position(point, start, end) for point in ends(group.value))
    return GroupMark(group, y, low, middle, high, show(group.value, digits), show_interval(group.value, digits))
