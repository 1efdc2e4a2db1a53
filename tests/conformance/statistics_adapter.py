"""Our bounds and exact tests for `adapter2`."""

from __future__ import annotations

from voxboard.metrics.exact import clopper_pearson, sign_flip, smallest_p, wilson, zero_error_bound

__all__ = ["clopper_pearson", "sign_flip", "smallest_p", "wilson", "zero_error_bound"]
