"""Records of older schemas, brought up to date while they are read; the files stay as they are.

Every change to a field raises `SCHEMA` by one and adds the step from the version before to the new one.
A step takes and returns the parsed JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from voxboard.errors import UserError

SCHEMA = 6
WHOLE_IDS = 5  # the last schema whose protocol ids digest the metrics too

Step = Callable[[dict[str, Any]], dict[str, Any]]

# version → the step from it to the next
STEPS: dict[int, Step] = {
    1: dict,  # 2 added gaps, curves, a stratum's label and how an interval was made: all optional
    2: dict,  # 3 added confusion: optional
    3: dict,  # 4 added how a system's weights came to be: `System.start` tells it of older ones
    4: dict,  # 5 added false alarms at a minDCF's optimum, and intervals that are bounds
    # 6 added evidence, intervals on the scale of a metric, metrics and a condition (all optional), column ids and a
    # protocol id without metrics (derived)
    5: dict,
}


def migrate(data: Mapping[str, Any], steps: Mapping[int, Step] | None = None, schema: int = SCHEMA) -> dict[str, Any]:
    """Parsed JSON of any known version → of `schema`. Raises `UserError` for an unknown or a newer one."""
    steps = STEPS if steps is None else steps
    schema_of = data.get("schema")
    if not isinstance(schema_of, int) or isinstance(schema_of, bool) or schema_of < 1:
        raise UserError("It has no schema version.", 'Records are JSON objects with "schema": 1.')
    if schema_of > schema:
        raise UserError(
            f"It was written with schema {schema_of}, this voxboard reads up to {schema}.", "Update voxboard."
        )
    current = dict(data)
    for version in range(schema_of, schema):
        current = {**steps[version](current), "schema": version + 1}
    return current
