"""Places that chance allows: who is tied with whom in a column of a board."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

from voxboard.boards import places
from voxboard.boards.places import shown
from voxboard.comparison.significance import Difference, holm, significant
from voxboard.records import Value

__all__ = ["rank_ranges", "shown"]

Compare = Callable[[int, int], Difference]


def rank_ranges(
    values: Sequence[Value | None], level: float = places.LEVEL, compare: Compare | None = None
) -> list[tuple[int, int] | None]:
    """The best and the worst place [n] that each value may have; None where there is no value.

    A system's best place counts those that are significantly better than it, its worst those that are significantly
    worse (Mogstad, Romano, Shaikh and Wilhelm 2024, "Inference for ranks"), over all pairs, corrected by Holm. A value
    without an interval is told from no other. `compare(i, j)` gives the difference of value j less value i; by default
    that of the two intervals, as if the systems were measured on different items: what boards show.
    """
    if compare is None:
        return places.rank_ranges(values, level)
    known = [place for place, value in enumerate(values) if value is not None and value.value is not None]
    pairs = list(combinations(known, 2))
    found = [compare(*pair) for pair in pairs]
    told = []
    for (first, second), difference, p in zip(pairs, found, holm([one.p for one in found]), strict=True):
        one = values[first]
        assert one is not None
        if significant(difference, p, level):
            falls = (difference.value < 0) == (one.better == "lower")
            told.append((second, first) if falls else (first, second))
    return places.ranges(values, told)
