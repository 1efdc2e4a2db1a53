"""What `voxboard compare` prints: a block per cell, what is gone and new, and a summary that says what was tested."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from voxboard.metrics.enough import SPEAKERS, many, plural, too_few
from voxboard.shown import number, scale, suffix

if TYPE_CHECKING:
    from voxboard.comparison import Comparison
    from voxboard.comparison.compare import Row
    from voxboard.comparison.sides import Side

STYLES = {"worse": "red", "better": "green"}


def show(found: Comparison, before: Side, after: Side) -> None:
    """Print a comparison of two sides."""
    from rich.text import Text

    from voxboard.console import Console

    console = Console(soft_wrap=True) if sys.stdout.isatty() else Console(width=200, soft_wrap=True)
    console.print(Text(f"A: {before.described}\nB: {after.described}"))
    if found.warning:
        console.print(Text(f"\n{found.warning}", "yellow"))
    header = ("metric", "A", "B", "B − A", f"{100 * found.level:g} % interval", "p (Holm)", "verdict on B")
    lines = {id(row): _columns(row) for row in found.rows}
    widths = [max(map(len, column)) for column in zip(header, *lines.values(), strict=True)]
    if any(row.difference.value for row in found.rows):
        console.print(Text(f"\n{_aligned(header, widths)}", "dim"))
    for cell, group in groupby(found.rows, key=lambda row: row.cell):
        rows = list(group)
        equal = not any(row.difference.value for row in rows)
        said = [*_resampled(rows), *([f"equal in all {len(rows)} metrics"] if equal else [])]
        console.print(Text(f"{cell} ({', '.join(said)})" if said else cell, "bold"))
        for row in rows if not equal else ():
            console.print(Text(_aligned(lines[id(row)], widths), STYLES.get(row.verdict, "")))
    for line, style in _ends(found):
        console.print(Text(line, style))


def _ends(found: Comparison) -> Iterator[tuple[str, str]]:
    """Lines with their styles: what is gone, what is new, the summary."""
    for gone in found.vanished:
        yield f"gone: {gone.cell}{f', {gone.metric}' if gone.metric else ''} ({gone.reason})", "red"
    yield from ((f"new: {cell}", "") for cell in found.new)
    verdicts = [row.verdict for row in found.rows]
    parts = [f"{many(len(found.rows), 'comparison')}, {sum(row.paired for row in found.rows)} of them paired"]
    few = sum(row.verdict == "untested" and _few(row) for row in found.rows)
    if few:
        parts.append(f"{few} of fewer than {SPEAKERS} {plural(found.rows[0].cluster_by)}, so not tested")
    if untested := verdicts.count("untested") - few:
        parts.append(f"{untested} without an interval, so not tested")
    if found.tested:
        half = ", half of it for main metrics (*)" if len({row.main for row in found.rows}) > 1 else ""
        parts.append(f"significant is p < {1 - found.level:.2g} after Holm's correction for {found.tested}{half}")
    yield f"\n{'; '.join(parts)}.", ""
    if doubtful := sum(row.verdict == "same" and _leaves_out_zero(row) for row in found.rows):
        advice = "fewer comparisons (--main_only, --metric) find more"
        yield f"{doubtful} more intervals leave out zero before that correction: {advice}.", ""
    better, worse = verdicts.count("better"), verdicts.count("worse")
    yield f"{better} better, {worse} worse, {len(found.vanished)} gone.", "red" if found.failed else ""


def _leaves_out_zero(row: Row) -> bool:
    low, high = row.difference.low, row.difference.high
    return low is not None and high is not None and (low > 0 or high < 0)


def _aligned(columns: Sequence[str], widths: Sequence[int]) -> str:
    """The first column and the last to the left, numbers to the right."""
    name, *numbers, verdict = columns
    inner = (number.rjust(width) for number, width in zip(numbers, widths[1:-1], strict=True))
    return "  ".join(("", name.ljust(widths[0]), *inner, verdict))


def _columns(row: Row) -> tuple[str, ...]:
    times, digits = scale(row.unit), row.digits
    bounds = (row.difference.low, row.difference.high)
    interval = " … ".join(f"{times * bound:+.{digits}f}" for bound in bounds if bound is not None)
    p = "–" if row.corrected is None else f"{row.corrected:.2g}" if row.corrected >= 1e-4 else "<0.0001"
    values = (number(value * times, digits) + suffix(row.unit) for value in (row.before, row.after))
    name = f"{row.metric} *" if row.main else row.metric
    return (name, *values, f"{times * row.difference.value:+.{digits}f}", interval or "–", p, _verdict(row))


def _verdict(row: Row) -> str:
    how = "paired" if row.paired else "unpaired"
    if row.verdict == "untested" and _few(row):
        return f"{too_few(row.cluster_by)} ({how})"
    if row.verdict == "untested":
        return f"not tested ({how}, no interval)"
    word = {"same": "not significant" if row.difference.value else "equal"}.get(row.verdict, row.verdict)
    return f"{word} ({how})"


def _few(row: Row) -> bool:
    """Whether it has an interval, of fewer speakers than tell anything apart."""
    return row.difference.low is not None and row.clusters is not None and row.clusters < SPEAKERS


def _resampled(rows: Sequence[Row]) -> list[str]:
    """What was resampled ("40 speakers"), where all rows agree."""
    found = {(row.clusters, row.cluster_by) for row in rows}
    return [many(count, by) for count, by in found if count] if len(found) == 1 else []
