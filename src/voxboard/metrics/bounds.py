"""Bounds where not one error was seen, or nothing but errors, in place of an interval without width.

Resampling a list without errors gives lists without errors: its interval is [0, 0], as if all were known. What is known
is that a share of speakers who always fail, or of pairs who always pass, cannot be large, or this list would have held
one of them. The bounds are one-sided, at the level of the interval, and hold for any way in which the trials of a
speaker rise and fall together; that of independent trials is far smaller, and stands beside them in words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxboard.metrics.exact import zero_error_bound


@dataclass(frozen=True)
class Bound:
    """The ends that a value without errors may lie between, and what they rest on."""

    low: float
    high: float
    seen: str  # "0 of 480 targets rejected"
    independent: float | None = None  # the end that is not the value, if all trials were independent


Bounds = Callable[[float], Bound]  # of the level


@dataclass(frozen=True)
class Rate:
    """A rate that came out as 0 or 1: of so many trials, as good as `units` independent ones."""

    errors: int
    trials: int
    units: float

    def most(self, level: float) -> float:
        """Largest deviation of the population's rate from this one."""
        return zero_error_bound(self.units, level)

    def ends(self, level: float, units: float | None = None) -> tuple[float, float]:
        """The bound: [0, u] without errors, [1 − u, 1] with nothing else."""
        u = zero_error_bound(units or self.units, level)
        return (1 - u, 1.0) if self.errors else (0.0, u)


def independent(pairs: Any) -> float:
    """Return the fractional matching number of the graph of clusters [S, S] that share a trial.

    A rate over pairs of random speakers is as sure as so many independent pairs make it (Finner 1992, "A generalization
    of Hölder's inequality and some probability inequalities"): at most S / 2, for a star of pairs 1. A cluster that has
    trials with itself counts as one by itself. `pairs` is a sparse matrix of counts, as `Clusters.pairs` gives it.
    """
    from scipy.sparse.csgraph import maximum_bipartite_matching

    alone = pairs.diagonal() > 0
    rest = np.flatnonzero(~alone)
    graph = (pairs + pairs.T)[rest][:, rest].tocsr()
    # Half of what the double cover can match is the fractional matching number (Scheinerman and Ullman 1997, 2.1.4).
    matched = np.count_nonzero(maximum_bipartite_matching(graph) >= 0) if graph.nnz else 0
    return float(np.count_nonzero(alone) + matched / 2)


def of_share(value: float, items: int, clusters: float) -> Bounds | None:
    """The bound of a share of items (accuracy, WER, DER) that is 0 or 1; None for any other."""
    if value not in (0.0, 1.0) or items < 1 or clusters <= 0:
        return None
    rate = Rate(int(value) * items, items, clusters)
    seen = f"{rate.errors:,} of {items:,} items"

    def bound(level: float) -> Bound:
        return Bound(*rate.ends(level), seen, rate.ends(level, items)[0 if rate.errors else 1])

    return bound


def of_costs(frr: Rate | None, far: Rate | None, shares: tuple[float, float]) -> Bounds | None:
    """The bound of shares · (FRR, FAR) at a threshold that was fixed before; None unless each that counts is 0 or 1.

    The level for each is enough for both: were one of the two beyond its bound, that alone would be unlikely.
    """
    parts = [(share, rate) for share, rate in zip(shares, (frr, far), strict=True) if share > 0]
    rated = [(share, rate) for share, rate in parts if rate is not None]
    if len(rated) < len(parts):
        return None
    words = {id(frr): "targets rejected", id(far): "non-targets accepted"}
    seen = ", ".join(f"{rate.errors:,} of {rate.trials:,} {words[id(rate)]}" for _, rate in rated)

    def bound(level: float) -> Bound:
        lows, highs = (sum(share * rate.ends(level)[end] for share, rate in rated) for end in (0, 1))
        single = rated[0][1] if len(rated) == 1 and rated[0][0] == 1 else None
        best = single.ends(level, single.trials)[0 if single.errors else 1] if single else None
        return Bound(lows, highs, seen, best)

    return bound


def separated(targets: Rate, others: Rate, weight: float = 1.0, most: float = 1.0, inverted: bool = False) -> Bounds:
    """The bound of `weight` · EER, at most `most`, where a threshold of the list's own tells all targets apart.

    No target lies below it, no non-target above: with an EER of u one of the two has probability (1 − u)^units, so
    u solves (1 − u)^targets + (1 − u)^others = 1 − level. For S speakers who all meet that is 1 − 0.0477^(2 / S).
    """
    seen = f"0 errors at the list's own threshold in {targets.trials:,} targets and {others.trials:,} non-targets"
    if inverted:
        seen = f"all of {targets.trials:,} targets below all of {others.trials:,} non-targets"

    def reach(level: float, units: tuple[float, float]) -> float:
        return min(most, weight * _union(units, level))

    def bound(level: float) -> Bound:
        u = reach(level, (targets.units, others.units))
        best = reach(level, (targets.trials, others.trials))
        return Bound(1 - u, 1.0, seen, 1 - best) if inverted else Bound(0.0, u, seen, best)

    return bound


def _union(units: tuple[float, float], level: float) -> float:
    """The u with (1 − u)^a + (1 − u)^b = 1 − level."""
    from scipy.optimize import brentq

    def excess(log: float) -> float:
        return math.exp(units[0] * log) + math.exp(units[1] * log) - (1 - level)

    deepest = math.log((1 - level) / 4) / min(units)  # beyond where both terms are half of it
    return -math.expm1(brentq(excess, deepest, 0.0, xtol=1e-15, rtol=1e-12))


def of_difference(values: tuple[float, float], bounds: tuple[Bounds, Bounds]) -> Bounds:
    """The bound of the first value less the second, neither of which a resample moves (Zou and Donner 2008, eq. 5)."""
    one, other = values

    def bound(level: float) -> Bound:
        ours, theirs = (each(level) for each in bounds)
        low = one - other - math.hypot(one - ours.low, theirs.high - other)
        high = one - other + math.hypot(ours.high - one, other - theirs.low)
        return Bound(low, high, "no resample differs")

    return bound


def of_trials(
    eer: float,
    costs: Mapping[str, float],
    decisions: Mapping[str, tuple[tuple[float, float], NDArray[np.bool_]]],
    targets: NDArray[np.bool_],
    sides: Sequence[Any],
) -> dict[str, Bounds]:
    """The bounds of those detection metrics that no resample moves, by name.

    `costs`: of every cost at the list's own threshold what it is when all is wrong. `decisions`: of the metrics at a
    threshold from elsewhere the weights of FRR and FAR, and which trials [n] are wrong. `sides`: of targets and of
    non-targets the trials of each pair of clusters.
    """
    sizes = int(targets.sum()), int((~targets).sum())
    units: list[float] = []

    def rate(side: int, errors: int) -> Rate | None:
        """The rate of a side, where all of its trials went the same way."""
        if errors not in (0, sizes[side]):
            return None
        if not units:
            units.extend(independent(pairs) for pairs in sides)
        return Rate(errors, sizes[side], units[side])

    bounds: dict[str, Bounds | None] = {}
    if eer in (0.0, 1.0):
        perfect = tuple(Rate(0, size, independent(pairs)) for size, pairs in zip(sizes, sides, strict=True))
        bounds["eer"] = separated(perfect[0], perfect[1], inverted=eer == 1.0)
        if eer == 0.0:
            bounds |= {name: separated(perfect[0], perfect[1], worst) for name, worst in costs.items()}
    for name, (shares, wrong) in decisions.items():
        missed = int(np.count_nonzero(wrong & targets))
        bounds[name] = of_costs(rate(0, missed), rate(1, int(np.count_nonzero(wrong)) - missed), shares)
    return {name: bound for name, bound in bounds.items() if bound is not None}
