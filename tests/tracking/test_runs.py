"""Runs with trackers: they end with the bits that they have without, whatever becomes of the trackers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cuts import noise_cuts
from voxboard.cli.train import read
from voxboard.data.corpus import Corpus, CorpusInfo
from voxboard.errors import UserError
from voxboard.training import checkpoint, run_folder
from voxboard.training.run import resume, train_bank

SYSTEM = "ecapa(channels=8, frame_size=16)+statistics+softmax(dropout=0.3)"
WORDS = (
    "--batch_size 4 --train_max_sec 0.2 --workers 0 --device cpu --nb_total_step 4 --nb_steps_eval 2 --skiptest "
    "--optimizer sgd --max_lr 0.01"
)
TRACKERS = """
import json, random

class Keeps:
    def __init__(self, folder, resumed_at):
        self.path, self.told = folder / f"kept-{resumed_at}.json", []

    def start(self, name, config):
        random.seed(3)
        self.told.append([name, config["general"]["seed"]])

    def log(self, step, values):
        self.told.append([step, sorted(values)])

    def summary(self, values):
        self.told.append(sorted(values))

    def close(self):
        self.path.write_text(json.dumps(self.told))

class Fails(Keeps):
    def log(self, step, values):
        raise RuntimeError("no network")
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("corpus")
    Corpus.write(place / "c", CorpusInfo("c"), {"train": noise_cuts(place, [0.3] * 6)}, place)
    (place / "own.py").write_text(TRACKERS)
    return place


def _train(place: Path, name: str, *words: str) -> Path:
    train_bank([read([str(place / "c"), SYSTEM, *WORDS.split(), *words])], [place / name], show_progress=False)
    return place / name


def test_trackers_leave_the_run_as_it_is(place: Path) -> None:
    own = place / "own.py"
    plain = _train(place, "plain")
    tracked = _train(place, "tracked", "--trackers", f"{own}:Keeps", f"{own}:Fails")
    assert checkpoint.same(run_folder.state_of(plain, "last")[0], run_folder.state_of(tracked, "last")[0])
    assert (plain / "metrics.jsonl").read_text() == (tracked / "metrics.jsonl").read_text()
    told = json.loads((tracked / "kept-0.json").read_text())
    assert told == [["tracked", 42], [2, ["loss", "lr"]], [4, ["loss", "lr"]], ["best_step", "seconds"]]
    assert (tracked / "training.log").read_text().count("RuntimeError: no network") == 1


def test_a_resumed_run_is_a_run_of_its_own_and_never_refused(place: Path) -> None:
    own = place / "going.py"
    own.write_text(TRACKERS)
    run = _train(place, "going", "--trackers", f"{own}:Keeps")
    resume(str(run), show_progress=False)
    assert json.loads((run / "kept-4.json").read_text())[0] == ["going from step 4", 42]
    own.unlink()
    resume(str(run), show_progress=False)
    assert "failed, and the run goes on without it: UserError: There is no file" in (run / "training.log").read_text()


def test_a_missing_client_stops_a_run_before_it_has_a_folder(place: Path) -> None:
    own = place / "lacking.py"
    own.write_text("class Own:\n    package, install = 'no_such_client', 'no-such-client'\n")
    with pytest.raises(UserError, match="needs the package no_such_client. Run: pip install 'no-such-client'"):
        _train(place, "lacking", "--trackers", f"{own}:Own")
    assert not (place / "lacking").exists()
