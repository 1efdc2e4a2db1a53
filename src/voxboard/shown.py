"""How a measured number reads, wherever it stands: terminal, Markdown, pages, pictures, comparisons and logs.

A value shows as many decimals as papers of its field give it (EER 4.09 %, minDCF 0.214, WER 9.93 %, accuracy 81.4 %),
however wide its interval is; records, JSON and CSV keep full precision.
"""

from __future__ import annotations

from voxboard.errors import printable
from voxboard.records.result import Value

# Metric id up to its "@" → decimals, of a fraction those of its percentage.
DECIMALS = {
    **dict.fromkeys(("eer", "far", "frr", "hter"), 2),
    **dict.fromkeys(("min_dcf", "act_dcf", "cllr", "min_cllr"), 3),
    **dict.fromkeys(("der", "jer", "miss", "false_alarm", "confusion", "der_one_speaker"), 2),
    **dict.fromkeys(("wer", "cer", "substitutions", "insertions", "deletions"), 2),
    **dict.fromkeys(("accuracy", "balanced_accuracy", "macro_f1"), 1),
    **dict.fromkeys(("recall", "recall_at_k", "map", "map_at_k"), 1),
    **dict.fromkeys(("rmse", "mae"), 2),
    **dict.fromkeys(("pearson", "ccc"), 3),
    "median_rank": 1,
}
_UNITS = {"fraction": " %", "cost": "", "correlation": "", "": ""}


def decimals(metric: str, unit: str = "fraction") -> int:
    """How many decimals a metric id has; of a metric that nobody knows two of a percentage, else three."""
    name = metric.partition("@")[0].removesuffix("_rate")
    return DECIMALS.get(name, 2 if unit == "fraction" else 3)


def scale(unit: str) -> int:
    """What a stored value is multiplied by to be shown."""
    return 100 if unit == "fraction" else 1


def number(value: float, digits: int) -> str:
    """Fixed decimals, without a negative zero."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def suffix(unit: str) -> str:
    """What stands behind a number: ` %`, ` dB`, or nothing."""
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


def as_text(metric: str, value: float, unit: str = "fraction") -> str:
    """A bare value as its metric is given: `4.09 %`, `0.214`, `3.14 dB`."""
    return number(value * scale(unit), decimals(metric, unit)) + suffix(unit)


def shown(metric: str, value: Value) -> str:
    """A number with its interval as `metric` is given: `4.09 % [3.51, 4.80]`; the reason where there is none."""
    digits = decimals(metric, value.unit)
    return f"{show(value, digits)} {show_interval(value, digits)}".strip() or printable(value.reason)
