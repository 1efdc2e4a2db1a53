"""The package list of pyproject.toml is the tree, and the tree's parts are one package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

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


@pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="runs in the source tree only")
def test_torch_and_torchaudio_are_one_pair() -> None:
    """torchaudio 2.11.1 takes any torch from 2.11 on, but it is built for another CUDA: no resolver can know."""
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    pair = {Requirement(text).name: str(Requirement(text).specifier) for text in asked}
    assert pair["torch"] == pair["torchaudio"]
    assert re.fullmatch(r"==\d+\.\d+\.\d+", pair["torchaudio"]), "a patch release may be built for another CUDA"


@pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="runs in the source tree only")
def test_the_interpreters_of_the_metadata_are_those_that_are_tried() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [word.rpartition(" ")[2] for word in project["classifiers"] if "Python :: 3." in word]
    assert named == ["3.11", "3.12", "3.13"]
    allowed = SpecifierSet(project["requires-python"])
    assert all(f"{version}.0" in allowed for version in named)
    assert "3.10.99" not in allowed
    assert "Python 3.11, 3.12 or 3.13" in (ROOT / "README.md").read_text()


@pytest.mark.smoke
def test_the_public_names_are_there() -> None:
    for name in ("backbones", "poolers", "heads"):
        module = getattr(voxboard, name)
        assert isinstance(module.REGISTRY, Registry)
        assert callable(module.create)
        assert module.names()
    assert callable(voxboard.trials.read)
    assert callable(voxboard.records.load)
    assert callable(voxboard.boards.build)
    with pytest.raises(AttributeError):
        _ = voxboard.nothing


def test_results_of_a_checkout_are_nobodys_leftovers() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "results"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    if listed.returncode:
        pytest.skip("no checkout")
    published = ("results/real/records/", "results/real/board/")
    others = [name for name in listed.stdout.split("\0") if name and not name.startswith(published)]
    assert not others, "results are made, not kept: a published board is to be named here"
    ignored = subprocess.run(
        ["git", "check-ignore", "-q", "results/records/a/b.json"], cwd=ROOT, timeout=60, check=False
    )
    assert ignored.returncode == 0, "what a command or a test leaves there must not be added by accident"


CIRCLES = """
import grimp
from graphlib import TopologicalSorter
graph = grimp.build_graph("voxboard", exclude_type_checking_imports=False, cache_dir=None)
imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
assert len(imports) > 300
TopologicalSorter(imports).prepare()  # or `CycleError`, which names the files
"""


def test_no_files_import_each_other_in_a_circle() -> None:
    """Imports in functions and for types alone count as well. Layers are held by `make lint`."""
    pytest.importorskip("grimp", reason="grimp comes with import-linter, of the development tools")
    # A process of its own: this one knows the package by the installed one's place, which has not all of its folders.
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".typings")}
    done = subprocess.run([sys.executable, "-c", CIRCLES], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
