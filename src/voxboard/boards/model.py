"""A board before it is text: panels (benchmark × protocol), columns (metrics), rows (systems), cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voxboard import html
from voxboard.charts.numbers import plain
from voxboard.charts.titles import spec, tell_apart, title
from voxboard.ranking import Places, shown
from voxboard.records import Benchmark, Exposure, Filed, Protocol, Record, System, Unread, Value

if TYPE_CHECKING:
    from pandas import DataFrame

SYNTHETIC = "Synthetic speech: it shows that everything works, it is no evidence about real speech."


@dataclass(frozen=True)
class BoardRow:
    """A system, trained on a corpus, with a seed."""

    id: str
    system: System
    seed: int
    variant: str = ""  # what tells it from a row that would read the same: "max_lr=0.01"
    parameters: int | None = None

    @property
    def label(self) -> str:
        """Label of the system, options included."""
        return title(self.system)

    @property
    def spec(self) -> str:
        """backbone+pooler+head, empty where the label says the same."""
        parts = spec(self.system)
        return "" if parts == self.label else parts

    @property
    def trained_on(self) -> str:
        return plain(self.system.trained_on)

    @property
    def training_licence(self) -> str:
        return self.system.training_licence


@dataclass(frozen=True)
class BoardColumn:
    """One metric with its parameters: only numbers that may be compared."""

    id: str  # of what is common to the panel and this metric, as records tell it
    metric: str
    label: str  # no other column of the panel has it
    better: str  # "lower" or "higher"
    unit: str
    digits: int  # decimals shown
    main: bool  # the rows are ranked by it
    meaning: str  # one sentence; empty where nobody tells it
    parameters: Mapping[str, Any]

    def of(self, record: Record, values: Mapping[str, Value] | None = None) -> Value | None:
        """A record's value, or that of a part of it among `values`; None where it has none of this very column."""
        if record.column(self.metric) != self.id:
            return None
        return (record.values if values is None else values).get(self.metric)


@dataclass(frozen=True)
class BoardCell:
    """One number, or the reason why there is none."""

    value: Value | None = None
    text: str = ""  # "6.4 %"
    interval: str = ""  # "[5.1, 7.9]"
    reason: str = ""  # why there is no number, or what a bound rests on
    rank: int | None = None  # 1 = best; equal values share a rank
    span: Places | None = None  # the best and the worst place that chance allows
    best: bool = False  # no other system of its column is surely better, and there are others
    filed: Filed | None = None

    @property
    def places(self) -> str:
        """`1–3`, or `–` where there is no number."""
        return shown(self.span)

    @property
    def full(self) -> str:
        """`6.4 % [5.1, 7.9]`, or the reason."""
        return f"{self.text} {self.interval}".strip() if self.text else self.reason


@dataclass(frozen=True)
class Panel:
    """One benchmark under one protocol, ranked by one metric: columns whose common part is equal."""

    id: str
    benchmark: Benchmark
    protocol: Protocol | None  # of the newest record; others may have other metrics beside the main one
    protocol_id: str
    columns: tuple[BoardColumn, ...]
    rows: tuple[BoardRow, ...]  # with a record, best first
    absent: tuple[BoardRow, ...]  # not run
    cells: Mapping[tuple[str, str], BoardCell]  # (row id, column id)
    filed: Mapping[str, Filed]  # row id → its record
    differs: tuple[str, ...] = ()  # in words, from other panels of the same benchmark
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()  # what it cannot show; also among the notes

    @property
    def title(self) -> str:
        return plain(self.benchmark.name)

    @property
    def hint(self) -> str:
        """Words beside the title that tell the panel from others; empty where none are needed."""
        return ", ".join(self.differs)

    @property
    def main(self) -> BoardColumn:
        return self.columns[0]

    def exposure(self, row: BoardRow) -> Exposure | None:
        """Exposure of a row's weights to the test; None where its record does not say."""
        return self.filed[row.id].record.exposure if row.id in self.filed else None

    def mark(self, row: BoardRow) -> str:
        """Mark beside the name of a row whose weights have heard the test, or of which that is not known."""
        exposure = self.exposure(row)
        if exposure is None or exposure.clean:
            return ""
        return f"has heard the {exposure.relation}" if exposure.contaminated else "may have heard the test"

    def cell(self, row: BoardRow, column: BoardColumn) -> BoardCell:
        """A row without a record here has not been run."""
        return self.cells.get((row.id, column.id), BoardCell(reason="not run"))


@dataclass(frozen=True)
class Board:
    """A pure function of records."""

    panels: tuple[Panel, ...]
    rows: tuple[BoardRow, ...]  # all systems, by their ranks in the first panel, then the next
    date: str  # of the newest record, UTC; never of the build
    superseded: int  # older repetitions of a cell that are not shown
    left_out: tuple[Unread, ...] = ()  # files among the records that could not be read

    @property
    def incomplete(self) -> str:
        """That records could not be read, in a sentence; empty where all were."""
        count = len(self.left_out)
        if not count:
            return ""
        several = f"{count} files among the records" if count > 1 else "One file among the records"
        return f"{several} could not be read and {'are' if count > 1 else 'is'} left out: this board may lack rows."

    def frame(self) -> DataFrame:
        """Return a row per system and panel: its names, and a column per metric with the value as it is recorded."""
        import pandas as pd

        lines = []
        for panel in self.panels:
            for row in panel.rows:
                line = {"benchmark": panel.title, "system": row.label, "variant": row.variant, "seed": row.seed}
                cells = ((column.metric, panel.cell(row, column).value) for column in panel.columns)
                lines.append(
                    {**line, "trained_on": row.trained_on, **{name: one.value if one else None for name, one in cells}}
                )
        return pd.DataFrame(lines)

    def _repr_html_(self) -> str:
        return "".join(_html(panel) for panel in self.panels)

    @property
    def values(self) -> list[Value]:
        """Everything that was measured and is shown."""
        return [cell.value for panel in self.panels for cell in panel.cells.values() if cell.value]


def hints(rows: Sequence[BoardRow], seeds: bool = True) -> dict[str, str]:
    """Per row the corpus, seed and variant, as far as they tell it from its namesakes; no seed where one is shown."""
    features = [(row.trained_on, f"seed {row.seed}" if seeds else "", row.variant) for row in rows]
    names = [row.label if seeds else f"{row.label}, seed {row.seed}" for row in rows]
    shown = tell_apart(names, features, [row.id[:6] for row in rows])
    return dict(zip((row.id for row in rows), shown, strict=True))


def full_names(rows: Sequence[BoardRow], seeds: bool = True) -> dict[str, str]:
    """Row id → a name that no other of the rows has, for where nothing else stands beside it but perhaps the seed."""
    texts = hints(rows, seeds)
    return {row.id: f"{row.label} ({texts[row.id]})" if texts[row.id] else row.label for row in rows}


def _html(panel: Panel) -> str:
    """A panel as a table for notebooks."""
    header = ("System", "Trained on", "Seed", "Places", *(column.label for column in panel.columns))
    rows = []
    for row in panel.rows:
        cells = [panel.cell(row, column) for column in panel.columns]
        name = f"{row.label} {row.variant}".strip()
        rows.append((name, row.trained_on, str(row.seed), cells[0].places, *(cell.full or "–" for cell in cells)))
    notes = [*([SYNTHETIC] if panel.benchmark.synthetic else []), *panel.notes]
    return html.table(panel.title, header, rows, notes)
