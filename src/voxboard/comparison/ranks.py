"""Places that chance allows: who is tied with whom in a column of a board."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

from voxboard.comparison.significance import Difference, between, holm
from voxboard.records import Value

Compare = Callable[[int, int], Difference]


def rank_ranges(
    values: Sequence[Value | None], level: float = 0.95, compare: Compare | None = None
) -> list[tuple[int, int] | None]:
    """The best and the worst place [n] that each value may have; None where there is no value.

    A system's best place counts those that are significantly better than it, its worst those that are significantly
    worse (Mogstad, Romano, Shaikh and Wilhelm 2024, "Inference for ranks"), over all pairs, corrected by Holm. A value
    without an interval is told from no other. `compare(i, j)` gives the difference of value j less value i; by default
    that of the two intervals, as if the systems were measured on different items.
    """
    known = [place for place, value in enumerate(values) if value is not None and value.value is not None]

    def plain(first: int, second: int) -> Difference:
        before, after = values[first], values[second]
        assert before is not None
        assert after is not None
        return between(before, after)

    pairs = list(combinations(known, 2))
    found = [(compare or plain)(*pair) for pair in pairs]
    ahead, behind = dict.fromkeys(known, 0), dict.fromkeys(known, 0)  # how many are better, and worse
    for (first, second), difference, p in zip(pairs, found, holm([one.p for one in found]), strict=True):
        if p is None or p >= 1 - level:
            continue
        one = values[first]
        assert one is not None
        grows = difference.value > 0
        worse, better = (second, first) if grows == (one.better == "lower") else (first, second)
        ahead[worse] += 1
        behind[better] += 1
    return [(1 + ahead[place], len(known) - behind[place]) if place in ahead else None for place in range(len(values))]


def shown(places: tuple[int, int] | None) -> str:
    """`1–3` for a range of places, `2` for one, `–` for none."""
    if places is None:
        return "–"
    return str(places[0]) if places[0] == places[1] else f"{places[0]}–{places[1]}"
