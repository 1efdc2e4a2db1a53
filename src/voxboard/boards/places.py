"""Places that chance allows, from the intervals of a column: who is tied with whom."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from voxboard.boards.student_t import quantile, two_sided
from voxboard.metrics.enough import SPEAKERS
from voxboard.metrics.exact import smallest_p
from voxboard.records import Value

LEVEL = 0.95
ROUNDING = 1e-12  # of p: where an interval ends at zero a rounding error must not decide
MANY = 10_000  # clusters of a value that does not tell them: in effect the normal distribution
NOTE = (
    "Places are those that chance allows: at 1–3 no system is surely better, and two others may be. Two systems are "
    "told apart where p < 0.05, from their intervals as if they were measured on different items (unpaired), corrected "
    "by Holm over all pairs of the table. A system without an interval is told from no other, and fewer than six "
    "speakers tell nothing apart. The best of many is chosen by these very numbers and looks better than it is."
)

Places = tuple[int, int]
_Told = tuple[float, int, int]  # how many arms of the difference's interval apart; the lower value; the higher value


def rank_ranges(values: Sequence[Value | None], level: float = LEVEL) -> list[Places | None]:
    """The best and the worst place [n] that each value may have; None where there is no value.

    Two values are told apart by the interval of their difference (Zou and Donner 2008, eq. 5) read as Student's t,
    as `voxboard.comparison.between` does, corrected by Holm (1979) over all pairs.
    """
    return ranges(values, _better_and_worse(values, level))


def ranges(values: Sequence[Value | None], told: Iterable[tuple[int, int]]) -> list[Places | None]:
    """As `rank_ranges`, from the pairs (better, worse) that are told apart.

    A best place counts those that are better, a worst place those that are worse (Mogstad, Romano, Shaikh and Wilhelm
    2024, "Inference for ranks").
    """
    known = [place for place, value in enumerate(values) if value is not None and value.value is not None]
    ahead, behind = dict.fromkeys(known, 0), dict.fromkeys(known, 0)
    for better, worse in told:
        ahead[worse] += 1
        behind[better] += 1
    return [(1 + ahead[place], len(known) - behind[place]) if place in ahead else None for place in range(len(values))]


def shown(places: Places | None) -> str:
    """`1–3` for a range of places, `2` for one, `–` for none."""
    if places is None:
        return "–"
    return str(places[0]) if places[0] == places[1] else f"{places[0]}–{places[1]}"


def _better_and_worse(values: Sequence[Value | None], level: float) -> Iterator[tuple[int, int]]:
    tested, apart = _distances(values)
    for groups in apart.values():
        groups.sort()
    kept = _holm({key: [told[0] for told in groups] for key, groups in apart.items()}, tested, level)
    for key, groups in apart.items():
        for _, lower, higher in groups[len(groups) - kept[key] :]:
            value = values[lower]
            assert value is not None
            yield (lower, higher) if value.better == "lower" else (higher, lower)


def _distances(values: Sequence[Value | None]) -> tuple[int, dict[tuple[int, float], list[_Told]]]:
    """How many pairs can be tested, and by (degrees of freedom, level) those whose interval leaves out zero."""
    rows = sorted((_reach(value), place) for place, value in enumerate(values) if value and value.value is not None)
    tested = 0
    apart: dict[tuple[int, float], list[_Told]] = defaultdict(list)
    for index, ((value, _, up, clusters, level), place) in enumerate(rows):
        for (other, down, _, others, its_level), its_place in rows[index + 1 :]:
            if other == value:
                tested += 1  # with p = 1
                continue
            if level != its_level or not clusters or not others:
                continue
            tested += 1
            arm = math.hypot(down, up)
            if other - value > arm:
                steps = (other - value) / arm if arm else math.inf
                apart[min(clusters, others) - 1, level].append((steps, place, its_place))
    return tested, apart


def _reach(value: Value) -> tuple[float, float, float, int, float]:
    """Value, how far its interval goes down and up, clusters (0 where nothing can be told), and level."""
    assert value.value is not None
    low, high = value.low, value.high
    clusters = value.clusters or MANY
    if low is None or high is None or clusters < SPEAKERS or not all(map(math.isfinite, (value.value, low, high))):
        return value.value, 0.0, 0.0, 0, value.level
    return value.value, value.value - low, high - value.value, clusters, value.level


def _holm(steps: dict[tuple[int, float], list[float]], tested: int, level: float) -> dict[tuple[int, float], int]:
    """How many of each group's largest distances are significant, corrected by Holm over all `tested` pairs.

    Holm rejects the least p below alpha / pairs, the next below alpha / (pairs - 1) and so on: that is to reject all
    below alpha / (pairs - rejected), again and again until no more come. So few p are computed of very many pairs.
    """
    kept = dict.fromkeys(steps, 0)
    while True:
        rejected = sum(kept.values())
        limit = (1 - level - ROUNDING) / max(1, tested - rejected)
        for (degrees, made_at), group in steps.items():
            arm = quantile(made_at, degrees)
            # A sign-flip test over speakers, one more than there are degrees, cannot reach less.
            least = smallest_p(degrees + 1)
            first = bisect_left(group, True, key=lambda far: max(two_sided(far * arm, degrees), least) < limit)
            kept[degrees, made_at] = len(group) - first
        if sum(kept.values()) == rejected:
            return kept
