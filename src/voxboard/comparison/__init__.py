"""Comparison of two systems: differences of records, paired by the evidence in them."""

from voxboard.comparison.compare import compare
from voxboard.comparison.result import Comparison, VanishedCell
from voxboard.metrics.paired import Difference
from voxboard.ranking import rank_ranges, shown
from voxboard.verdicts import between, holm, p_value

__all__ = [
    "Comparison",
    "Difference",
    "VanishedCell",
    "between",
    "compare",
    "holm",
    "p_value",
    "rank_ranges",
    "shown",
]
