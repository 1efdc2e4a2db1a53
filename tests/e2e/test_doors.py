"""Trackers and diarizers from outside: the example's, by its entry points, and those of a user's own file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.benchmarks.test_diarization_task import corpus_of, recording
from tests.cuts import noise_cuts
from tests.diarization.sources import conversation
from tests.diarization.test_pipeline import TEST
from voxboard import records
from voxboard.data.corpus import Corpus, CorpusInfo

PLUGIN = Path(__file__).resolve().parents[2] / "examples" / "plugin"
COMMAND = "import sys; from voxboard.cli import main; sys.exit(main())"
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


def voxboard(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command in a fresh process."""
    paths = os.pathsep.join([str(folder / "site"), str(PLUGIN), *filter(None, [os.environ.get("PYTHONPATH")])])
    env = {**os.environ, "PYTHONPATH": paths, "VOXBOARD_CORPORA": str(folder / "corpora")}
    done = [sys.executable, "-c", COMMAND, *words]
    return subprocess.run(done, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("tracker", ["lines", "own.py:Lines"])
def test_a_tracker_from_outside_gets_the_numbers_of_a_run(tracker: str, outside: Path) -> None:
    (outside / "own.py").write_text((PARTS / "lines.py").read_text())
    (outside / "audio").mkdir()
    cuts = {"train": noise_cuts(outside / "audio", [0.3] * 6)}
    Corpus.write(outside / "corpora" / "c", CorpusInfo("c"), cuts, outside / "audio")
    done = voxboard(outside, *TRAIN.split(), tracker)
    assert done.returncode == 0, done.stderr
    (file,) = outside.glob("runs/*/lines.txt")
    first, *others = file.read_text().splitlines()
    assert first == f"{file.parent.name} from step 0, seed 5"
    logged = [json.loads(line) for line in (file.parent / "metrics.jsonl").read_text().splitlines()]
    assert [f"step {line['step']}:" for line in logged] == [
        " ".join(line.split()[:2]) for line in others if line.startswith("step ")
    ]


@pytest.mark.parametrize("diarizer", ["energy(block=0.25)", "own.py:Energy(block=0.25)"])
def test_a_diarizer_from_outside_has_a_row_on_the_board(diarizer: str, outside: Path) -> None:
    (outside / "own.py").write_text((PARTS / "energy.py").read_text())
    for name, seconds in (("talk", 12.5), ("also", 9.0)):
        conversation(outside, name, TEST if name == "talk" else TEST[:3], seconds)
    cuts = [recording(outside / "talk.wav", TEST, [(0.0, 12.0)]), recording(outside / "also.wav", TEST[:3])]
    corpus = corpus_of(outside, test=cuts)
    words = ["score", "--corpus", str(corpus.folder), "--replicates", "50"]
    done = voxboard(outside, *words, "--diarizer", diarizer, "--system", "by energy")
    assert done.returncode == 0, done.stderr
    (record,) = records.load(outside / "results/records")
    der, one = (record.values[f"{rate}@collar=0.25"].value for rate in ("der", "der_one_speaker"))
    assert der is not None
    assert one is not None
    assert 0 < der < 1
    assert len(record.strata) == 2
    assert ("user_code" in record.provenance.digests) == (".py" in diarizer)

    (file,) = outside.glob("results/records/**/*.json")
    verified = voxboard(outside, "verify", str(file))
    assert verified.returncode == (2 if ".py" in diarizer else 0), verified.stderr

    # The same recordings have the same items for an encoder of ours.
    ours = ["eval", str(corpus.folder), "fbank+statistics", "--task", "diarization", "--replicates", "50"]
    done = voxboard(outside, *ours)
    assert done.returncode == 0, done.stderr
    both = records.load(outside / "results/records")
    assert len({one.provenance.digests["items"] for one in both}) == 1
    done = voxboard(outside, "board")
    assert done.returncode == 0, done.stderr
    board = (outside / "results/board/leaderboard.md").read_text()
    assert "by energy" in board
    assert "DER" in board


def test_turns_that_are_none_are_refused(outside: Path) -> None:
    conversation(outside, "talk", TEST, 12.5)
    corpus = corpus_of(outside, test=[recording(outside / "talk.wav", TEST)])
    text = (
        "from voxboard.diarization.external import Diarizer\n"
        "class Late(Diarizer):\n    def turns(self, waveform):\n        return [('a', 1.0, 99.0)]\n"
    )
    (outside / "own.py").write_text(text)
    done = voxboard(outside, "score", "--corpus", str(corpus.folder), "--diarizer", "own.py:Late")
    assert done.returncode == 2
    assert "a speaks from 1 to 99 of 12.5 s" in done.stderr
