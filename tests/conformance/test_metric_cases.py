"""Values that two or more independent implementations agreed on, where the folder of cases is at hand."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
CASES = HERE.parent.parent.parent / "shared" / "metric-cases"
FOUND = sorted(CASES.glob("*.json")) if CASES.is_dir() else []


@pytest.fixture(scope="module")
def check() -> Iterator[tuple[ModuleType, ModuleType]]:
    """The checker of the cases' folder and our adapter."""
    sys.path[:0] = [str(CASES), str(HERE)]
    try:
        yield importlib.import_module("check"), importlib.import_module("adapter")
    finally:
        del sys.path[:2]


@pytest.mark.skipif(not FOUND, reason=f"no metric cases at {CASES}")
@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_case(path: Path, check: tuple[Any, ModuleType]) -> None:
    checker, adapter = check
    case = json.loads(path.read_text())
    if case.get("raises"):
        with pytest.raises(ValueError):
            checker.run(case, adapter)
    else:
        assert checker.close(checker.run(case, adapter), case["expected"], case["abs_tol"])
