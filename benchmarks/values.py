"""An estimate of a metric as a record has it."""

from __future__ import annotations

import math

from voxboard.metrics.bootstrap import Interval
from voxboard.metrics.enough import many, plural
from voxboard.metrics.paired import LEAST
from voxboard.records import Metric, PackedEvidence, Value
from voxboard.shown import number, scale, suffix


def value_of(metric: Metric, interval: Interval, clustered_by: str, threshold: float | None = None) -> Value:
    """Return the value of a metric with its interval over clusters ("speaker"), and where it was taken."""
    bounded = not math.isnan(interval.low)
    return Value(
        value=interval.value,
        better=metric.better,
        unit=metric.unit,
        low=interval.low if bounded else None,
        high=interval.high if bounded else None,
        level=interval.level,
        clusters=interval.clusters,
        cluster_by=clustered_by,
        replicates=interval.replicates,
        interval="bound" if interval.bound else interval.method if bounded else "",
        threshold=threshold,
        reason=_bound(metric, interval, clustered_by) if bounded else _no_interval(interval, clustered_by),
        false_alarms=interval.false_alarms,
        evidence=_packed(interval),
    )


def _packed(interval: Interval) -> PackedEvidence | None:
    """Evidence that pairs a value with those of other systems on the same list."""
    given = interval.evidence
    if given is None or interval.clusters < LEAST:
        return None
    return PackedEvidence.of(given.digest, given.influences, given.replicates)


def _bound(metric: Metric, interval: Interval, clusters: str) -> str:
    """Explain a bound: `0 of 480 targets rejected; ≤ 7.22 % (40 speakers); ≤ 0.62 % if all were independent`."""
    bound = interval.bound
    if bound is None:
        return ""

    def end(value: float) -> str:
        return f"{number(value * scale(metric.unit), metric.digits)}{suffix(metric.unit)}"

    sign = {bound.low: "≤", bound.high: "≥"}.get(interval.value)
    limit = (
        f"{sign} {end(bound.high if sign == '≤' else bound.low)}" if sign else f"{end(bound.low)} to {end(bound.high)}"
    )
    parts = [bound.seen, f"{limit} ({many(interval.clusters, clusters)}, one-sided {100 * interval.level:g} %)"]
    if bound.independent is not None and sign:
        parts.append(f"{sign} {end(bound.independent)} if all were independent")
    return "; ".join(parts)


def _no_interval(interval: Interval, clusters: str) -> str:
    if interval.clusters < LEAST:
        return f"no interval: {interval.clusters} {plural(clusters)} are too few to resample"
    return f"no interval: {interval.reason}"
