"""Operating points read from the DET points of a record, and the probit axes that they are drawn on.

Pure Python with a fixed order of operations: boards are made of these numbers, byte by byte.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from voxboard.records import Curves

P_TARGETS = (0.01, 0.05)  # priors whose lowest detection cost is marked
Point = tuple[float, float]

# Where an axis may end, and which rates get a line, the most useful first.
_DECADES = tuple(10.0**power for power in range(-8, 0))
_BETWEEN = (0.05, 0.4, 0.02, 0.2, 0.005, 0.002, 0.6, 0.8, 0.9, 0.95, 0.99, 0.0005, 0.0002)
_ENDS = tuple(sorted(_DECADES + _BETWEEN))
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Axis:
    """A probit axis from one rate to another."""

    low: float
    high: float

    def ticks(self, apart: float = 0.05) -> tuple[float, ...]:
        """Round rates, at least a share `apart` of the axis from each other, ascending."""
        ticks: list[float] = []
        for rate in (self.low, self.high, *reversed(_DECADES), *_BETWEEN):
            if 0 <= self.place(rate) <= 1 and all(abs(self.place(rate) - self.place(t)) >= apart for t in ticks):
                ticks.append(rate)
        return tuple(sorted(ticks))

    def place(self, rate: float) -> float:
        """0 at the lower end, 1 at the upper; beyond them where a rate lies outside."""
        start, end = probit(self.low), probit(self.high)
        return (probit(rate) - start) / (end - start)


def probit(rate: float) -> float:
    """The normal deviate of a rate strictly between 0 and 1."""
    return _NORMAL.inv_cdf(rate)


def percent(rate: float) -> str:
    """`0.01` → "1", as ticks say it."""
    return f"{100 * rate:.6g}"


def trials(curves: Curves) -> tuple[int, int]:
    """(targets, non-targets) behind some curves."""
    return sum(curves.targets), sum(curves.non_targets)


def equal_error(curves: Curves) -> float | None:
    """The EER: where FAR and FRR cross, by linear interpolation. None where there is no curve."""
    pairs = itertools.pairwise(zip(curves.far, curves.frr, strict=True))
    for (far, frr), (far_next, frr_next) in pairs:
        if far_next >= frr_next:
            before, after = frr - far, far_next - frr_next
            return far + (before / (before + after) if before + after else 0.0) * (far_next - far)
    return None


def cheapest(curves: Curves, p_target: float) -> tuple[Point, float] | None:
    """The (FAR, FRR) of the lowest detection cost at a prior, and that cost, normalised. None without a curve."""
    if not curves.far:
        return None
    costs = (p_target * frr + (1 - p_target) * far for far, frr in zip(curves.far, curves.frr, strict=True))
    cost, place = min((cost, place) for place, cost in enumerate(costs))
    return (curves.far[place], curves.frr[place]), cost / min(p_target, 1 - p_target)


def deviates(curves: Curves) -> list[Point]:
    """(FAR, FRR) from the last threshold without a false alarm to the first without a miss, fit for probit axes.

    A rate of 0 lies nowhere on them: half a trial stands in for none.
    """
    places = range(len(curves.far))
    start = max((place for place in places if curves.far[place] == 0), default=0)
    end = min((place for place in places if curves.frr[place] == 0), default=len(places) - 1)
    visible = places[start : end + 1]
    return [drawn(curves, (curves.far[place], curves.frr[place])) for place in visible]


def drawn(curves: Curves, point: Point) -> Point:
    """Position of an operating point on probit axes, as in `deviates`."""
    targets, others = trials(curves)
    return _inside(point[0], others), _inside(point[1], targets)


def _inside(rate: float, count: int) -> float:
    half = 0.5 / max(count, 1)
    return min(max(rate, half), 1 - half)


def common_axis(systems: Iterable[Curves]) -> Axis:
    """One axis for FAR and FRR that shows the EER and the cheapest points of all systems, with room around them."""
    lows, highs = [], []
    for curves in systems:
        equal = drawn(curves, (equal_error(curves) or 0.0,) * 2)
        marks = [drawn(curves, point[0]) for p in P_TARGETS if (point := cheapest(curves, p))]
        lows.append(min([min(equal) / 15, *(rate for mark in marks for rate in mark)]))
        highs.append(max([2 * max(equal), *(1.1 * rate for mark in marks for rate in mark if rate < 0.8)]))
    low = max((rate for rate in _ENDS if rate < 0.9 * min(lows, default=0.001)), default=_ENDS[0])
    wanted = min(0.9, max([0.2, *highs]))
    return Axis(min(low, 0.01), min(rate for rate in _ENDS if rate >= wanted))


def thinned(line: Sequence[Point], tolerance: float) -> list[Point]:
    """A polyline without the points that lie closer to it than `tolerance` (Douglas & Peucker 1973)."""
    if len(line) < 3:
        return list(line)
    (x, y), (x_end, y_end) = line[0], line[-1]
    dx, dy = x_end - x, y_end - y
    length = math.hypot(dx, dy)
    off = [
        abs((px - x) * dy - (py - y) * dx) / length if length else math.hypot(px - x, py - y) for px, py in line[1:-1]
    ]
    farthest = max(range(len(off)), key=off.__getitem__)
    if off[farthest] <= tolerance:
        return [line[0], line[-1]]
    return thinned(line[: farthest + 2], tolerance)[:-1] + thinned(line[farthest + 1 :], tolerance)
