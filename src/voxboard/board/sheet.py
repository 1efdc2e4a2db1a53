"""One record as a table for the terminal: every number with its interval, strata below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from voxboard.board import names, numbers
from voxboard.records import Record, Value

if TYPE_CHECKING:
    from rich.table import Table


def sheet(record: Record) -> Table:
    """All values of a record, and below them the main metric of its strata."""
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
    main = record.benchmark.main_metric
    for stratum in record.strata:
        shown = escape(f"{names.label(main)}, {stratum.name}")
        if main in stratum.values:
            table.add_row(shown, *_cells(stratum.values[main]), f"{stratum.count:,}")
        else:
            table.add_row(shown, "–", escape(stratum.reason), f"{stratum.count:,}", style="dim")
    return table


def _cells(value: Value) -> tuple[str, str]:
    digits = max(numbers.decimals([value]), 1 if value.unit == "fraction" else 3)
    return numbers.show(value, digits), escape(numbers.show_interval(value, digits) or value.reason)
