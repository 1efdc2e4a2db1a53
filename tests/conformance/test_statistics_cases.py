"""Bounds and exact tests that two independent implementations agreed on, where the folder of cases is at hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conformance import adapter2
from tests.conformance import statistics_adapter as adapter

CASES = Path(__file__).resolve().parents[3] / "shared" / "metric-cases-2"
CHOSEN = [path for path in sorted(CASES.glob("*.json")) if json.loads(path.read_text())["metric"] in adapter.__all__]


@pytest.mark.skipif(not CHOSEN, reason=f"no metric cases at {CASES}")
@pytest.mark.parametrize("path", CHOSEN, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = json.loads(path.read_text())
    found = getattr(adapter, case["metric"])(**case["input"], **case["params"])
    assert found == pytest.approx(case["expected"], abs=case["abs_tol"])


def test_the_adapter_of_the_folder_answers_them_too() -> None:
    assert set(adapter.__all__) <= set(adapter2.__all__)


def test_no_case_is_passed_over() -> None:
    if CASES.is_dir():
        assert {path.stem.partition("-")[0] for path in CHOSEN} == {"clopper", "signflip", "smallest", "wilson", "zero"}
