"""The catalogues: cheap to list, every name with a summary."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from voxboard import backbones, heads, poolers


def test_listing_imports_no_torch() -> None:
    code = "import sys; from voxboard import backbones, poolers, heads; "
    code += "assert backbones.names() and poolers.names() and heads.names(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize("kind", [backbones, poolers, heads], ids=lambda kind: kind.REGISTRY.kind)
def test_every_name_has_a_summary(kind: Any) -> None:
    assert not [name for name in kind.names() if not kind.REGISTRY.summary(name)]
