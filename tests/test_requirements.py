"""What is required is imported, and what is imported is required."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src/voxboard", "backbones", "benchmarks", "poolers", "trials")
INDIRECT = {
    "s3prl": "voxboard.backbones.s3prl imports its upstreams by name",
    "speechbrain": "voxboard.backbones.speechbrain_encoder imports its classes by name",
    "tensorboard": "torch.utils.tensorboard is a shell around it",
}
# An extra's package that another package of the extra needs, or that a URL's scheme loads.
OF_EXTRAS = {
    "alembic": "MLflow's SQLite store",
    "sqlalchemy": "MLflow's SQLite store",
    "s3fs": "fsspec loads it for s3://",
    "gcsfs": "fsspec loads it for gs://",
    "ray": "voxboard.grids.engine imports the cluster's package by name",
    "mlflow-skinny": "its module is mlflow",
    "comet-ml": "its module is comet_ml",
    "umap-learn": "its module is umap",
}

pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="runs in the source tree only")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def imported() -> dict[str, str]:
    """Return module → a file that imports it; of namespace packages (pyannote) with the second name."""
    modules: dict[str, str] = {}
    for file in (file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names = [node.module]
            for name in names:
                parts = name.split(".")[: 2 if name.startswith("pyannote.") else 1]
                if parts[0] not in {*sys.stdlib_module_names, "voxboard"}:
                    modules[".".join(parts)] = str(file.relative_to(ROOT))
    return modules


@cache
def installed() -> Mapping[str, list[str]]:
    """Return module → its distributions, of this environment."""
    return packages_distributions()


def distributions(module: str) -> set[str]:
    """Return the distributions that a module may come from, by what is installed; else that of its own name."""
    if "." in module:  # a namespace is many distributions'
        return {normal(module)}
    return {normal(name) for name in installed().get(module, [module])}


def required() -> tuple[set[str], set[str]]:
    """Return the required distributions, and those of the extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [text for texts in project["optional-dependencies"].values() for text in texts]
    plain, optional = (
        {normal(Requirement(text).name) for text in texts} for texts in (project["dependencies"], extras)
    )
    return plain, optional


def test_every_requirement_is_imported() -> None:
    provided = {name for module in imported() for name in distributions(module)}
    plain, optional = required()
    assert plain - provided - set(INDIRECT) == set()
    assert optional - provided - set(OF_EXTRAS) == set()


def test_every_import_is_required() -> None:
    plain, optional = required()
    named = {"mlflow": "mlflow-skinny", "umap": "umap-learn"}  # where the extra is not installed
    missing = {
        module: file
        for module, file in imported().items()
        if not ({named.get(module, ""), *distributions(module)} & (plain | optional))
    }
    assert missing == {}


def test_no_exception_is_out_of_date() -> None:
    """A package that is imported after all, or gone, needs no reason."""
    plain, optional = required()
    assert set(OF_EXTRAS) <= optional
    assert set(INDIRECT) <= plain
