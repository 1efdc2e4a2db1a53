"""Places that chance allows, from the values of a column: who is tied with whom."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations

from voxboard.metrics import paired
from voxboard.metrics.enough import SPEAKERS
from voxboard.metrics.exact import smallest_p
from voxboard.metrics.paired import Difference, Evidence
from voxboard.metrics.student_t import quantile, two_sided
from voxboard.records import Value
from voxboard.verdicts import LEVEL, ROUNDING, evidence_of, holm, kind, significant

MANY = 10_000  # clusters of a value that does not tell them: in effect the normal distribution
NOTE = (
    "Places are those that chance allows: at 1–3 no system is surely better, and two others may be. Two systems are "
    "told apart where p < 0.05, corrected by Holm over all pairs of the table: paired, from the influences of the "
    "speakers that their records hold, so that what both share cancels; where a record holds none, from the intervals "
    "as if the items were different ones (unpaired). A system without an interval is told from no other, and fewer "
    "than six speakers tell nothing apart. The best of many is chosen by these numbers and looks better than it is."
)

Places = tuple[int, int]
Compare = Callable[[int, int], Difference]
_Pair = tuple[float, int, int]  # how far apart; the place of the lower value; of the higher value


def rank_ranges(
    values: Sequence[Value | None], level: float = LEVEL, compare: Compare | None = None
) -> list[Places | None]:
    """Return the best and the worst place [n] that each value may have; None where there is no value.

    Two values are told apart as `verdicts.between` tells them, corrected by Holm (1979) over all pairs. `compare(i, j)`
    gives other differences, of value j less value i.
    """
    apart = _better_and_worse(values, level) if compare is None else _by(compare, values, level)
    return ranges(values, apart)


def ranges(values: Sequence[Value | None], differing: Iterable[tuple[int, int]]) -> list[Places | None]:
    """Return the same from the pairs (better, worse) that are told apart.

    A best place counts those that are better, a worst place those that are worse (Mogstad, Romano, Shaikh and Wilhelm
    2024, "Inference for ranks").
    """
    numbers = _numbers(values)
    ahead, behind = dict.fromkeys(numbers, 0), dict.fromkeys(numbers, 0)
    for better, worse in differing:
        ahead[worse] += 1
        behind[better] += 1
    return [
        (1 + ahead[place], len(numbers) - behind[place]) if place in ahead else None for place in range(len(values))
    ]


def shown(places: Places | None) -> str:
    """`1–3` for a range of places, `2` for one, `–` for none."""
    if places is None:
        return "–"
    return str(places[0]) if places[0] == places[1] else f"{places[0]}–{places[1]}"


def _by(compare: Compare, values: Sequence[Value | None], level: float) -> Iterator[tuple[int, int]]:
    """The pairs (better, worse) that given differences tell apart."""
    pairs = list(combinations(_numbers(values), 2))
    differences = [compare(*pair) for pair in pairs]
    for (first, second), one, p in zip(pairs, differences, holm([one.p for one in differences]), strict=True):
        if significant(one, p, level):
            yield _ordered(values, *((first, second) if one.value > 0 else (second, first)))


def _numbers(values: Sequence[Value | None]) -> list[int]:
    return [place for place, value in enumerate(values) if value is not None and value.value is not None]


def _ordered(values: Sequence[Value | None], lower: int, higher: int) -> tuple[int, int]:
    """The better and the worse of two places."""
    value = values[lower]
    assert value is not None
    return (lower, higher) if value.better == "lower" else (higher, lower)


def _better_and_worse(values: Sequence[Value | None], level: float) -> Iterator[tuple[int, int]]:
    evidence = {place: one for place in _numbers(values) if (one := evidence_of(values[place])) is not None}  # type: ignore[arg-type]
    tested, by_p = _paired(evidence, level)
    others, by_steps = _unpaired(values, {place: kind(one) for place, one in evidence.items()})
    groups = [_Chosen(pairs, lambda p: p) for pairs in [by_p] if pairs]
    for (degrees, made_at), pairs in by_steps.items():
        groups.append(_Chosen(pairs, _p_of_steps(quantile(made_at, degrees), degrees)))
    for _, lower, higher in _holm(groups, tested + others, level):
        yield _ordered(values, lower, higher)


def _paired(evidence: dict[int, Evidence], level: float) -> tuple[int, list[_Pair]]:
    """Number of pairs of one list that can be tested, and (p, lower, higher) of each that differs."""
    lists: dict[tuple[str, int, int], list[int]] = defaultdict(list)
    for place, one in evidence.items():
        lists[kind(one)].append(place)
    tested, pairs = 0, []
    for places in lists.values():
        for index, place in enumerate(places[:-1]):
            rest = places[index + 1 :]
            differences = paired.differences(evidence[place], [evidence[other] for other in rest], level)
            for other, p in zip(rest, differences.p.tolist(), strict=True):
                tested += not math.isnan(p)
                if p < 1 - level:
                    lower = place if evidence[place].value < evidence[other].value else other
                    pairs.append((p, lower, place + other - lower))
    return tested, pairs


def _unpaired(
    values: Sequence[Value | None], lists: dict[int, tuple[str, int, int]]
) -> tuple[int, dict[tuple[int, float], list[_Pair]]]:
    """Number of other pairs that can be tested, and by (degrees of freedom, level) those whose interval leaves out
    zero.

    Their distance is in arms of the interval of the difference (Zou and Donner 2008, eq. 5), negative.
    """
    rows = sorted((_reach(value), place) for place, value in enumerate(values) if value and value.value is not None)
    tested = 0
    apart: dict[tuple[int, float], list[_Pair]] = defaultdict(list)
    for index, ((value, _, up, clusters, level), place) in enumerate(rows):
        own = lists.get(place)
        for (other, down, _, others, its_level), its_place in rows[index + 1 :]:
            if own is not None and own == lists.get(its_place):
                continue
            if other == value:
                tested += 1  # with p = 1
                continue
            if level != its_level or not clusters or not others:
                continue
            tested += 1
            arm = math.hypot(down, up)
            if other - value > arm:
                steps = (other - value) / arm if arm else math.inf
                apart[min(clusters, others) - 1, level].append((-steps, place, its_place))
    return tested, apart


def _reach(value: Value) -> tuple[float, float, float, int, float]:
    """Value, how far its interval goes down and up, clusters (0 where nothing can be told), and level."""
    assert value.value is not None
    low, high = value.low, value.high
    clusters = value.clusters or MANY
    if low is None or high is None or clusters < SPEAKERS or not all(map(math.isfinite, (value.value, low, high))):
        return value.value, 0.0, 0.0, 0, value.level
    return value.value, value.value - low, high - value.value, clusters, value.level


def _p_of_steps(arm: float, degrees: int) -> Callable[[float], float]:
    """The p of a distance in arms; a sign-flip test over speakers, one more than degrees, cannot reach less."""
    least = smallest_p(degrees + 1)
    return lambda steps: max(two_sided(-steps * arm, degrees), least)


class _Chosen:
    """Pairs by ascending p, which is computed of few: `p_of` rises with the first of a pair."""

    def __init__(self, pairs: Iterable[_Pair], p_of: Callable[[float], float]) -> None:
        self.pairs, self.p_of = sorted(pairs), p_of

    def below(self, limit: float) -> int:
        """Number of pairs with a p below a limit."""
        return bisect_left(self.pairs, True, key=lambda pair: self.p_of(pair[0]) >= limit)


def _holm(groups: Sequence[_Chosen], tested: int, level: float) -> list[_Pair]:
    """The pairs that are significant, corrected by Holm over all `tested` ones.

    Holm rejects the least p below alpha / pairs, the next below alpha / (pairs - 1) and so on: that is to reject all
    below alpha / (pairs - rejected), again and again until no more come. So few p are computed of very many pairs.
    """
    rejected = -1
    counts = [0] * len(groups)
    while sum(counts) > rejected:
        rejected = sum(counts)
        limit = (1 - level - ROUNDING) / max(1, tested - rejected)
        counts = [group.below(limit) for group in groups]
    return [pair for group, count in zip(groups, counts, strict=True) for pair in group.pairs[:count]]
