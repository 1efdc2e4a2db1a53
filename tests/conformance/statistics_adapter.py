"""Our bounds and exact tests under the names that ../shared/metric-cases-2/check.py calls.

PYTHONPATH=. python ../shared/metric-cases-2/check.py tests.conformance.statistics_adapter
"""

from __future__ import annotations

from voxboard.metrics.exact import clopper_pearson, sign_flip, smallest_p, wilson, zero_error_bound

__all__ = ["clopper_pearson", "sign_flip", "smallest_p", "wilson", "zero_error_bound"]
