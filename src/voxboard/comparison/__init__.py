"""Which of two is better, and how sure is that: differences of records, paired where the raw outputs are there."""

from voxboard.comparison.compare import Comparison, Vanished, compare
from voxboard.comparison.ranks import rank_ranges, shown
from voxboard.comparison.significance import Difference, between, holm, p_value

__all__ = [
    "Comparison",
    "Difference",
    "Vanished",
    "between",
    "compare",
    "holm",
    "p_value",
    "rank_ranges",
    "shown",
]
