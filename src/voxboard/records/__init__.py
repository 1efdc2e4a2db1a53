"""Records: one schema-versioned JSON file per evaluated cell, the only source of every board."""

from voxboard.records.benchmark import Benchmark, Crop, Items, Protocol, Scoring
from voxboard.records.evidence import PackedEvidence
from voxboard.records.metric import Metric
from voxboard.records.migrations import SCHEMA
from voxboard.records.portable import portable
from voxboard.records.provenance import Provenance, collect
from voxboard.records.record import Record
from voxboard.records.result import Confusion, Cost, Curves, Gap, Group, Measured, Value
from voxboard.records.store import Filed, Survey, Unread, load, read, save, scan, slug, survey, validate
from voxboard.records.system import Candidate, Exposure, Part, Search, System, Training, Weights

__all__ = [
    "SCHEMA",
    "Benchmark",
    "Candidate",
    "Confusion",
    "Cost",
    "Crop",
    "Curves",
    "Exposure",
    "Filed",
    "Gap",
    "Group",
    "Items",
    "Measured",
    "Metric",
    "PackedEvidence",
    "Part",
    "Protocol",
    "Provenance",
    "Record",
    "Scoring",
    "Search",
    "Survey",
    "System",
    "Training",
    "Unread",
    "Value",
    "Weights",
    "collect",
    "load",
    "portable",
    "read",
    "save",
    "scan",
    "slug",
    "survey",
    "validate",
]
