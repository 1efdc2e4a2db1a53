"""Is a difference more than chance? Differences of two values, paired where their records allow it, and their p."""

from __future__ import annotations

import math
from collections.abc import Sequence

from voxboard.metrics import paired
from voxboard.metrics.enough import SPEAKERS
from voxboard.metrics.exact import smallest_p
from voxboard.metrics.paired import Difference, Evidence
from voxboard.records import Value

LEVEL = 0.95
ROUNDING = 1e-12  # of p


def between(before: Value, after: Value, level: float = LEVEL) -> Difference:
    """Return the difference of two values: `after` less `before`.

    It is paired where both have evidence of one list and the same resamples, else unpaired.
    """
    first, second = evidence_of(before), evidence_of(after)
    if first is None or second is None or not pairable(first, second):
        return unpaired(before, after)
    return paired.difference(first, second, level)


def evidence_of(value: Value) -> Evidence | None:
    """Return what pairs a value with others; None where its record holds none."""
    if value.value is None or value.evidence is None:
        return None
    bounded = value.interval == "bound" and value.low is not None and value.high is not None
    bound = (value.low, value.high) if bounded else None
    return Evidence(value.value, *value.evidence.arrays(), value.evidence.digest, bound, value.level)  # type: ignore[arg-type]


def pairable(first: Evidence, second: Evidence) -> bool:
    """True if two have seen the same resamples of the same list."""
    return kind(first) == kind(second)


def kind(evidence: Evidence) -> tuple[str, int, int]:
    """Key that must be equal for two to be paired."""
    replicates = 0 if evidence.replicates is None else evidence.replicates.size
    return evidence.digest, evidence.influences.size, replicates


def optimism(values: Sequence[Value]) -> float | None:
    """Return how much too good the best of some values looks because it is the best of them, in their unit.

    Over the largest group that can be paired; None for fewer than two.
    """
    groups: dict[tuple[str, int, int], list[Evidence]] = {}
    for value in values:
        if (one := evidence_of(value)) is not None:
            groups.setdefault(kind(one), []).append(one)
    largest = max(groups.values(), key=len, default=[])
    return paired.optimism(largest, values[0].better) if len(largest) > 1 else None


def why_unpaired(before: Value, after: Value) -> str:
    """Reason why two values have no paired difference; empty where they have one."""
    first, second = evidence_of(before), evidence_of(after)
    lacking = [side for side, one in zip("AB", (first, second), strict=True) if one is None]
    if lacking:
        return f"the record of {' and that of '.join(lacking)} was made before records kept what pairs them"
    assert first is not None
    assert second is not None
    return "" if pairable(first, second) else "measured on other items or speakers, or with other resamples"


def unpaired(before: Value, after: Value) -> Difference:
    """Return the difference of two values that are only known with their intervals, taken as independent.

    The interval is that of Zou and Donner (2008, "Construction of confidence limits about effect measures", eq. 5),
    which keeps the skewness of both. On the same items it is too wide, as what the two share does not cancel.
    """
    if before.value is None or after.value is None:
        raise ValueError("a difference needs two values")
    value = after.value - before.value
    bounds = (before.low, before.high, after.low, after.high)
    if any(bound is None for bound in bounds) or before.level != after.level:
        return Difference(value, p=1.0 if value == 0 else None, method="unpaired")
    first_low, first_high, second_low, second_high = (float(bound) for bound in bounds if bound is not None)
    low = value - math.hypot(after.value - second_low, first_high - before.value)
    high = value + math.hypot(second_high - after.value, before.value - first_low)
    # Without a word about clusters the normal distribution: that of very many.
    clusters = min(value.clusters or 10_000 for value in (before, after))
    return Difference(value, low, high, p_value(value, low, high, clusters, before.level), method="unpaired")


def p_value(value: float, low: float, high: float, clusters: int, level: float = LEVEL) -> float | None:
    """Return the two-sided p of "there is no difference", from the interval of an unpaired difference.

    The half of the interval that faces zero is taken as Student's t with clusters − 1 degrees of freedom has it, so
    that p falls below 1 − level where the interval leaves zero out. It is never below 2^(1 − clusters), the least that
    a sign-flip test over clusters can reach. None without an interval, and with too few clusters to tell anything.
    """
    from scipy.special import stdtr, stdtrit

    if value == 0:
        return 1.0
    if not (math.isfinite(low) and math.isfinite(high)) or clusters < SPEAKERS:
        return None
    arm = value - low if value > 0 else high - value
    if arm <= 0:  # every resample has this difference, or a larger one
        return smallest_p(clusters)
    degrees = clusters - 1
    steps = abs(value) / arm * float(stdtrit(degrees, (1 + level) / 2))
    return max(float(2 * stdtr(degrees, -steps)), smallest_p(clusters))


def significant(difference: Difference, corrected: float | None, level: float = LEVEL) -> bool:
    """Return whether a difference is more than chance: its corrected p is small, and its interval leaves zero out.

    Where the interval ends at zero, p is 1 − level but for a rounding error, which must not decide.
    """
    low, high = difference.low, difference.high
    if corrected is None or corrected >= 1 - level - ROUNDING:
        return False
    if low is None or high is None:
        return difference.flat and difference.value != 0
    return low > 0 or high < 0


def holm(ps: Sequence[float | None], weights: Sequence[float] | None = None) -> list[float | None]:
    """Return the p of each comparison corrected for all of them; None stays, and counts as no comparison.

    Holm (1979, "A simple sequentially rejective multiple test procedure", section 4): of the chance that anything is
    called different by mistake, each comparison gets a share as its positive weight says; by default all alike.
    """
    shares = [1.0] * len(ps) if weights is None else weights
    ranked = sorted((p / shares[place], place) for place, p in enumerate(ps) if p is not None)
    left = sum(shares[place] for _, place in ranked)
    corrected: list[float | None] = [None] * len(ps)
    largest = 0.0
    for scaled, place in ranked:
        largest = max(largest, min(1.0, scaled * left))
        corrected[place] = largest
        left -= shares[place]
    return corrected
