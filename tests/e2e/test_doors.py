"""Trackers and diarizers from outside: the example's, by its entry points, and those of a user's own file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks.test_diarization_task import corpus_of, recording
from tests.cuts import noise_cuts
from tests.diarization.sources import conversation
from tests.diarization.test_pipeline import TEST
from voxboard import records
from voxboard.cli import main
from voxboard.data.corpus import Corpus, CorpusInfo

PLUGIN = Path(__file__).resolve().parents[2] / "examples" / "plugin"
Commands = Callable[..., list[int]]
COMMANDS = """
import json, sys
from voxboard.cli import main
for words in json.loads(sys.argv[1]):
    print(main(words), file=sys.stderr)
"""
PARTS = PLUGIN / "voxboard_example_parts"
TRAIN = (
    "train c ecapa(channels=8,frame_size=16)+statistics+softmax --batch_size 4 --train_max_sec 0.2 --workers 0 "
    "--device cpu --nb_total_step 2 --nb_steps_eval 2 --skiptest --runs runs --seed 5 --trackers"
)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """An empty folder, in which the example's package is as if it was installed."""
    installed = tmp_path / "site" / "voxboard_example_parts-0.1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: voxboard-example-parts\nVersion: 0.1.0\n")
    groups = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]["entry-points"]
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()) for group, points in groups.items()]
    (installed / "entry_points.txt").write_text("\n".join(lines))
    return tmp_path


def fresh(folder: Path, *commands: list[str]) -> list[int]:
    """Exit codes of commands, one after another in a fresh process that has the example's package."""
    paths = os.pathsep.join([str(folder / "site"), str(PLUGIN), *filter(None, [os.environ.get("PYTHONPATH")])])
    env = {**os.environ, "PYTHONPATH": paths, "VOXBOARD_CORPORA": str(folder / "corpora")}
    words = [sys.executable, "-c", COMMANDS, json.dumps(commands)]
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [int(line) for line in done.stderr.splitlines() if line.isdigit()]


@pytest.fixture
def voxboard(outside: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Exit codes of commands; only those that use the entry points need a process of their own."""
    monkeypatch.chdir(outside)
    monkeypatch.setenv("VOXBOARD_CORPORA", str(outside / "corpora"))

    def run(part: str, *commands: list[str]) -> list[int]:
        return [main(words) for words in commands] if ".py:" in part else fresh(outside, *commands)

    return run


@pytest.mark.parametrize("tracker", ["lines", "own.py:Lines"])
def test_a_tracker_from_outside_gets_the_numbers_of_a_run(tracker: str, outside: Path, voxboard: Commands) -> None:
    (outside / "own.py").write_text((PARTS / "lines.py").read_text())
    (outside / "audio").mkdir()
    cuts = {"train": noise_cuts(outside / "audio", [0.3] * 6)}
    Corpus.write(outside / "corpora" / "c", CorpusInfo("c"), cuts, outside / "audio")
    assert voxboard(tracker, [*TRAIN.split(), tracker]) == [0]
    (file,) = outside.glob("runs/*/lines.txt")
    first, *others = file.read_text().splitlines()
    assert first == f"{file.parent.name} from step 0, seed 5"
    logged = [json.loads(line) for line in (file.parent / "metrics.jsonl").read_text().splitlines()]
    assert [f"step {line['step']}:" for line in logged] == [
        " ".join(line.split()[:2]) for line in others if line.startswith("step ")
    ]


@pytest.mark.parametrize("diarizer", ["energy(block=0.25)", "own.py:Energy(block=0.25)"])
def test_a_diarizer_from_outside_has_a_row_on_the_board(diarizer: str, outside: Path, voxboard: Commands) -> None:
    (outside / "own.py").write_text((PARTS / "energy.py").read_text())
    for name, seconds in (("talk", 12.5), ("also", 9.0)):
        conversation(outside, name, TEST if name == "talk" else TEST[:3], seconds)
    cuts = [recording(outside / "talk.wav", TEST, [(0.0, 12.0)]), recording(outside / "also.wav", TEST[:3])]
    corpus = corpus_of(outside, test=cuts)
    words = ["score", "--corpus", str(corpus.folder), "--replicates", "50"]
    assert voxboard(diarizer, [*words, "--diarizer", diarizer, "--system", "by energy"]) == [0]
    (record,) = records.load(outside / "results/records")
    der, one = (record.values[f"{rate}@collar=0.25"].value for rate in ("der", "der_one_speaker"))
    assert der is not None
    assert one is not None
    assert 0 < der < 1
    assert len(record.groups) == 2
    assert ("user_code" in record.provenance.digests) == (".py" in diarizer)

    (file,) = outside.glob("results/records/**/*.json")
    # The same recordings have the same items for an encoder of ours.
    ours = ["eval", str(corpus.folder), "fbank+statistics", "--task", "diarization", "--replicates", "50"]
    codes = voxboard(diarizer, ["verify", str(file)], ours, ["board"])
    assert codes == [2 if ".py" in diarizer else 0, 0, 0]
    both = records.load(outside / "results/records")
    assert len({one.provenance.digests["items"] for one in both}) == 1
    board = (outside / "results/board/leaderboard.md").read_text()
    assert "by energy" in board
    assert "DER" in board


def test_turns_that_are_none_are_refused(outside: Path, voxboard: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    conversation(outside, "talk", TEST, 12.5)
    corpus = corpus_of(outside, test=[recording(outside / "talk.wav", TEST)])
    text = (
        "from voxboard.diarization.external import Diarizer\n"
        "class Late(Diarizer):\n    def turns(self, waveform):\n        return [('a', 1.0, 99.0)]\n"
    )
    (outside / "own.py").write_text(text)
    assert voxboard("own.py:Late", ["score", "--corpus", str(corpus.folder), "--diarizer", "own.py:Late"]) == [2]
    assert "a speaks from 1 to 99 of 12.5 s" in capsys.readouterr().err
