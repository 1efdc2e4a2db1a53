"""The package list of pyproject.toml is the tree, and the tree's parts are one package."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import voxboard
from voxboard.registry import Registry

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="runs in the source tree only")
def test_every_package_is_listed() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    top = ("backbones", "benchmarks", "poolers", "trials")
    inside = {f"voxboard.{name}" for name in top if (ROOT / name / "__init__.py").is_file()}
    source = ROOT / "src"
    inside |= {".".join(path.parent.relative_to(source).parts) for path in source.rglob("__init__.py")}
    assert set(setuptools["packages"]) == inside
    for name in top:
        nested = [path for path in (ROOT / name).rglob("*.py") if path.parent != ROOT / name]
        assert not nested, "component folders stay flat"


@pytest.mark.smoke
def test_the_public_names_are_there() -> None:
    for name in ("backbones", "poolers", "heads"):
        module = getattr(voxboard, name)
        assert isinstance(module.REGISTRY, Registry)
        assert callable(module.create)
        assert module.names()
    assert callable(voxboard.trials.read)
    assert callable(voxboard.records.load)
    assert callable(voxboard.board.build)
    with pytest.raises(AttributeError):
        _ = voxboard.nothing
