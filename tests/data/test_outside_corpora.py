"""Corpora of other packages and of users' files: prepared, listed and evaluated by processes that know nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from voxboard.cli import main
from voxboard.data.corpus import Corpus
from voxboard.data.recipe import Recipe

PLUGIN = Path(__file__).resolve().parents[2] / "examples" / "plugin"
TONES = PLUGIN / "voxboard_example_parts" / "tones.py"
pytestmark = pytest.mark.skipif(not PLUGIN.is_dir(), reason="runs in the source tree only")
CODE = """
import sys
from voxboard.cli import main
for line in sys.argv[1:]:
    assert main(line.split()) == 0
    print("===")
"""
EVAL = "--replicates 50 --device cpu"


def _run(here: Path, *lines: str, path: Path | None = None) -> list[str]:
    """What commands print in one fresh process."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "VOXBOARD_CORPORA": "corpora"}
    environment |= {"PYTHONPATH": str(path)} if path else {}
    done = subprocess.run(
        [sys.executable, "-c", CODE, *lines], capture_output=True, text=True, check=False, env=environment, cwd=here
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split("===\n")[:-1]


def _installed(folder: Path) -> Path:
    """The plugin as an installer leaves it: its package, and its entry points."""
    shutil.copytree(PLUGIN / "voxboard_example_parts", folder / "voxboard_example_parts")
    groups = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]["entry-points"]
    about = folder / "voxboard_example_parts-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: voxboard-example-parts\nVersion: 0.1.0\n")
    lines = [
        line for group, names in groups.items() for line in (f"[{group}]", *(f"{n} = {v}" for n, v in names.items()))
    ]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


def _record(here: Path) -> dict:
    (path,) = here.glob("results/records/**/*.json")
    return json.loads(path.read_text())


def test_a_corpus_of_another_package_is_listed_prepared_and_evaluated(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    listed, before, prepared, again, card, _ = _run(
        here,
        "list corpora --json",
        "show tones",
        "prepare Tones --download --json",
        "list corpora --json",
        "show TONES --json",
        f"eval tones fbank+statistics {EVAL}",
        path=_installed(tmp_path / "installed"),
    )
    assert "voxboard_example_parts.tones:TONES" in json.loads(listed)["corpora"]["tones"]["summary"]
    assert "(prepared)" in json.loads(again)["corpora"]["tones"]["summary"]
    assert "Run: voxboard prepare tones --data_path DIR (its folder), or with --download." in " ".join(before.split())
    (shown,) = json.loads(card)
    assert (shown["kind"], shown["licence"], shown["prepared"]["test"]["speakers"]) == ("corpus", "MIT", 8)
    described = json.loads(prepared)
    assert (described["name"], described["version"], described["licence"]) == ("tones", "1", "MIT")
    assert {split: counts["speakers"] for split, counts in described["counts"].items()} == {
        "train": 12, "valid": 8, "test": 8,
    }  # fmt: skip
    record = _record(here)
    assert (record["benchmark"]["corpus"], record["benchmark"]["licence"]) == ("tones", "MIT")
    assert record["values"]["eer@interpolated"]["value"] < 0.1  # every hum has a pitch of its own


def test_a_corpus_of_a_file_is_prepared_and_evaluated(tmp_path: Path) -> None:
    shutil.copy(TONES, tmp_path / "tones.py")
    prepared, _ = _run(tmp_path, "prepare tones.py:TONES --download --json", f"eval TONES fbank+statistics {EVAL}")
    assert json.loads(prepared)["counts"]["test"]["utterances"] == 32
    assert _record(tmp_path)["benchmark"]["corpus"] == "TONES"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the example's file, and others that are none."""
    shutil.copy(TONES, tmp_path / "tones.py")
    (tmp_path / "odd.py").write_text(
        "from pathlib import Path\nfrom voxboard.data.recipe import Recipe\nPath('ran').touch()\n"
        "LIST = Recipe('a list', lambda folder, options: [])\ndef scan(folder, options): ...\n"
    )
    monkeypatch.setenv("VOXBOARD_CORPORA", str(tmp_path / "corpora"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("prepare tones.py:TONES", "with --download"),
        ("prepare tones.py:TONE --download", "Did you mean TONES"),
        ("prepare none.py:TONES --download", "There is no file none.py"),
        ("prepare tones.py:TONES --data_path .", "has no tones. Run: voxboard prepare tones --download"),
        ("prepare tones.py:TONES --download --rttm x", "--rttm says nothing about utterances"),
        ("prepare odd.py:LIST --data_path .", "gives list for Scan"),
        ("prepare odd.py:scan --data_path .", "is a function, so it is no corpus"),
        ("prepare odd.py:LIST --data_path . --download", "not openly licensed"),
        ("eval tones.py:TONES fbank+statistics", "Run: voxboard prepare tones.py:TONES"),
    ],
)
def test_mistakes_are_explained(file: Path, command: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command.split()) == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_a_prepared_corpus_stands_for_itself(file: Path) -> None:
    assert main(["prepare", "tones.py:TONES", "--download", "--name", "hums"]) == 0
    (file / "tones.py").unlink()
    corpus = Corpus.open(file / "corpora" / "hums")
    assert len(corpus.cuts("valid")) == 32
    assert main(["trials", "build", "hums", "--trials", "40", "--out", "list.csv"]) == 0


def test_code_that_only_data_names_does_not_run(file: Path) -> None:
    """A list of corpora that are put together may name anything; the names in it are files of manifests."""
    (file / "mixed.yaml").write_text("- {name: a, manifest: 'odd.py:LIST', hours: 1, weights: 1}\n")
    assert main(["prepare", "both", "--mixture", "mixed.yaml"]) == 2
    assert not (file / "ran").exists()


def test_a_recipe_is_read_or_made() -> None:
    for functions in ({}, {"scan": "a:b", "make": "a:b"}):
        with pytest.raises(ValueError, match="one of scan and make"):
            Recipe("nothing", **functions)
