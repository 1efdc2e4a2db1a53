"""Paired differences of tasks of other packages, as their `Benchmark.pairing` declares them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from voxboard import benchmarks
from voxboard.comparison.raw import Paired, PairingOptions, Row, utterances
from voxboard.metrics import bootstrap

if TYPE_CHECKING:
    from voxboard.benchmarks.pairing import Pairing
    from voxboard.records import Metric

log = logging.getLogger("voxboard")
Reader = Callable[[Path, Path, PairingOptions], dict[str, Paired]]


@cache
def readers() -> dict[str, Reader]:
    """Return, by the kind of raw outputs, how two files of it are compared: of all installed tasks that declare it."""
    declared: dict[str, Reader] = {}
    for name in benchmarks.names():
        if benchmarks.REGISTRY.entry(name) is not None:
            continue  # of voxboard itself
        try:
            benchmark = benchmarks.create(name)
        except Exception as error:  # whatever another package raises: other outputs can be compared all the same
            log.warning("The task %s cannot be used, so its outputs are not paired: %s", name, error)
            continue
        if benchmark.pairing is not None:
            metrics = {metric.id: metric for metric in benchmark.metrics}
            declared[benchmark.pairing.kind] = _reader(benchmark.pairing, metrics)
    return declared


def _reader(pairing: Pairing, metrics: Mapping[str, Metric]) -> Reader:
    def read(former: Path, latter: Path, options: PairingOptions) -> dict[str, Paired]:
        first, second, owners = utterances(former, latter, options, *pairing.same)
        differences: dict[str, Paired] = {}
        for metric, statistic in pairing.statistics.items():
            one, other = (_columns(side, statistic.columns) for side in (first, second))
            before, after = (
                bootstrap.interval(statistic.of, *side, clusters=owners, **options.resampling())
                for side in (one, other)
            )
            differences[metric] = Paired.of(before, after, options, metrics[metric].better, metrics[metric].unit)
        return differences

    return read


def _columns(rows: Sequence[Row], keys: Sequence[str]) -> list[NDArray[Any]]:
    return [np.array([row[key] for row in rows]) for key in keys]
