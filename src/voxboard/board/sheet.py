"""One record as a table for the terminal: every number with its interval, strata below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from voxboard.board import names, numbers
from voxboard.records import Record, Value

if TYPE_CHECKING:
    from rich.table import Table


def sheet(record: Record) -> Table:
    """All values of a record, and below them the main metric of its strata, its groups of speakers, and their gaps."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    items = record.protocol.items if record.protocol else None
    listed = f"{items.count:,} {items.kind} of {items.speakers} speakers, " if items else ""
    mark = "  (synthetic speech)" if record.benchmark.synthetic else ""
    table = Table(
        title=Text(f"{record.system.name} on {record.benchmark.corpus}{mark}", style="bold"),
        caption=Text(f"{listed}protocol {record.protocol_id}"),
        box=box.SIMPLE_HEAD,
        title_justify="left",
    )
    table.add_column("")
    for heading in ("value", "95 % interval", "trials"):
        table.add_column(heading, justify="right")
    for metric, value in record.values.items():
        table.add_row(names.label(metric), *_cells(value), "")
    _add_strata(table, record)
    return table


def _add_strata(table: Table, record: Record) -> None:
    """The main metric of strata and groups; those that are too small share a line per label."""
    main = record.benchmark.main_metric
    small: dict[str, list[str]] = {}
    for stratum in record.strata:
        if main in stratum.values:
            shown = escape(f"{names.label(main)}, {stratum.name}")
            table.add_row(shown, *_cells(stratum.values[main]), f"{stratum.count:,}")
        else:
            small.setdefault(stratum.label or "strata", []).append(stratum.name.removeprefix(f"{stratum.label}="))
    for gap in record.gaps:
        if gap.metric == main:
            table.add_row(escape(f"gap, {gap.label}: {gap.worst} − {gap.best}"), *_cells(gap.value), "")
    for label, members in small.items():
        table.add_row(escape(f"{label}, too few trials: {', '.join(members)}"), "–", "", "", style="dim")


def _cells(value: Value) -> tuple[str, str]:
    digits = max(numbers.decimals([value]), 1 if value.unit == "fraction" else 3)
    return numbers.show(value, digits), escape(numbers.show_interval(value, digits) or value.reason)
