"""Our functions under the names that ../shared/metric-cases-2/check.py calls; each area has a module of its own.

PYTHONPATH=. python ../shared/metric-cases-2/check.py tests.conformance.adapter2
"""

from __future__ import annotations

from tests.conformance.formats_adapter import der_rttm, score_layout, transcript_format, wer_trn
from tests.conformance.statistics_adapter import clopper_pearson, sign_flip, smallest_p, wilson, zero_error_bound

__all__ = [
    "clopper_pearson",
    "der_rttm",
    "score_layout",
    "sign_flip",
    "smallest_p",
    "transcript_format",
    "wer_trn",
    "wilson",
    "zero_error_bound",
]
