"""Warnings of a panel: bounds, minDCF on short lists, and too few speakers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from voxboard.metrics.enough import few_alarms, shows_nothing
from voxboard.records import Value
from voxboard.shown import scale, suffix
from voxboard.verdicts import optimism

BOUND = (
    "≤ and ≥: no error was seen, or nothing but errors, so that resamples tell nothing. In place of the interval "
    "stands a one-sided 95 % bound: a larger share of speakers, or of pairs, who always fail would have shown."
)
CHOSEN = (
    "Worst and best are chosen after the fact, by these very numbers: of groups that are alike the worst looks worse "
    "than it is, and the gap is above zero."
)


def doubts(main: str, columns: Sequence[tuple[str, str, Sequence[Value]]]) -> Iterator[str]:
    """Sentences about the columns of a panel, each a metric id, its label and its values with a number."""
    fewest = {label: [v.false_alarms for v in values if v.false_alarms is not None] for _, label, values in columns}
    if few := few_alarms({label: min(counts) for label, counts in fewest.items() if counts}):
        yield few
    for metric, _, values in columns:
        if metric == main and len(values) > 1 and all(value.clusters is not None for value in values):
            most = max(values, key=lambda value: value.clusters or 0)
            if nothing := shows_nothing(most.clusters, len(values) * (len(values) - 1) // 2, by=most.cluster_by):
                yield nothing
    for metric, label, values in columns:
        if metric == main and (chosen := _chosen(label, values)):
            yield chosen
    if any(value.interval == "bound" for _, _, values in columns for value in values):
        yield BOUND


def _chosen(label: str, values: Sequence[Value]) -> str:
    """A sentence on how much too good the best of the values looks; empty where that is less than is shown."""
    much = optimism(values)
    if much is None:
        return ""
    unit = values[0].unit
    text = f"{much * scale(unit):.1f} points" if unit == "fraction" else f"{much:.3g}{suffix(unit)}"
    if much * scale(unit) < (0.05 if unit == "fraction" else 5e-4):
        return ""
    return (
        f"The best {label} of {len(values)} is expected to look {text} too good: it is the best by these very numbers."
    )
