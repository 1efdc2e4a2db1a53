"""What a benchmark measured, as the fields of a record."""

from __future__ import annotations

import math
from typing import Any

from voxboard import records
from voxboard.benchmarks.base import Benchmark, Measured
from voxboard.metrics.bootstrap import Interval
from voxboard.metrics.enough import many, plural
from voxboard.metrics.paired import LEAST
from voxboard.shown import decimals, number, scale, suffix


def fields_of(benchmark: Benchmark, measured: Measured, clustered_by: str = "") -> dict[str, Any]:
    """`values`, `strata`, `gaps`, `curves`, `confusion`; `clustered_by` where the benchmark's own was not resampled."""
    clusters = clustered_by or benchmark.clustered_by

    def value(metric: str, interval: Interval, threshold: float | None = None, whole: bool = False) -> records.Value:
        bounded = not math.isnan(interval.low)
        unit, better = benchmark.unit(metric)
        return records.Value(
            value=interval.value,
            better=better,
            unit=unit,
            low=interval.low if bounded else None,
            high=interval.high if bounded else None,
            level=interval.level,
            clusters=interval.clusters,
            cluster_by=clusters,
            replicates=interval.replicates,
            interval="bound" if interval.bound else interval.method if bounded else "",
            threshold=threshold,
            reason=_bound(metric, unit, interval, clusters) if bounded else _no_interval(interval, clusters),
            false_alarms=interval.false_alarms,
            evidence=_packed(interval) if whole else None,
        )

    def absent(metric: str, reason: str) -> records.Value:
        unit, better = benchmark.unit(metric)
        return records.Value(None, better, unit, reason=reason)

    return {
        "values": {name: value(name, one, measured.thresholds.get(name), True) for name, one in measured.values.items()}
        | {name: absent(name, reason) for name, reason in measured.absent.items()},
        "strata": tuple(
            records.Stratum(
                portion.name,
                portion.count,
                portion.targets,
                {name: value(name, one) for name, one in portion.values.items()},
                portion.reason,
                portion.label,
            )
            for portion in measured.portions
        ),
        "gaps": tuple(
            records.Gap(gap.label, gap.metric, gap.worst, gap.best, value(gap.metric, gap.value))
            for gap in measured.gaps
        ),
        "curves": records.Curves(**measured.curves) if measured.curves else None,
        "confusion": records.Confusion(**measured.confusion) if measured.confusion else None,
    }


def _packed(interval: Interval) -> records.PackedEvidence | None:
    """What pairs a value of the whole list with those of other systems."""
    given = interval.evidence
    if given is None or interval.clusters < LEAST:
        return None
    return records.PackedEvidence.of(given.digest, given.influences, given.replicates)


def _bound(metric: str, unit: str, interval: Interval, clusters: str) -> str:
    """What a bound rests on: `0 of 480 targets rejected; ≤ 7.22 % (40 speakers); ≤ 0.62 % if all were independent`."""
    bound = interval.bound
    if bound is None:
        return ""
    digits = decimals(metric, unit)

    def end(value: float) -> str:
        return f"{number(value * scale(unit), digits)}{suffix(unit)}"

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
