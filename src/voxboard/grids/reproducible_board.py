"""A board without what no two runs share: when records were made, how long it took, and how much memory it needed.

What is left depends on nothing but the grid, its corpora and the machine's arithmetic: an interrupted grid that was
gone on with gives the same bytes as one that was not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from voxboard.boards import arrange, render
from voxboard.records import Filed, Record

MEASURED = ("embeddings_per_second", "real_time_factor", "peak_memory_mib", "wall_seconds", "training_seconds")
NEVER = "1970-01-01T00:00:00Z"


def timeless(record: Record) -> Record:
    """The record without its time, durations and memory."""
    cost = replace(record.cost, **dict.fromkeys(MEASURED))
    return replace(record, cost=cost, provenance=replace(record.provenance, created=NEVER))


def files(filed: Iterable[Filed]) -> dict[str, str]:
    """The files of a board of timeless records, filed under the first folder of their paths: a grid's cell ids."""
    return render(arrange([Filed(each.path.partition("/")[0], timeless(each.record)) for each in filed]))


def digest(filed: Iterable[Filed]) -> str:
    """The first 12 hexadecimal digits of the sha256 of those files."""
    text = "\0".join(files(filed).values())
    return hashlib.sha256(text.encode()).hexdigest()[:12]
