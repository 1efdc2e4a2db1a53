"""Records of several tasks: what a board of more than verification is looked at with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.records.record_samples import make_record
from voxboard.records import Benchmark, Confusion, Group, Items, Protocol, Record, Value

RECALL, ACCURACY = "balanced_accuracy@macro", "accuracy@top1"
DER, WER = "der@collar=0.25", "wer@basic"


def attribute(
    name: str,
    counts: tuple[tuple[int, ...], ...] = ((190, 20), (12, 198)),
    classes: tuple[str, ...] = ("female", "male"),
    label: str = "gender",
) -> Record:
    """A record of a label, with its confusion matrix."""
    recalls = [row[place] / sum(row) for place, row in enumerate(counts) if sum(row)]
    recall = sum(recalls) / len(recalls)
    right = sum(row[place] for place, row in enumerate(counts)) / sum(map(sum, counts))
    return _record(
        name,
        Benchmark(f"Voices {label}", "attributes", "Voices", RECALL, synthetic=True),
        Items("aa" * 32, sum(map(sum, counts)), "utterances", speakers=30),
        {
            RECALL: Value(recall, "higher", low=max(0.0, recall - 0.05), high=min(1.0, recall + 0.05), clusters=30),
            ACCURACY: Value(right, "higher"),
        },
        confusion=Confusion(classes, counts),
    )


def diarized(name: str, error: float = 0.12, recordings: int = 232) -> Record:
    """A record with as many recordings as VoxConverse has."""
    strata = tuple(
        Group(
            f"recording=r{place:03d}", 20 + place, None, {DER: Value(error * 2 * place / recordings)}, label="recording"
        )
        for place in range(recordings)
    )
    value = Value(error, low=error * 0.8, high=error * 1.3, clusters=recordings, cluster_by="recording")
    return _record(
        name,
        Benchmark("VoxConverse diarization", "diarization", "VoxConverse", DER),
        Items("bb" * 32, recordings, "recordings"),
        {DER: value},
        groups=strata,
    )


def level(name: str, error: float = 3.1) -> Record:
    """A record whose numbers are decibels and correlations."""
    return _record(
        name,
        Benchmark("Voices intensity rms_dbfs", "intensity", "Voices", "rmse", synthetic=True),
        Items("cc" * 32, 420, "utterances", speakers=30),
        {
            "rmse": Value(error, "lower", "dB", low=error - 0.4, high=error + 0.6, clusters=30),
            "pearson": Value(-0.1, "higher", "correlation", low=-0.3, high=0.2, clusters=30),
            "rmse@ridge": Value(0.4, "lower", "dB"),
        },
    )


def _record(name: str, benchmark: Benchmark, items: Items, values: dict[str, Value], **more: Any) -> Record:
    base = make_record(name, groups=())
    protocol = Protocol(items, {metric: {} for metric in values})
    return replace(base, benchmark=benchmark, protocol=protocol, values=values, **more)
