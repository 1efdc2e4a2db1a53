"""Generalisation gaps: how much worse a value is away from home, with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

from voxboard.charts.numbers import number, plain, scale
from voxboard.records import Value


def gap(away: Sequence[Value], home: Sequence[Value]) -> Value:
    """The mean of `away` less the mean of `home`, or the other way round where higher is better: above zero is worse.

    The interval takes all values as independent (Zou and Donner 2008, "Construction of confidence limits about effect
    measures", for a sum of weighted values). It is left out where a value has none or another level.
    """
    sign = 1 if home[0].better == "lower" else -1
    parts = [(sign / len(away), value) for value in away] + [(-sign / len(home), value) for value in home]
    middle = sum(weight * _known(value.value) for weight, value in parts)
    values = [value for _, value in parts]
    if any(v.low is None or v.high is None for v in values) or len({v.level for v in values}) > 1:
        return Value(middle, "lower", home[0].unit)
    below = [weight * (_known(v.value) - _known(v.low if weight > 0 else v.high)) for weight, v in parts]
    above = [weight * (_known(v.high if weight > 0 else v.low) - _known(v.value)) for weight, v in parts]
    counts = [value.clusters for value in values if value.clusters is not None]
    return Value(
        middle,
        "lower",
        home[0].unit,
        low=middle - math.hypot(*below),
        high=middle + math.hypot(*above),
        level=home[0].level,
        clusters=min(counts) if counts else None,
        cluster_by=home[0].cluster_by,
    )


def _known(value: float | None) -> float:
    assert value is not None
    return value


def signed(value: Value, digits: int) -> str:
    """`+12.3`, in percent points where the value is a fraction."""
    text = number(_known(value.value) * scale(value.unit), digits)
    return text if text.startswith("-") or float(text) == 0 else f"+{text}"


def unit_of(unit: str) -> str:
    """Unit of a gap: a difference of percentages is no percentage."""
    return {"fraction": "points", "cost": "", "correlation": ""}.get(unit, plain(unit))
