"""Results in records: values with intervals, per group too, and their cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from typing import Literal

from voxboard.errors import UserError
from voxboard.records.evidence import PackedEvidence
from voxboard.records.metric import Better, Metric


@dataclass(frozen=True)
class Value:
    """One measured number with its interval, in the metric's own unit."""

    value: float | None  # None = there is no number, and `reason` says why
    better: Better = "lower"
    unit: str = "fraction"  # "fraction" is shown as percent; "cost", "correlation", "dB", "seconds" as they are
    low: float | None = None  # interval, both ends or neither
    high: float | None = None
    level: float = 0.95  # of the interval
    clusters: int | None = None  # how many clusters were resampled
    cluster_by: str = "speaker"  # what a cluster is
    replicates: int | None = None  # bootstrap replicates
    # How the interval was made; empty = unknown or none. "bound" = no error was seen, or nothing but errors: low and
    # high are a one-sided bound, and `reason` says what it rests on.
    interval: Literal["", "percentile", "bca", "bca_t", "logit_t", "log_t", "bound"] = ""
    threshold: float | None = None  # score at which the value was taken; equal scores are accepted
    reason: str = ""  # why there is no value or no interval, or what a bound rests on
    false_alarms: int | None = None  # of a minDCF: non-targets that its threshold accepts; few do not tell it
    evidence: PackedEvidence | None = None  # what pairs it with other records of the same list

    def validate(self, where: str) -> None:
        """Raise `UserError` for half an interval, or one upside down."""
        if self.value is None and not self.reason.strip():
            raise UserError(f"{where} has no value and no reason.", "Say in `reason` why there is none.")
        if (self.low is None) != (self.high is None):
            raise UserError(f"{where} has half an interval.", "Give low and high, or neither.")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise UserError(f"{where} has an interval from {self.low} down to {self.high}.")
        if not 0 < self.level < 1:
            raise UserError(f"{where}.level is {self.level}.", "A level lies between 0 and 1, such as 0.95.")
        if self.evidence is not None:
            self.evidence.validate(where)

    def validate_bounds(self, where: str, metric: Metric) -> None:
        """Raise `UserError` for a value that its metric cannot have, such as percent in place of a fraction."""
        if self.value is not None and not metric.admits(self.value):
            advice = "Values are fractions: 6.4 % is 0.064." if self.unit == "fraction" else ""
            raise UserError(f"{where}.value is {self.value}.", advice or f"{metric.name} lies within {metric.bounds}.")


@dataclass(frozen=True)
class Group:
    """Speakers, utterances or trials with numbers of their own: the women, or the same-gender trials."""

    name: str  # "GENDER_MATCH=1", "gender=female"
    count: int  # trials, utterances, or turns of a recording
    targets: int | None = None  # trials with label 1
    values: Mapping[str, Value] = field(default_factory=dict)
    reason: str = ""  # why a group has no numbers, e.g. "no target trials"
    label: str = ""  # what divides the speakers or utterances into groups: "gender"; empty = what a trial's sides share

    def __post_init__(self) -> None:
        """Drop what would pair a group with others: only whole lists are paired."""
        lean = {metric: replace(value, evidence=None) for metric, value in self.values.items()}
        object.__setattr__(self, "values", lean)


@dataclass(frozen=True)
class Gap:
    """Gap between the worst and the best group under one label."""

    label: str  # "gender"
    metric: str  # a metric id
    worst: str  # names of groups
    best: str
    value: Value  # worst minus best, with the interval of the difference on the same resamples


@dataclass(frozen=True)
class Curves:
    """Curves behind pictures of the scores, thinned to what a picture shows."""

    far: tuple[float, ...]  # operating points of the DET curve, by ascending FAR …
    frr: tuple[float, ...]  # … and descending FRR
    edges: tuple[float, ...]  # [bins + 1] of the score histograms
    targets: tuple[int, ...]  # [bins]
    non_targets: tuple[int, ...]  # [bins]
    log_odds: tuple[float, ...] = ()  # natural logarithms of prior odds of a target, for the Bayes error plot …
    actual: tuple[float, ...] = ()  # … normalised Bayes error rate at the threshold that calibrated scores give …
    minimum: tuple[float, ...] = ()  # … and at the best threshold

    def validate(self) -> None:
        """Raise `UserError` for columns whose lengths do not belong together."""
        groups = {
            "far and frr": (len(self.far), len(self.frr)),
            "edges and histograms": (len(self.edges) - 1, len(self.targets), len(self.non_targets)),
            "log_odds, actual and minimum": (len(self.log_odds), len(self.actual), len(self.minimum)),
        }
        for names, lengths in groups.items():
            if len(set(lengths)) > 1:
                raise UserError(f"curves has {names} of unlike lengths: {lengths}.")
        if not all(0 <= rate <= 1 for rate in (*self.far, *self.frr)):
            raise UserError("curves has far or frr outside 0 and 1.", "Rates are fractions: 6.4 % is 0.064.")
        for name, points in (("edges", self.edges), ("log_odds", self.log_odds)):
            if any(after < before for before, after in pairwise(points)):
                raise UserError(f"curves has {name} that do not ascend.")


@dataclass(frozen=True)
class Confusion:
    """Confusion matrix of true and predicted classes."""

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]  # [true][predicted]

    def validate(self) -> None:
        """Raise `UserError` for a table that is not square over its classes."""
        size = len(self.classes)
        if len(self.counts) != size or any(len(row) != size for row in self.counts):
            raise UserError(f"confusion is not a table of {size} × {size} classes.")


@dataclass(frozen=True)
class Measured:
    """The numbers of some outputs: of all items, per group, and between groups. `Record` has fields of these names."""

    values: Mapping[str, Value]  # metric id → value
    groups: tuple[Group, ...] = ()
    gaps: tuple[Gap, ...] = ()
    curves: Curves | None = None
    confusion: Confusion | None = None


@dataclass(frozen=True)
class Cost:
    """Cost of the numbers. None = not measured."""

    parameters: int | None = None  # of backbone and pooler, as evaluated
    trainable_parameters: int | None = None  # that training moved
    embeddings_per_second: float | None = None  # audio reading included
    real_time_factor: float | None = None  # compute seconds per second of audio
    peak_memory_mib: float | None = None  # of the process, or of the device where there is one
    wall_seconds: float | None = None  # of the evaluation
    utterances: int | None = None  # distinct utterances that were embedded
    audio_seconds: float | None = None  # of those utterances
    training_seconds: float | None = None
    training_steps: int | None = None

    def validate(self) -> None:
        """Raise `UserError` for a cost below zero."""
        for f in fields(self):
            if (getattr(self, f.name) or 0) < 0:
                raise UserError(f"cost.{f.name} is {getattr(self, f.name)}.", "Leave out what was not measured.")
