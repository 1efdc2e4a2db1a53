"""What a benchmark measured, as the fields of a record."""

from __future__ import annotations

import math
from typing import Any

from voxboard import records
from voxboard.benchmarks.base import Benchmark, Measured
from voxboard.metrics.bootstrap import Interval


def fields_of(benchmark: Benchmark, measured: Measured, clustered_by: str = "") -> dict[str, Any]:
    """`values`, `strata`, `gaps`, `curves`, `confusion`; `clustered_by` where the benchmark's own was not resampled."""
    clusters = clustered_by or benchmark.clustered_by

    def value(metric: str, interval: Interval, threshold: float | None = None) -> records.Value:
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
            interval=interval.method if bounded else "",
            threshold=threshold,
            reason="" if bounded else f"no interval: {interval.clusters} {clusters}s are too few to resample",
        )

    return {
        "values": {name: value(name, one, measured.thresholds.get(name)) for name, one in measured.values.items()},
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
