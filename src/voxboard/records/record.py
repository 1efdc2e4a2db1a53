"""The record of one evaluated cell: system × benchmark × seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from typing import Any, Literal

from voxboard import html, shown
from voxboard.errors import UserError, unknown
from voxboard.records.benchmark import Benchmark, Protocol
from voxboard.records.codec import decode, encode, short_digest
from voxboard.records.metric import Metric
from voxboard.records.migrations import SCHEMA, WHOLE_IDS, migrate
from voxboard.records.provenance import Provenance
from voxboard.records.result import Confusion, Cost, Curves, Gap, Group, Value
from voxboard.records.standard_metrics import standard
from voxboard.records.system import Exposure, System


@dataclass(frozen=True)
class Record:
    """Everything that is known about one evaluated cell; the only thing that boards are made of."""

    system: System
    benchmark: Benchmark
    protocol: Protocol | None  # None only for a cell that failed before its protocol was known
    provenance: Provenance
    values: Mapping[str, Value] = field(default_factory=dict)  # metric id → value
    groups: tuple[Group, ...] = field(
        default=(), metadata={"key": "strata"}
    )  # by what a pair shares, and by who the speakers are
    gaps: tuple[Gap, ...] = ()
    curves: Curves | None = None
    confusion: Confusion | None = None
    cost: Cost = field(default_factory=Cost)
    status: Literal["ok", "failed", "imported"] = "ok"  # imported = scores that voxboard did not compute
    reason: str = ""  # why it failed, or where it was imported from
    exposure: Exposure | None = None  # None in records from before it was kept
    metrics: tuple[Metric, ...] = ()  # how to read the values, in their order; empty in records of schema 5 and older

    @property
    def protocol_id(self) -> str:
        """The id of what is common to the record's columns, empty where there is no protocol."""
        return self.protocol.id if self.protocol else ""

    def column(self, metric: str) -> str:
        """The id of a metric's column, empty for one that the protocol does not name."""
        return self.protocol.columns.get(metric, "") if self.protocol else ""

    @property
    def panel(self) -> tuple[str, str, str]:
        """Benchmark, what is common to its columns, and the column that ranks: records that share them are ranked."""
        return self.benchmark.name, self.protocol_id, self.column(self.benchmark.main_metric)

    def shares(self, metric: str, other: Record) -> bool:
        """True if a metric is the same column in both records, so that its numbers may be compared."""
        return self.benchmark.name == other.benchmark.name and self.column(metric) == other.column(metric)

    @cached_property
    def _described(self) -> Mapping[str, Metric]:
        return {metric.id: metric for metric in self.metrics}

    def metric(self, id: str) -> Metric:  # noqa: A002
        """Return how a metric is called and shown: as the record says, else as voxboard has it, in the value's unit."""
        if described := self._described.get(id):
            return described
        metric, value = standard(id), self.values.get(id)
        values = [value] if value else [group.values[id] for group in self.groups if id in group.values]
        if not values or (values[0].unit, values[0].better) == (metric.unit, metric.better):
            return metric
        bounds = metric.bounds if values[0].unit == metric.unit else ()
        return replace(metric, unit=values[0].unit, better=values[0].better, bounds=bounds)

    @cached_property
    def row(self) -> str:
        """Digest of system and seed: records with equal rows and columns are repetitions of one cell."""
        return short_digest({"system": self.system.identity(), "seed": self.provenance.seed})

    @cached_property
    def cell(self) -> str:
        """Digest of row and panel: of records with equal ones the newest counts, whichever metrics they have."""
        return short_digest([self.row, *self.panel])

    @cached_property
    def id(self) -> str:
        """Digest of the whole content."""
        return short_digest(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """JSON values, with the schema version and the ids of protocol and columns for whoever reads the file."""
        content = encode(self)
        content["metrics"] = encode(self.metrics, sparse=True)
        if self.protocol:
            content["protocol"] = {**_ids(self.protocol), **content["protocol"]}
        return {"schema": SCHEMA, **content}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Record:
        """Parsed JSON of any known schema → a valid record. Raises `UserError` that names the field."""
        if not isinstance(data, Mapping):
            raise UserError("It is not a JSON object.", 'A record is one object with "schema": 1.')
        content = migrate(data)
        content.pop("schema")
        stored: dict[str, Any] = {}
        if isinstance(content.get("protocol"), dict):
            content["protocol"] = dict(content["protocol"])
            stored = {key: content["protocol"].pop(key) for key in ("id", "columns") if key in content["protocol"]}
        try:
            record = decode(cls, content)
        except RecursionError as error:
            raise UserError("It is nested too deeply.", "A record holds a few levels of objects.") from error
        record.validate()
        record.validate_counts()
        if record.protocol:
            _check_ids(stored, record.protocol, data["schema"])
        return record

    def __str__(self) -> str:
        lines = [f"  {name}: {value}" for name, value in self._shown()]
        return "\n".join([self._title, *lines, *([f"  failed: {self.reason}"] if self.status == "failed" else [])])

    @property
    def _title(self) -> str:
        return f"{self.system.name} on {self.benchmark.name}, seed {self.provenance.seed}"

    def _shown(self) -> list[tuple[str, str]]:
        """Labels of the metrics, and their values with intervals; those without a value tell why."""
        metrics = ((self.metric(name), value) for name, value in self.values.items())
        return [(metric.label, shown.shown(metric, value)) for metric, value in metrics]

    def _repr_html_(self) -> str:
        rows, title = self._shown(), self._title
        notes = ["Synthetic speech: no evidence about real speech."] if self.benchmark.synthetic else []
        notes += [f"failed: {self.reason}"] if self.status == "failed" else []
        return html.table(title, ("metric", "value [95 % interval]"), rows, notes)

    def validate(self) -> None:
        """Raise `UserError` for a record that a board could not place or that would mislead."""
        self.system.validate()
        self.benchmark.validate()
        self.provenance.validate()
        self.cost.validate()
        if self.status == "failed" and not self.reason.strip():
            raise UserError("A failed record has no reason.", "Say in `reason` what went wrong.")
        if self.protocol is None:
            if self.status != "failed" or self.values or self.groups:
                raise UserError("protocol is null.", "Only a cell that failed may lack its protocol.")
            return
        self.protocol.validate(self.benchmark.main_metric)
        if self.status != "failed" and self.benchmark.main_metric not in self.values:
            raise UserError(
                f"values lacks the main metric {self.benchmark.main_metric}.",
                "Give its value, or value null with a reason.",
            )
        self._check_values(self.protocol)

    def validate_counts(self) -> None:
        """Raise `UserError` for a count below zero, wherever it stands."""
        for where, count in _counts(self, ""):
            if count < 0:
                raise UserError(f"{where} is {count}.", "It counts something: write 0 or more.")

    def _check_values(self, protocol: Protocol) -> None:
        for described in self.metrics:
            if described.id not in protocol.metrics:
                raise unknown("metric in metrics (protocol.metrics lacks it)", described.id, protocol.metrics)
            described.validate()
        named = [("values", self.values), *((f"strata[{s.name}].values", s.values) for s in self.groups)]
        for where, values in named:
            for metric, value in values.items():
                if metric not in protocol.metrics:
                    raise unknown(f"metric in {where} (protocol.metrics lacks it)", metric, protocol.metrics)
                value.validate(f"{where}.{metric}")
                value.validate_bounds(f"{where}.{metric}", self.metric(metric))
        for gap in self.gaps:
            if gap.metric not in protocol.metrics:
                raise unknown("metric in gaps (protocol.metrics lacks it)", gap.metric, protocol.metrics)
            gap.value.validate(f"gaps[{gap.label}].{gap.metric}")
        for table in (self.curves, self.confusion):
            if table:
                table.validate()
        for stratum in self.groups:
            if not stratum.name.strip() or stratum.count < 0:
                raise UserError(f"strata has a part named {stratum.name!r} with {stratum.count} items.")


def _ids(protocol: Protocol) -> dict[str, Any]:
    """The ids that a record's file holds beside what they digest."""
    return {"id": protocol.id, "columns": dict(protocol.columns)}


def _check_ids(stored: Mapping[str, Any], protocol: Protocol, schema: int) -> None:
    """Raise `UserError` where a file disagrees with its own ids, as far as migrations left them."""
    ids = _ids(protocol) if schema == SCHEMA else {"id": protocol.digest} if schema == WHOLE_IDS else {}
    for key, expected in ids.items():
        if stored.get(key) not in (None, expected):
            raise UserError(
                f"protocol.{key} is {stored[key]}, but of this protocol it is {expected}.",
                "The protocol was changed after the evaluation: evaluate again.",
            )


def _counts(part: Any, where: str) -> Iterator[tuple[str, int]]:
    """Every whole number of a record but seeds and what is free JSON, with its place."""
    if is_dataclass(part):
        for f in fields(part):
            if f.name != "seed":
                yield from _counts(getattr(part, f.name), f"{where}.{f.name}".lstrip("."))
    elif isinstance(part, tuple):
        for place, item in enumerate(part):
            yield from _counts(item, f"{where}[{place}]")
    elif isinstance(part, Mapping):
        for key, item in part.items():
            if is_dataclass(item):
                yield from _counts(item, f"{where}.{key}")
    elif isinstance(part, int) and not isinstance(part, bool):
        yield where, part
