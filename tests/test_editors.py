"""Type checkers and editors resolve every import of the package."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("src", "backbones", "benchmarks", "poolers", "trials")
# Extras that the development environment goes without.
ABSENT = ("comet_ml", "mlflow", "umap", "wandb")
RULES = ("reportMissingImports", "reportMissingModuleSource", "reportAttributeAccessIssue")


pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not importlib.util.find_spec("pyright"), reason="pyright is not installed: run make env"),
]


def unresolved(folder: Path, *include: Path) -> list[str]:
    """Return the imports that pyright cannot resolve, under the project's own configuration."""
    config = {
        "extends": str(ROOT / "pyproject.toml"),
        "include": [os.path.relpath(path, folder) for path in include],
        # The packages of whichever environment runs the tests.
        "extraPaths": [str(ROOT / ".typings"), *(path for path in sys.path if path.endswith("site-packages"))],
        "typeCheckingMode": "off",
        **dict.fromkeys(RULES, "error"),
    }
    file = folder / "pyrightconfig.json"
    file.write_text(json.dumps(config))
    command = [sys.executable, "-m", "pyright", "--project", str(file), "--outputjson"]
    report = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    assert report["summary"]["filesAnalyzed"] >= len(include)
    return [f"{each['file']}: {each['message']}" for each in report["generalDiagnostics"] if of_import(each)]


def of_import(diagnostic: dict[str, Any]) -> bool:
    """Whether a diagnostic says that an import is not resolved, and not that a value lacks an attribute."""
    rule, message = diagnostic.get("rule"), diagnostic["message"]
    if rule == "reportAttributeAccessIssue":
        return "unknown import symbol" in message or "attribute of module" in message
    return rule in RULES and not message.startswith(tuple(f'Import "{name}' for name in ABSENT))


def test_every_import_of_the_package_is_resolved(tmp_path: Path) -> None:
    assert unresolved(tmp_path, *(ROOT / part for part in PARTS)) == [], "see [tool.pyright]; `make env` makes links"


def test_an_import_of_what_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(
        "import voxboard.poolers.mean\nimport voxboard.poolers.nothing\n"
        "from voxboard.trials import nothing\nfrom voxboard.errors import UserError\n"
    )
    messages = unresolved(tmp_path, tmp_path / "user.py")
    assert len(messages) == 2
    assert '"voxboard.poolers.nothing" could not be resolved' in messages[0]
    assert '"nothing" is unknown import symbol' in messages[1]
