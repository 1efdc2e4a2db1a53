"""A task and an encoder of another package, from their evaluation to a labelled, paired row on a board."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from voxboard import boards, records
from voxboard.boards.tasks import sections
from voxboard.cli import main

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "examples" / "plugin"
RATE = PLUGIN / "voxboard_example_parts" / "speaking_rate.py"
pytestmark = pytest.mark.skipif(not PLUGIN.is_dir(), reason="runs in the source tree only")
SYSTEMS = ("fbank+statistics", "fbank+mean")
LABELS = ["Rate distance", "Near"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where the plugin is installed, for `PYTHONPATH`."""
    tmp_path = tmp_path_factory.mktemp("plugin")
    shutil.copytree(PLUGIN, tmp_path / "plugin")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(tmp_path / "installed"), str(tmp_path / "plugin")], check=True)
    return tmp_path / "installed"


def _outside(installed: Path, here: Path, *lines: str) -> list[str]:
    """What commands print, one after another in a fresh process that has the plugin."""
    code = "import sys; from voxboard.cli import main\n"
    code += "for line in sys.argv[1:]:\n    assert main(line.split()) == 0, line\n    print('===')"
    environment = os.environ | {"PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *lines], capture_output=True, text=True, check=False, env=environment, cwd=here
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split("===\n")[:-1]


@pytest.fixture(scope="module")
def rated(installed: Path, corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A folder with the records of two systems, and what their commands, `list` and `show` print."""
    folder = tmp_path_factory.mktemp("rated")
    lines = [f"eval Voices {name} --task speaking-rate --replicates 100" for name in SYSTEMS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOXBOARD_CORPORA", str(corpora))
        return folder, _outside(installed, folder, *lines, "list benchmarks --json", "show speaking-rate")


def _panel(folder: Path) -> boards.model.Panel:
    """The only panel of a folder's board, made without the plugin."""
    board = boards.arrange(records.survey(folder).filed)
    (panel,) = board.panels
    return panel


def test_an_installed_task_is_listed_evaluated_labelled_and_paired(
    installed: Path, rated: tuple[Path, list[str]]
) -> None:
    folder, (*_, listed, shown) = rated
    first, second = sorted(path.relative_to(folder) for path in folder.glob("results/records/**/*.json"))
    (compared,) = _outside(installed, folder, f"compare {first} {second} --replicates 100 --json")
    line = json.loads(listed)["benchmarks"]["speaking-rate"]
    assert (line["shown"], line["summary"]) == ("Rate distance", "How fast does somebody speak?")
    assert all(word in shown for word in ("octaves", "near@0.2", "Strength of the probe's regularisation."))
    rows = json.loads(compared)["rows"]
    assert [(row["metric"], row["unit"], row["better"]) for row in rows] == [
        ("rate_distance", "octaves", "lower"),
        ("near@0.2", "fraction", "higher"),
    ]
    assert all(row["paired"] for row in rows)


def test_a_board_without_the_package_shows_its_task_as_the_package_does(
    rated: tuple[Path, list[str]], tmp_path: Path
) -> None:
    folder = rated[0] / "results" / "records"
    panel = _panel(folder)
    assert [column.label for column in panel.columns] == LABELS
    assert [(column.better, column.digits) for column in panel.columns] == [("lower", 3), ("higher", 1)]
    assert len(panel.rows) == 2
    for row in panel.rows:
        cell = panel.cell(row, panel.main)
        assert cell.text.endswith(" octaves")
        assert cell.interval
        assert cell.rank
    boards.build(folder, tmp_path / "board")
    page = (tmp_path / "board" / "index.html").read_text(encoding="utf-8")
    assert "How far the rate is off, in doublings of the true one." in page
    (section,) = sections(boards.read(folder))
    assert section.about == "How fast does somebody speak?"


def test_a_task_in_a_file_is_labelled_like_an_installed_one(here: Path) -> None:
    shutil.copy(RATE, here / "rate.py")
    for name in SYSTEMS:
        assert main(["eval", "Voices", name, "--task", "rate.py:SpeakingRate", "--replicates", "50"]) == 0
    panel = _panel(here / "results" / "records")
    assert [column.label for column in panel.columns] == LABELS
    assert len(panel.rows) == 2


def test_an_installed_encoder_of_utterances_is_checked_and_evaluated_to_a_row(installed: Path, here: Path) -> None:
    lines = (
        "doctor backbone modulation --size 16 --json",
        "list --json",
        "eval Voices modulation(size=16) --replicates 50",
    )
    checked, listed, _ = _outside(installed, here, *lines)
    report = json.loads(checked)
    assert report["passed"] is True
    measured = {check["check"]: check["measured"] for check in report["built"][0]["checks"]}
    assert measured["shapes"] == "embeddings of 16"
    assert "exact" in measured["batch mates"]
    assert "modulation" in json.loads(listed)["backbones"]
    (row,) = _panel(here / "results" / "records").rows
    assert "modulation" in row.label
    (path,) = here.glob("results/records/**/*.json")
    assert 0.0 < json.loads(path.read_text())["values"]["eer@interpolated"]["value"] < 0.6


def test_an_installed_head_that_scores_tokens_is_checked_and_transcribes_to_a_row(installed: Path, here: Path) -> None:
    training = "--nb_total_step 2 --nb_steps_eval 2 --batch_size 4 --workers 0 --device cpu --replicates 50"
    lines = (
        "doctor head letters --json",
        f"train Voices fbank+frames+letters(temperature=0.5) --task transcription {training}",
    )
    checked, _ = _outside(installed, here, *lines)
    report = json.loads(checked)
    assert report["passed"] is True
    assert "protocols" in {check["check"] for check in report["built"][0]["checks"]}
    panel = _panel(here / "results" / "records")
    assert panel.main.label == "WER (basic)"
    (row,) = panel.rows
    assert "letters" in row.label
    assert panel.cell(row, panel.main).text.endswith(" %")
