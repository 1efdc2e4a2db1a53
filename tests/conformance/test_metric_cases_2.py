"""The second set of values that independent implementations agreed on, where its folder is at hand."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import adapter2
from voxboard.errors import UserError

CASES = Path(__file__).resolve().parents[3] / "shared" / "metric-cases-2"
FOUND = sorted(CASES.glob("*.json")) if CASES.is_dir() else []
# What voxboard has no function for yet. A function that is missing for another reason fails.
LATER = {
    *("fdr", "garbe", "inequity_ratio", "detectable_difference", "clusters_needed", "design_effect"),
    *("cluster_se", "dyadic_se", "fnir_at_fpir", "rank_rate", "random_fnir", "retrieval"),
    *("a_dcf", "sasv_eers", "min_tdcf", "g711_decode", "g711_encode"),
}


def close(got: Any, expected: Any, tolerance: float) -> bool:
    """As the folder's own checker compares."""
    spec = importlib.util.spec_from_file_location("metric_cases_2_check", CASES / "check.py")
    assert spec is not None
    assert spec.loader is not None
    checker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(checker)
    return bool(checker.close(got, expected, tolerance))


@pytest.mark.skipif(not FOUND, reason=f"no metric cases at {CASES}")
@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = json.loads(path.read_text())
    if case["metric"] in LATER:
        pytest.skip(f"voxboard has no {case['metric']} yet")
    ours = getattr(adapter2, case["metric"])
    if case.get("raises"):
        with pytest.raises((UserError, ValueError)):
            ours(**case["input"], **case["params"])
    else:
        assert close(ours(**case["input"], **case["params"]), case["expected"], case["abs_tol"])
