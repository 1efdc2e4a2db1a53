"""Numbers and names as text: the same bytes on every machine."""

from __future__ import annotations

import math
import unicodedata

from voxboard.shown import number, scale, show, show_interval

__all__ = [
    "UNKNOWN", "count", "duration", "known", "number", "plain", "quantity", "scale", "show",
    "show_interval", "size",
]  # fmt: skip

UNKNOWN = "unknown"


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
    characters = (" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf"))
    return " ".join("".join(characters).split())


def known(text: str) -> str:
    """A licence, or "unknown"."""
    return plain(text) or UNKNOWN
