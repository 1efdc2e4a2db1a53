"""A board without what no two runs share: when records were made, how long it took, how much memory it needed, which
revision was checked out, and which cells an interruption has left to be embedded for together.

What is left depends on nothing but the grid, its corpora and the machine's arithmetic: an interrupted grid that was
gone on with gives the same bytes as one that was not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from voxboard.boards import arrange, render
from voxboard.records import Filed, Record

MEASURED = ("embeddings_per_second", "real_time_factor", "peak_memory_mib", "wall_seconds", "training_seconds")
REVISION: dict[str, Any] = {"git_revision": "", "git_dirty": None, "lock_digest": ""}
NEVER = "1970-01-01T00:00:00Z"


def timeless(record: Record) -> Record:
    """Return the record without its time, durations, memory, revision of the source tree and sizes of batches.

    The code is told by its digests. Of the batching stays whether padding could move a number: an embedding has the
    same bits in a batch of its own, from the cache, and computed together with those of other systems.
    """
    cost = replace(record.cost, **dict.fromkeys(MEASURED))
    batching = record.provenance.batching.partition(",")[0]
    provenance = replace(record.provenance, created=NEVER, batching=batching, **REVISION)
    return replace(record, cost=cost, provenance=provenance)


def files(filed: Iterable[Filed]) -> dict[str, str]:
    """The files of a board of timeless records, filed under the first folder of their paths: a grid's cell ids."""
    return render(arrange([Filed(each.path.partition("/")[0], timeless(each.record)) for each in filed]))


def digest(filed: Iterable[Filed]) -> str:
    """The first 12 hexadecimal digits of the sha256 of those files."""
    text = "\0".join(files(filed).values())
    return hashlib.sha256(text.encode()).hexdigest()[:12]
