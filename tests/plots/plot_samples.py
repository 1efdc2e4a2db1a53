"""Simulated systems with scores, curves, groups and gaps: what a board and the plots are looked at with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tests.records.record_samples import DCF, EER, make_record
from voxboard.metrics.curves import curves
from voxboard.records import Benchmark, Curves, Gap, Group, Record, Value

GROUPS = {
    "gender": ("female", "male"),
    "accent": ("English", "Scottish", "Irish", "NorthernIrish", "Indian", "Welsh"),
}


def simulated(name: str, distance: float, size: int = 4000, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Cosine-like scores [n] and labels [n] of a system; equal names give equal scores."""
    rng = np.random.default_rng(list(name.encode()))
    labels = (np.arange(size) % 2 == 0).astype(int)
    scores = np.where(labels == 1, rng.normal(distance, spread, size), rng.normal(0.0, 1.0, size))
    return np.tanh(scores / 6), labels


def sample_curves(name: str, distance: float, size: int = 4000) -> Curves:
    """Curves of a simulated system whose likelihood ratios are a little overconfident."""
    scores, labels = simulated(name, distance, size)
    ratios = 1.25 * distance * (np.arctanh(scores) * 6 - distance / 2)
    return Curves(**curves(scores, labels, calibrated=ratios))


def grouped(name: str = "ecapa-tdnn+statistics+aam", distance: float = 3.0, **changes: Any) -> Record:
    """A record with curves, groups (one too small), and gaps."""
    from voxboard.charts.operating import cheapest, equal_error

    found = sample_curves(name, distance)
    eer, cheap = equal_error(found), cheapest(found, 0.01)
    assert eer is not None
    assert cheap is not None
    record = make_record(name, eer)
    interval = {"clusters": 24, "replicates": 1000, "interval": "bca"}
    strata, gaps = list(record.groups), []
    for label, names in GROUPS.items():
        factors = [1.22, 0.83] if label == "gender" else [0.8, 1.0, 1.1, 1.2, 1.45, None]
        for group, factor in zip(names, factors, strict=True):
            if factor is None:
                few = "too small: 12 targets, a number needs 30"
                strata.append(Group(f"{label}={group}", 24, 12, reason=few, label=label))
                continue
            value = Value(eer * factor, low=eer * factor * 0.7, high=eer * factor * 1.35, **interval)
            part = Group(f"{label}={group}", 1200, 600, {EER: value}, label=label)
            strata.append(part)
        known = [factor for factor in factors if factor]
        worst, best = names[known.index(max(known))], names[known.index(min(known))]
        apart = eer * (max(known) - min(known))
        low = apart * (0.3 if label == "gender" else -0.1)
        difference = Value(apart, low=low, high=apart * 1.8, **interval)
        gaps.append(Gap(label, EER, f"{label}={worst}", f"{label}={best}", difference))
    values = dict(record.values)
    values[EER] = replace(values[EER], interval="bca", threshold=0.24)
    values[DCF] = Value(cheap[1], unit="cost", low=cheap[1] * 0.85, high=cheap[1] * 1.15, **interval)
    record = replace(record, values=values, groups=tuple(strata), gaps=tuple(gaps), curves=found)
    for key, value in changes.items():
        record = replace(record, **{key: value})
    return record


SYSTEMS = {"wavlm-base-plus+unipool+aam": 4.1, "ecapa-tdnn+attentive+aam": 3.3, "x-vector+statistics+aam": 2.4,
           "fbank+mean": 0.9}  # fmt: skip


def board_records() -> list[Record]:
    """Four systems on two benchmarks."""
    real = Benchmark("VCTK verification", "verification", "VCTK", EER, licence="CC-BY-4.0")
    protocol = make_record().protocol
    assert protocol
    other = replace(protocol, items=replace(protocol.items, digest="cd" * 32))
    return [
        record
        for name, distance in SYSTEMS.items()
        for record in (grouped(name, distance), grouped(name, distance - 0.5, benchmark=real, protocol=other))
    ]
