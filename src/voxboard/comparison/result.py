"""Result of a comparison, as values, lines of text, a frame, and a table for notebooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from voxboard import html
from voxboard.metrics.enough import SPEAKERS, many, plural, too_few
from voxboard.metrics.paired import Difference
from voxboard.shown import number, scale, suffix

if TYPE_CHECKING:
    from pandas import DataFrame

Verdict = Literal["better", "worse", "same", "untested"]
STYLES = {"worse": "red", "better": "green"}


@dataclass(frozen=True)
class ComparisonRow:
    """One metric of one cell on both sides."""

    cell: str  # "UniPool on Voices verification, seed 42"
    metric: str
    before: float
    after: float
    difference: Difference
    better: str
    paired: bool
    unit: str = ""
    digits: int = 2  # decimals shown
    main: bool = False
    clusters: int | None = None  # how many were resampled
    cluster_by: str = "cluster"  # what was: "speaker", "recording"
    unpaired: str = ""  # why it is not paired
    corrected: float | None = None  # p, corrected for all rows
    verdict: Verdict = "untested"


@dataclass(frozen=True)
class VanishedCell:
    """A cell of the first side that the second lacks."""

    cell: str
    metric: str  # empty for a whole cell
    reason: str


@dataclass(frozen=True)
class Comparison:
    """All that two sides share, what vanished, what is new, and what else is to be said."""

    before: str
    after: str
    rows: tuple[ComparisonRow, ...]
    vanished: tuple[VanishedCell, ...]
    new: tuple[str, ...]
    notes: tuple[str, ...]
    level: float
    warning: str = ""  # that nothing can come of it: too few speakers for so many comparisons

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield the lines that tell it, with their styles: a block per cell, what is gone and new, a summary."""
        header = ("metric", "A", "B", "B − A", f"{100 * self.level:g} % interval", "p (Holm)", "verdict on B")
        lines = {id(row): _columns(row) for row in self.rows}
        widths = [max(map(len, column)) for column in zip(header, *lines.values(), strict=True)]
        if self.warning:
            yield f"\n{self.warning}", "yellow"
        if any(row.difference.value for row in self.rows):
            yield f"\n{_aligned(header, widths)}", "dim"
        for cell, group in groupby(self.rows, key=lambda row: row.cell):
            rows = list(group)
            equal = not any(row.difference.value for row in rows)
            notes = [*_resampled(rows), *([f"equal in all {len(rows)} metrics"] if equal else [])]
            yield f"{cell} ({', '.join(notes)})" if notes else cell, "bold"
            for row in rows if not equal else ():
                yield _aligned(lines[id(row)], widths), STYLES.get(row.verdict, "")
        yield from _ends(self)

    def __str__(self) -> str:
        return "\n".join(line for line, _ in self.lines()).strip()

    def frame(self) -> DataFrame:
        """Return a row per metric of a cell: both values, the difference B − A with its interval, p and verdict."""
        import pandas as pd

        return pd.DataFrame(
            {
                "cell": row.cell,
                "metric": row.metric,
                "a": row.before,
                "b": row.after,
                "difference": row.difference.value,
                "low": row.difference.low,
                "high": row.difference.high,
                "p": row.corrected,
                "verdict": row.verdict,
                "paired": row.paired,
            }
            for row in self.rows
        )

    def _repr_html_(self) -> str:
        header = ("metric", "A", "B", "B − A", f"{100 * self.level:g} % interval", "p (Holm)", "verdict on B")
        tables = [
            html.table(cell, header, [_columns(row) for row in rows])
            for cell, rows in groupby(self.rows, key=lambda row: row.cell)
        ]
        notes = [*([self.warning] if self.warning else []), *(line.strip() for line, _ in _ends(self)), *self.notes]
        return "".join([*tables, html.table("", (), (), notes)])

    @property
    def regressions(self) -> list[ComparisonRow]:
        """The metrics that are significantly worse."""
        return [row for row in self.rows if row.verdict == "worse"]

    @property
    def tested(self) -> int:
        """Number of comparisons that have a p, all of which it is corrected for."""
        return sum(row.corrected is not None for row in self.rows)

    @property
    def failed(self) -> bool:
        """True if a gate should stop: something is significantly worse, or vanished."""
        return bool(self.regressions or self.vanished)


def _ends(comparison: Comparison) -> Iterator[tuple[str, str]]:
    """Lines with their styles: what is gone, what is new, the summary."""
    for gone in comparison.vanished:
        yield f"gone: {gone.cell}{f', {gone.metric}' if gone.metric else ''} ({gone.reason})", "red"
    yield from ((f"new: {cell}", "") for cell in comparison.new)
    verdicts = [row.verdict for row in comparison.rows]
    parts = [f"{many(len(comparison.rows), 'comparison')}, {sum(row.paired for row in comparison.rows)} of them paired"]
    few = sum(row.verdict == "untested" and _few(row) for row in comparison.rows)
    if few:
        parts.append(f"{few} of fewer than {SPEAKERS} {plural(comparison.rows[0].cluster_by)}, so not tested")
    if untested := verdicts.count("untested") - few:
        parts.append(f"{untested} without an interval, so not tested")
    if comparison.tested:
        half = ", half of it for main metrics (*)" if len({row.main for row in comparison.rows}) > 1 else ""
        parts.append(
            f"significant is p < {1 - comparison.level:.2g} after Holm's correction for {comparison.tested}{half}"
        )
    yield f"\n{'; '.join(parts)}.", ""
    if doubtful := sum(row.verdict == "same" and _leaves_out_zero(row) for row in comparison.rows):
        advice = "fewer comparisons (--main_only, --metric) find more"
        yield f"{doubtful} more intervals leave out zero before that correction: {advice}.", ""
    better, worse = verdicts.count("better"), verdicts.count("worse")
    yield f"{better} better, {worse} worse, {len(comparison.vanished)} gone.", "red" if comparison.failed else ""


def _leaves_out_zero(row: ComparisonRow) -> bool:
    low, high = row.difference.low, row.difference.high
    return low is not None and high is not None and (low > 0 or high < 0)


def _aligned(columns: Sequence[str], widths: Sequence[int]) -> str:
    """The first column and the last to the left, numbers to the right."""
    name, *numbers, verdict = columns
    inner = (number.rjust(width) for number, width in zip(numbers, widths[1:-1], strict=True))
    return "  ".join(("", name.ljust(widths[0]), *inner, verdict))


def _columns(row: ComparisonRow) -> tuple[str, ...]:
    times, digits = scale(row.unit), row.digits
    bounds = (row.difference.low, row.difference.high)
    interval = " … ".join(f"{times * bound:+.{digits}f}" for bound in bounds if bound is not None)
    p = "–" if row.corrected is None else f"{row.corrected:.2g}" if row.corrected >= 1e-4 else "<0.0001"
    values = (number(value * times, digits) + suffix(row.unit) for value in (row.before, row.after))
    name = f"{row.metric} *" if row.main else row.metric
    return (name, *values, f"{times * row.difference.value:+.{digits}f}", interval or "–", p, _verdict(row))


def _verdict(row: ComparisonRow) -> str:
    how = "paired" if row.paired else "unpaired"
    if row.verdict == "untested" and _few(row):
        return f"{too_few(row.cluster_by)} ({how})"
    if row.verdict == "untested":
        return f"not tested ({how}, no interval)"
    word = {"same": "not significant" if row.difference.value else "equal"}.get(row.verdict, row.verdict)
    return f"{word} ({how})"


def _few(row: ComparisonRow) -> bool:
    """True if it has an interval, of fewer speakers than tell anything apart."""
    return row.difference.low is not None and row.clusters is not None and row.clusters < SPEAKERS


def _resampled(rows: Sequence[ComparisonRow]) -> list[str]:
    """Resampled units ("40 speakers"), where all rows agree."""
    units = {(row.clusters, row.cluster_by) for row in rows}
    return [many(count, by) for count, by in units if count] if len(units) == 1 else []
