"""Numbers as they read wherever they stand: terminal, Markdown, pages, pictures, comparisons and logs.

A value shows as many decimals as papers of its field give it (EER 4.09 %, minDCF 0.214, WER 9.93 %, accuracy 81.4 %),
however wide its interval is; records, JSON and CSV keep full precision.
"""

from __future__ import annotations

from voxboard.errors import printable
from voxboard.records.metric import Metric
from voxboard.records.result import Value

_UNITS = {"fraction": " %", "cost": "", "correlation": "", "": ""}


def scale(unit: str) -> int:
    """Factor from a stored value to the one that is shown."""
    return 100 if unit == "fraction" else 1


def number(value: float, digits: int) -> str:
    """Fixed decimals, without a negative zero."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def suffix(unit: str) -> str:
    """Suffix of a number: ` %`, ` dB`, or nothing."""
    return _UNITS[unit] if unit in _UNITS else f" {printable(unit)}"


def show(value: Value, digits: int) -> str:
    """`6.40 %`, `0.412` or `3.14 dB`; empty where there is no number."""
    return "" if value.value is None else number(value.value * scale(value.unit), digits) + suffix(value.unit)


def show_interval(value: Value, digits: int) -> str:
    """`[5.10, 7.90]`; `≤ 7.22` or `≥ 92.78` where no error was seen, or nothing else; empty without an interval."""
    if value.value is None or value.low is None or value.high is None:
        return ""
    low, high = (number(end * scale(value.unit), digits) for end in (value.low, value.high))
    if value.interval == "bound" and value.value == value.low:
        return f"≤ {high}"
    if value.interval == "bound" and value.value == value.high:
        return f"≥ {low}"
    return f"[{low}, {high}]"


def as_text(metric: Metric, value: float) -> str:
    """A bare value as its metric is given: `4.09 %`, `0.214`, `3.14 dB`."""
    return number(value * scale(metric.unit), metric.digits) + suffix(metric.unit)


def shown(metric: Metric, value: Value) -> str:
    """A number with its interval as `metric` is given: `4.09 % [3.51, 4.80]`; the reason where there is none."""
    digits = metric.digits
    return f"{show(value, digits)} {show_interval(value, digits)}".strip() or printable(value.reason)
