"""Digests of code follow imports, and change with what Python makes of it, nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from voxboard import code_digest
from voxboard.code_digest import meaning, module_file, user_digest, user_sources
from voxboard.evaluation import code
from voxboard.parts import Part
from voxboard.systems import parse

SYSTEM = parse("ecapa+mlp(pooler='statistics')+softmax")
# What is edited → whether a trained cell is trained again, measured again, or left.
PLACES = {
    "training.loop": "trained",
    "training.trainee": "trained",
    "training.optimization": "trained",
    "training.schedules": "trained",
    "training.scaled_adam": "trained",
    "data.batches": "trained",
    "data.augment": "trained",
    "heads.softmax": "both",
    "backbones.ecapa": "both",
    "backbones.base": "both",
    "poolers.mlp": "both",
    "poolers.statistics": "both",  # by its name, in an option
    "model": "both",
    "data.audio": "both",
    "metrics.detection": "measured",
    "metrics.bootstrap": "measured",
    "benchmarks.verification": "measured",
    "benchmarks.base": "measured",
    "scoring.cosine": "measured",
    "embedding.embed": "measured",
    "scoring.calibration": "measured",
    "trials.build": "measured",
    "evaluation.evaluate": "measured",
    "poolers.unipool": "left",
    "heads.aam": "left",
    "backbones.xvector": "left",
    "benchmarks.transcription": "left",
    "metrics.text": "left",
    "boards.page": "left",
    "cli.train": "left",
    "grids.job": "left",
    "plots.style": "left",
    "comparison.repeat": "left",
    "records.store": "left",
    "progress": "left",
    "shown": "left",
    "data.recipes.vctk": "left",
}
EDITS = {
    "statement": (b"\nADDED = 1\n", True),
    "comment": (b"\n# a comment\n", False),
    "blank lines": (b"\n\n\n", False),
    "string": (b'\n"""Not a docstring, but as idle."""\n', False),
}


@pytest.fixture
def edit(monkeypatch: pytest.MonkeyPatch) -> object:
    """Appends to a file as it is read."""
    read = Path.read_bytes

    def edited(path: Path, added: bytes) -> None:
        monkeypatch.setattr(Path, "read_bytes", lambda one: read(one) + (added if one == path else b""))

    return edited


@pytest.mark.parametrize("place", PLACES)
def test_what_an_edit_asks_for(place: str, edit: object) -> None:
    before = code.of(SYSTEM, Part("verification"))
    path = module_file(f"voxboard.{place}")
    assert path is not None
    for added, counts in EDITS.values():
        edit(path, added)  # type: ignore[operator]
        after = code.of(SYSTEM, Part("verification"))
        changed = (before.training != after.training, before.measuring != after.measuring)
        wanted = {"trained": (True, False), "both": (True, True), "measured": (False, True), "left": (False, False)}
        assert changed == (wanted[PLACES[place]] if counts else (False, False))


def test_an_untrained_system_is_left_by_the_code_of_training(edit: object) -> None:
    before = code.of(SYSTEM, Part("verification"), trained=False)
    for place in ("training.loop", "heads.softmax"):
        edit(module_file(f"voxboard.{place}"), b"\nADDED = 1\n")  # type: ignore[operator]
        assert code.of(SYSTEM, Part("verification"), trained=False) == before
    edit(module_file("voxboard.metrics.detection"), b"\nADDED = 1\n")  # type: ignore[operator]
    assert code.of(SYSTEM, Part("verification"), trained=False) != before


def test_a_pooler_that_a_backbone_names_counts_where_it_is_asked_for(edit: object) -> None:
    def digests() -> list[str]:
        return [code.of(parse(f"ecapa+{name}+softmax"), Part("verification")).training for name in ("native", "max")]

    before = digests()
    edit(module_file("voxboard.poolers.attentive"), b"\nADDED = 1\n")  # type: ignore[operator]
    assert [one == two for one, two in zip(before, digests(), strict=True)] == [False, True]


def test_the_options_that_a_name_fixes_count() -> None:
    task = Part("verification")
    names = ("ecapa", "ecapa-1024", "vgg", "vgg3l")
    assert len({code.of(parse(f"{name}+mean+softmax"), task).training for name in names}) == len(names)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("x = 1", "x  =  1  # one", True),
        ("def f():\n    return 1", 'def f():\n    """Says one."""\n\n    return 1', True),
        ("class A:\n    a: int = 1", 'class A:\n    """An A."""\n    a: int = 1\n    """Its a."""', True),
        ("x = 1", "x = 1.0", False),
        ("x = True", "x = 1", False),
        ("x = 'a'", 'x = "a"', True),
        ("x = 'a'", "x = b'a'", False),
        ("x = 0.1", "x = 0.10000000000000001", True),
        (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a",
            "from typing import TYPE_CHECKING",
            False,
        ),
        ("if TYPE_CHECKING:\n    import a", "if TYPE_CHECKING:\n    import b", True),
        ("return 1 (", "return 2 (", False),
    ],
)
def test_meaning(first: str, second: str, same: bool) -> None:
    assert (meaning(first.encode()) == meaning(second.encode())) is same


HELPED = {
    "import helper": "helper.py",
    "from helper import x": "helper.py",
    "def f():\n    import helper": "helper.py",
    "import pack.inner": "pack/inner.py",
    "from pack import inner": "pack/inner.py",
    "from pack import inner as other": "pack/__init__.py",
    "from . import helper": "helper.py",
    "from .pack.inner import x": "pack/inner.py",
    "import sys; sys.path.insert(0, 'lib'); import far": "lib/far.py",
    "import importlib; importlib.import_module('helper')": "helper.py",
    "import importlib; importlib.import_module('pack.inner')": "pack/inner.py",
    "from pathlib import Path; exec(Path('helper.py').read_text())": "helper.py",
    "import first": "helper.py",  # through first
    "import pack.deep": "helper.py",  # from a package to a module beside it
}


@pytest.mark.parametrize("words", HELPED)
def test_a_helper_is_followed_however_it_is_imported(words: str, tmp_path: Path) -> None:
    for folder in ("pack", "lib"):
        (tmp_path / folder).mkdir()
    files = {"first.py": "import helper", "pack/deep.py": "from helper import x", "lib/far.py": "x = 1"}
    files |= dict.fromkeys(("helper.py", "pack/__init__.py", "pack/inner.py", "other.py"), "x = 1")
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    mine = tmp_path / "mine.py"
    mine.write_text(words)
    before = user_digest(mine)
    (tmp_path / "other.py").write_text("x = 2")
    assert user_digest(mine) == before
    (tmp_path / HELPED[words]).write_text("x = 2")
    assert user_digest(mine) != before


def test_where_a_file_lies_is_not_in_its_digest_and_nothing_of_it_runs(tmp_path: Path) -> None:
    text = "import helper\nraise RuntimeError('it ran')\n"
    digests = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.py").write_text(text)
        (tmp_path / name / "helper.py").write_text("raise RuntimeError('it ran')")
        digests.add(user_digest(tmp_path / name / "mine.py"))
    assert len(digests) == 1


def test_libraries_are_not_followed_and_circles_end(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import numpy, os, torch, helper, nowhere_at_all\nfrom voxboard.poolers import mean"
    )
    (tmp_path / "helper.py").write_text("import mine, helper")
    assert {source.name for source in user_sources(tmp_path / "mine.py")} == {"mine.py", "helper.py"}


def test_a_user_file_that_builds_on_voxboard_changes_with_it(tmp_path: Path, edit: object) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("from voxboard.poolers.mean import Mean\nclass Mine(Mean): pass")
    system = parse(f"ecapa+{mine}:Mine+softmax")
    before, own = code.of(system, Part("verification")), user_digest(mine)
    edit(module_file("voxboard.poolers.mean"), b"\nADDED = 1\n")  # type: ignore[operator]
    after = code.of(system, Part("verification"))
    assert (after.training, after.measuring) != (before.training, before.measuring)
    assert user_digest(mine) == own  # which is the user's alone
    assert dict(after.user) == {str(mine): own}


def test_finding_code_imports_none(tmp_path: Path) -> None:
    import subprocess

    script = (
        "import sys\nfrom voxboard.systems import Part, parse\nfrom voxboard.evaluation import code\n"
        "code.of(parse('wavlm-base-plus+unipool+aam'), Part('diarization'))\n"
        "print([name for name in ('torch', 'transformers', 'voxboard.backbones.ssl') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.strip() == "[]"


def test_every_module_of_voxboard_is_found_where_python_finds_it() -> None:
    import importlib

    for name in ("voxboard", "voxboard.metrics.detection", "voxboard.poolers", "voxboard.poolers.mean"):
        assert module_file(name) == Path(str(importlib.import_module(name).__file__))
    assert module_file("voxboard.nothing") is None
    assert code_digest.module_file("numpy.nothing.more") is None
