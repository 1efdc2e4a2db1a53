"""Benchmarks in records, and the protocols that fix what their numbers mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from voxboard.errors import UserError, unknown
from voxboard.records.codec import encode, short_digest


@dataclass(frozen=True)
class Benchmark:
    """A benchmark card as a board needs it."""

    name: str  # the card's name, "Voices verification"
    task: str  # "verification", "identification", "diarization", "transcription", …
    corpus: str  # the corpus that is tested on
    main_metric: str  # the metric id that ranks, one of the protocol's
    split: str = "test"
    synthetic: bool = False  # true = synthesised speech, no evidence about real speech
    licence: str = ""  # of the test corpus; empty = unknown
    source: str = ""  # where it comes from: a URL or a citation
    about: str = ""  # what the task asks, in one sentence; empty for voxboard's own
    note: str = ""  # intended use or a warning, shown beside the numbers

    def validate(self) -> None:
        """Raise `UserError` for an empty name, task, corpus or main metric."""
        for where in ("name", "task", "corpus", "main_metric"):
            if not str(getattr(self, where)).strip():
                raise UserError(f"benchmark.{where} is empty.", "A board cannot place the record without it.")


@dataclass(frozen=True)
class Items:
    """Scored items: the trials of a list, or the utterances or recordings of a split."""

    digest: str  # sha256 of the list or the split, hexadecimal
    count: int
    kind: Literal["trials", "utterances", "recordings"] = "trials"
    name: str = ""  # a label such as the file name; not part of the protocol id
    targets: int | None = None  # trials with label 1
    speakers: int | None = None


@dataclass(frozen=True)
class Crop:
    """Part of an utterance that is embedded."""

    policy: str = "whole"  # "whole", "random", "centre", "windows"
    max_seconds: float | None = None  # utterances beyond are handled as `beyond` says
    beyond: str = ""  # "truncate", "mean of chunks"; empty when nothing is ever longer


@dataclass(frozen=True)
class Scoring:
    """Score of two embeddings."""

    function: str = "cosine"
    clamp: bool = False  # scores clamped to [0, 1], as UniPool-SV has them
    normalisation: str = "none"  # "none", "z-norm", "s-norm", "as-norm"
    cohort: str = ""  # sha256 of the cohort, where normalisation needs one
    options: Mapping[str, Any] = field(default_factory=dict)  # e.g. top = 300 of adaptive s-norm


@dataclass(frozen=True)
class Protocol:
    """Everything that fixes the meaning of numbers; batching and device, which must not, are provenance.

    All of it but the metrics is common to the columns of a panel. A column is that and one metric with its parameters,
    so that a metric which a task gains changes no column that there is.
    """

    items: Items
    metrics: Mapping[str, Mapping[str, Any]]  # metric id → its parameters; all of the card's, measured or not
    crop: Crop = field(default_factory=Crop)
    scoring: Scoring | None = None  # None for tasks without pairs
    options: Mapping[str, Any] = field(default_factory=dict)  # of other tasks: collar, text normaliser, VAD …
    condition: Mapping[str, Any] = field(default_factory=dict)  # what was done to the audio; empty = nothing

    @cached_property
    def id(self) -> str:
        """12 hexadecimal digits for all but the metrics. A renamed copy of a list keeps its id."""
        return short_digest(self._content(metrics=False))

    @cached_property
    def columns(self) -> Mapping[str, str]:
        """Metric id → column id, 12 hexadecimal digits; equal ids mean comparable numbers."""
        return {metric: short_digest([self.id, metric, given]) for metric, given in self.metrics.items()}

    @cached_property
    def digest(self) -> str:
        """12 hexadecimal digits for all of it, every metric too; the protocol id of records before schema 6."""
        return short_digest(self._content(metrics=True))

    def _content(self, metrics: bool) -> dict[str, Any]:
        content: dict[str, Any] = encode(self, sparse=True)
        content["items"].pop("name", None)
        return content if metrics else {key: item for key, item in content.items() if key != "metrics"}

    def validate(self, main_metric: str) -> None:
        """Raise `UserError` for a list without digest, impossible counts, or an unknown main metric."""
        items = self.items
        if not items.digest.strip():
            raise UserError("protocol.items.digest is empty.", "Without it nobody can tell which list was scored.")
        if items.count < 1 or not 0 <= (items.targets or 0) <= items.count:
            raise UserError(
                f"protocol.items counts {items.count} {items.kind} with {items.targets} targets.",
                "Count the list again.",
            )
        if main_metric not in self.metrics:
            raise unknown("metric in benchmark.main_metric", main_metric, self.metrics)
