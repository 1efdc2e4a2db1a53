"""Numbers and names as text: the same bytes on every machine."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable

from voxboard.records import Value

UNKNOWN = "unknown"


def decimals(values: Iterable[Value]) -> int:
    """Decimals that one column shows: as many as its narrowest interval supports, 1 to 4."""
    widths = [(v.high - v.low) * scale(v.unit) for v in values if v.high is not None and v.low is not None]
    narrow = min((width for width in widths if 0 < width < math.inf), default=None)
    if narrow is None:
        return 2 if all(v.unit == "fraction" for v in values) else 3
    return min(4, max(1, math.ceil(0.5 - math.log10(narrow))))


def scale(unit: str) -> int:
    """What a stored value is multiplied by to be shown."""
    return 100 if unit == "fraction" else 1


def number(value: float, digits: int) -> str:
    """Fixed decimals, without a negative zero."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def show(value: Value, digits: int) -> str:
    """`6.4 %`, `0.412` or `3.1 dB`; empty where there is no number."""
    if value.value is None:
        return ""
    suffix = {"fraction": " %", "cost": "", "correlation": "", "": ""}.get(value.unit, f" {plain(value.unit)}")
    return number(value.value * scale(value.unit), digits) + suffix


def show_interval(value: Value, digits: int) -> str:
    """`[5.1, 7.9]`, empty where there is no interval."""
    if value.value is None or value.low is None or value.high is None:
        return ""
    low, high = (number(end * scale(value.unit), digits) for end in (value.low, value.high))
    return f"[{low}, {high}]"


def count(value: int | None) -> str:
    """`36,427`."""
    return "" if value is None else f"{value:,}"


def size(value: int | None) -> str:
    """A number of parameters: `94.4 M`."""
    if value is None:
        return ""
    for limit, unit in ((1_000_000_000, " G"), (1_000_000, " M"), (1_000, " k")):
        if value >= limit:
            return f"{value / limit:.1f}{unit}"
    return str(value)


def quantity(value: float | None) -> str:
    """A measured cost with three significant digits: `0.0123`, `41.2`, `1,250`."""
    if value is None:
        return ""
    if value == 0 or not math.isfinite(value):
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 6)}f}"


def duration(seconds: float | None) -> str:
    """`42 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{quantity(seconds)} s"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def plain(text: str) -> str:
    """One line of visible characters: no control codes, no direction overrides, single spaces."""
    kept = (" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf"))
    return " ".join("".join(kept).split())


def known(text: str) -> str:
    """A licence, or "unknown"."""
    return plain(text) or UNKNOWN
