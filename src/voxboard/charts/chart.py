"""Charts as SVG that fits any width: lines in one stretched drawing; ticks, dots and words in percent around it.

Positions are shares of the width from the left and of the height from the bottom. Lines are kept in whole units of a
drawing `UNITS` wide and high, so that the page's script can read the numbers back and the bytes are the same anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from voxboard.charts.numbers import number

UNITS = 100_000
COLOURS = 6  # that the style sheet has; more systems come dashed, then grey
DASHES = 2

Point = tuple[float, float]
Scale = Literal["probit", "linear"]


@dataclass(frozen=True)
class Tick:
    """A grid line with its number."""

    share: float
    text: str
    minor: bool = False  # left out where there is little room


@dataclass(frozen=True)
class ChartAxis:
    """Description of an axis, in words and for the script, which turns positions back into numbers."""

    name: str  # "False acceptances (%)"
    short: str  # "FAR", before a number that is read out
    scale: Scale
    low: float
    high: float
    ticks: tuple[Tick, ...]
    unit: str = ""  # "%": numbers are fractions and read out as percent


@dataclass(frozen=True)
class ChartLine:
    """A line, or an area where `css` says so."""

    path: str
    css: str
    label: str
    row: str = ""  # id of the system that it belongs to
    floor: str = ""  # "x y": the rates that stand in for none


@dataclass(frozen=True)
class Dot:
    """A mark with its tooltip."""

    x: float
    y: float
    css: str
    label: str
    row: str = ""


@dataclass(frozen=True)
class RuleLine:
    """A vertical line with a word, such as a threshold."""

    x: float
    text: str
    side: Literal["start", "middle", "end"] = "middle"  # which part of the word stands at the line


@dataclass(frozen=True)
class Chart:
    """Ready to draw."""

    label: str  # for whoever hears the page
    x: ChartAxis
    y: ChartAxis
    lines: tuple[ChartLine, ...]
    dots: tuple[Dot, ...] = ()
    rules: tuple[RuleLine, ...] = ()


def path(points: Iterable[Point], closed: bool = False) -> str:
    """An SVG path in whole units, each point told from the one before."""
    parts, held = [], (0, 0)
    for share_x, share_y in points:
        x, y = round(share_x * UNITS), round((1 - share_y) * UNITS)
        parts.append(f"{x - held[0]} {y - held[1]}")
        held = x, y
    return ("m" + " ".join(parts) + ("z" if closed else "")).replace(" -", "-") if parts else ""


def percent_across(share: float) -> str:
    """A position from the left, as SVG attributes have it."""
    return f"{number(100 * share, 2)}%"


def percent_down(share: float) -> str:
    """A position from the top, for a share from the bottom."""
    return percent_across(1 - share)


def look(index: int) -> str:
    """CSS classes of the i-th system; beyond the palette systems are grey."""
    if index >= COLOURS * DASHES:
        return "rest"
    return f"c{index % COLOURS} d{index // COLOURS}"


def linear(
    name: str, short: str, low: float, high: float, ticks: Sequence[tuple[float, str]], unit: str = ""
) -> ChartAxis:
    """An axis with equal steps; ticks are given as (value, text) and kept where they lie on it."""
    marks = tuple(Tick((value - low) / (high - low), text) for value, text in ticks if low <= value <= high)
    return ChartAxis(name, short, "linear", low, high, marks, unit)
