"""One record as a table for the terminal: every number with its interval, strata below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxboard.boards.doubts import CHOSEN, doubts
from voxboard.boards.groups import counted, divisions
from voxboard.charts import numbers
from voxboard.records import Record, Value

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


def sheet(record: Record) -> RenderableType:
    """All values of a record, and below them the main metric of its strata, its groups of speakers, and their gaps.

    Sentences about what these numbers cannot show follow the table.
    """
    from rich.console import Group
    from rich.text import Text

    return Group(_table(record), *(Text(doubt, "yellow") for doubt in _doubts(record)))


def _table(record: Record) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    items = record.protocol.items if record.protocol else None
    listed = f"{items.count:,} {items.kind}" if items else ""
    listed += f" of {items.speakers} speakers, " if items and items.speakers else ", " if items else ""
    mark = "  (synthetic speech)" if record.benchmark.synthetic else ""
    table = Table(
        title=Text(f"{record.system.name} on {record.benchmark.corpus}{mark}", style="bold"),
        caption=Text(f"{listed}protocol {record.protocol_id}"),
        box=box.SIMPLE_HEAD,
        title_justify="left",
    )
    table.add_column("")
    kind = items.kind if items else "items"
    labels = {stratum.label for stratum in record.groups}
    for heading in ("value", "95 % interval", counted(labels.pop(), kind) if len(labels) == 1 else kind):
        table.add_column(heading, justify="right")
    for metric, value in record.values.items():
        if value.value is not None:
            _add(table, _label(record, metric), *_cells(record, metric, value), "")
    _add_strata(table, record, kind)
    return table


def _doubts(record: Record) -> list[str]:
    """Warnings about these numbers, and about missing ones."""
    absent: dict[str, list[str]] = {}
    for metric, value in record.values.items():
        if value.value is None:
            absent.setdefault(numbers.plain(value.reason), []).append(_label(record, metric))
    measured = [
        (metric, _label(record, metric), [value]) for metric, value in record.values.items() if value.value is not None
    ]
    missing = [f"No {', '.join(labels)}: {reason}." for reason, labels in absent.items()]
    return [*missing, *doubts(record.benchmark.main_metric, measured), *([CHOSEN] if record.gaps else [])]


def _add_strata(table: Table, record: Record, kind: str) -> None:
    """The main metric of strata and groups; the small share a line per label, and so do very many."""
    main = record.benchmark.main_metric
    small: dict[str, list[str]] = {}
    large = {part.label: part for part in divisions(record) if part.many}
    for part in large.values():
        _add(table, f"{_label(record, main)} by {part.label}: {part.spread}", "", "", f"{len(part.groups):,}")
    for stratum in record.groups:
        if numbers.plain(stratum.label) in large:
            continue
        if main in stratum.values:
            shown = f"{_label(record, main)}, {stratum.name}"
            _add(table, shown, *_cells(record, main, stratum.values[main], part=True), f"{stratum.count:,}")
        else:
            small.setdefault(stratum.label or "strata", []).append(stratum.name.removeprefix(f"{stratum.label}="))
    for gap in record.gaps:
        if gap.metric == main:
            _add(table, f"gap, {gap.label}: {gap.worst} − {gap.best}", *_cells(record, main, gap.value), "")
    for label, members in small.items():
        _add(table, f"{label}, too few {kind}: {', '.join(members)}", "–", "", "", style="dim")


def _add(table: Table, *cells: str, style: str = "") -> None:
    """A row of plain text: a name such as `[red]` is no markup."""
    from rich.text import Text

    table.add_row(*map(Text, cells), style=style)


def _label(record: Record, metric: str) -> str:
    return numbers.plain(record.metric(metric).name)


def _cells(record: Record, metric: str, value: Value, part: bool = False) -> tuple[str, str]:
    digits = record.metric(metric).digits
    reason = "" if part and value.value is not None else value.reason
    return numbers.show(value, digits), numbers.show_interval(value, digits) or reason
