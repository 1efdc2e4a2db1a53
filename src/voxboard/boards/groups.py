"""Speaker groups of a record: their numbers, the worst one, and the gap to the best, ready to be drawn or written."""

from __future__ import annotations

from dataclasses import dataclass

from voxboard.boards.model import BoardRow, Panel
from voxboard.charts.numbers import number, plain, scale, show, show_interval
from voxboard.metrics.enough import SPEAKERS, too_few
from voxboard.records import Gap, Group, Metric, Record, Value

MOST = 12  # groups under one label that are drawn; more, such as a test's recordings, are told in a sentence


@dataclass(frozen=True)
class GroupLine:
    """A group of a record in one metric: a line of a table, a mark of a picture."""

    name: str  # "female"
    count: int
    targets: int | None
    value: Value | None  # None where there is no number, and `reason` says why
    reason: str
    worst: bool = False
    best: bool = False


@dataclass(frozen=True)
class Division:
    """All groups under one label, and how far the worst and the best are apart in one metric."""

    label: str  # "gender"
    metric: Metric
    groups: tuple[GroupLine, ...]
    gap: Gap | None

    @property
    def digits(self) -> int:
        """Decimals shown."""
        return self.metric.digits

    @property
    def numbers(self) -> tuple[Value, ...]:
        return tuple(group.value for group in self.groups if group.value)

    @property
    def many(self) -> bool:
        """True if there are too many to be drawn."""
        return len(self.groups) > MOST

    @property
    def spread(self) -> str:
        """`From 1.2 % (abjxc) to 43.0 % (tucrg), half of the 232 up to 8.1 %.`; empty without numbers."""
        ranked = sorted((value.value or 0.0, group.name, value) for group in self.groups if (value := group.value))
        if not ranked:
            return ""
        low, middle, high = ranked[0], ranked[(len(ranked) - 1) // 2], ranked[-1]
        ends = f"{show(low[2], self.digits)} ({low[1]}) to {show(high[2], self.digits)} ({high[1]})"
        return f"From {ends}, half of the {len(ranked)} up to {show(middle[2], self.digits)}."

    @property
    def worst(self) -> GroupLine | None:
        return next((group for group in self.groups if group.worst), None)

    @property
    def best(self) -> GroupLine | None:
        return next((group for group in self.groups if group.best), None)

    @property
    def sentence(self) -> str:
        """`Worst: female, 7.3 %. Gap to male: 2.1 points [0.4, 3.9].`, or why there is no gap."""
        if self.gap is None or self.worst is None or self.worst.value is None:
            return "" if len(self.numbers) > 1 else "No gap: fewer than two groups have a number."
        worst = f"Worst: {self.worst.name}, {show(self.worst.value, self.digits)}."
        if self.gap.value.value is None:
            return f"{worst} No gap: {plain(self.gap.value.reason)}."
        best = self.best.name if self.best else plain(self.gap.best)
        low, high = self.gap.value.low, self.gap.value.high
        chance = " The interval holds zero." if low is not None and high is not None and low <= 0 <= high else ""
        if self.gap.value.clusters is not None and self.gap.value.clusters < SPEAKERS:
            chance = f" {too_few(plain(self.gap.value.cluster_by)).capitalize()}."
        text = f"{self.gap_text} {self.gap_interval}".strip()
        return f"{worst} Gap to {best}: {text}.{chance}"

    @property
    def worst_text(self) -> str:
        """`7.3 % [6.0, 8.9]`."""
        if self.worst is None or self.worst.value is None:
            return ""
        return f"{show(self.worst.value, self.digits)} {show_interval(self.worst.value, self.digits)}".strip()

    @property
    def gap_text(self) -> str:
        """`2.1 points`, as a difference of percentages is no percentage; the reason where there is no number."""
        if self.gap is None:
            return ""
        value = self.gap.value
        if value.value is None or value.unit != "fraction":
            return show(value, self.digits) or plain(value.reason)
        return f"{number(value.value * scale(value.unit), self.digits)} points"

    @property
    def gap_interval(self) -> str:
        return show_interval(self.gap.value, self.digits) if self.gap else ""


@dataclass(frozen=True)
class Gaps:
    """The worst groups of a panel's systems: a column per label, a row per system that has any."""

    labels: tuple[str, ...]
    rows: tuple[tuple[BoardRow, tuple[Division | None, ...]], ...]  # best system first


def gaps(panel: Panel) -> Gaps:
    """Gaps between groups in the main metric."""
    gaps = {
        row.id: {part.label: part for part in divisions(panel.filed[row.id].record, panel.main.metric) if part.worst}
        for row in panel.rows
    }
    labels = tuple(dict.fromkeys(name for parts in gaps.values() for name in parts))
    rows = [(row, tuple(gaps[row.id].get(name) for name in labels)) for row in panel.rows if gaps[row.id]]
    return Gaps(labels, tuple(rows))


def divisions(record: Record, metric: str | None = None) -> tuple[Division, ...]:
    """The groups of a record by label, for one metric (default: the main one)."""
    metric = metric or record.benchmark.main_metric
    labels = dict.fromkeys(stratum.label for stratum in record.groups if stratum.label)
    return tuple(_division(record, name, metric) for name in labels)


def _division(record: Record, name: str, metric: str) -> Division:
    members = [group for group in record.groups if group.label == name]
    gap = next((gap for gap in record.gaps if (gap.label, gap.metric) == (name, metric)), None)
    described = record.metric(metric)
    return Division(plain(name), described, tuple(_group(group, described, gap) for group in members), gap)


def _group(group: Group, metric: Metric, gap: Gap | None) -> GroupLine:
    value = group.values.get(metric.id)
    measured = value if value and value.value is not None else None
    reason = group.reason or (value.reason if value else "") or f"{metric.name} was not measured"
    return GroupLine(
        name=short(group),
        count=group.count,
        targets=group.targets,
        value=measured,
        reason="" if measured else plain(reason),
        worst=bool(measured and gap and gap.worst == group.name),
        best=bool(measured and gap and gap.best == group.name),
    )


def counted(label: str, kind: str) -> str:
    """Unit in which the groups under a label are counted: turns for a recording, else items of the benchmark."""
    return "turns" if label == "recording" else kind


def short(group: Group) -> str:
    """`gender=female` → "female" under its own label."""
    return plain(group.name.removeprefix(f"{group.label}=")) or plain(group.name)
