"""The training loop: what is interrupted ends as if it had not been, whatever the optimiser and the schedule keep."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lhotse import MonoCut

from tests.cuts import noise_cuts
from voxboard import model
from voxboard.benchmarks import verification
from voxboard.cli.train import read
from voxboard.data.corpus import speaker_of
from voxboard.errors import UserError
from voxboard.model import Network
from voxboard.training import checkpoint, folder
from voxboard.training.loop import Loop

SMALL = (
    "--channels 8 --frame_size 16 --batch_size 4 --train_max_sec 0.2 --workers 0 --device cpu --max_lr 0.01 "
    "--nb_total_step 12 --nb_steps_eval 2"
)
PLATEAU = "--optimizer sgd --schedule plateau --plateau_patience 2 --plateau_factor 0.1"
TRIALS: Any = SimpleNamespace(digest="sha256:none")


@pytest.fixture
def cuts(tmp_path: Path) -> list[MonoCut]:
    return noise_cuts(tmp_path, [0.3] * 6)


@pytest.fixture(autouse=True)
def _flat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation finds the same EER every time."""
    calibration = SimpleNamespace(to_dict=dict)
    found = SimpleNamespace(eer=0.25, threshold=0.5, calibration=calibration)
    monkeypatch.setattr(verification, "score", lambda *_: None)
    monkeypatch.setattr(verification, "reference", lambda *_: found)


def _loop(run: Path, cuts: list[MonoCut], words: str, spec: str = "ecapa+statistics+softmax") -> Loop:
    config = read(["Voices", spec, *SMALL.split(), *words.split()])
    run.mkdir(exist_ok=True)
    speakers = sorted({speaker_of(cut) for cut in cuts})
    (run / "speakers.json").write_text(json.dumps(speakers))
    return Loop(config, run, model.build(config.system, len(speakers), seed=0), cuts)


def _rates(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line["lr"] for line in lines if "lr" in line]


@pytest.mark.parametrize(
    "words",
    [
        PLATEAU,
        "--optimizer scaled-adam --schedule eden --eden_batches 4 --eden_warmup 3",
        "--optimizer adamw --schedule tri-stage",
    ],
    ids=["plateau", "scaled-adam", "tri-stage"],
)
def test_an_interrupted_run_ends_with_the_same_bits(
    words: str, tmp_path: Path, cuts: list[MonoCut], monkeypatch: pytest.MonkeyPatch
) -> None:
    _loop(tmp_path / "whole", cuts, words).fit(TRIALS, show_progress=False)
    going = Loop._one

    def dies(self: Loop, batch: Any) -> Any:
        if self.step == 5:  # one step after the checkpoint at 4, where the plateau has waited once
            raise KeyboardInterrupt
        return going(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_one", dies)
        killed = _loop(tmp_path / "cut", cuts, words)
        with pytest.raises(KeyboardInterrupt):
            killed.fit(TRIALS, show_progress=False)
    resumed = _loop(tmp_path / "cut", cuts, words)
    assert resumed.step == 4
    resumed.fit(TRIALS, show_progress=False)
    whole, _ = folder.state_of(tmp_path / "whole", "last")
    cut, _ = folder.state_of(tmp_path / "cut", "last")
    assert checkpoint.same(cut, whole)
    assert (tmp_path / "cut" / "metrics.jsonl").read_text() == (tmp_path / "whole" / "metrics.jsonl").read_text()


def test_a_plateau_lowers_the_rate_of_the_run(tmp_path: Path, cuts: list[MonoCut]) -> None:
    _loop(tmp_path / "run", cuts, PLATEAU).fit(TRIALS, show_progress=False)
    rates = _rates(tmp_path / "run")
    assert rates[0] == 0.01
    assert rates[-1] == pytest.approx(0.001)
    _, meta = folder.state_of(tmp_path / "run", "last")
    assert meta["schedule"]["best"] == 0.25


def test_a_plateau_needs_a_validation(tmp_path: Path, cuts: list[MonoCut]) -> None:
    with pytest.raises(UserError, match="no validation trials"):
        _loop(tmp_path / "run", cuts, PLATEAU).fit(None, show_progress=False)


@pytest.mark.parametrize(("batches", "distinct"), [((2, 3), 2), (None, 4)])
def test_a_head_says_how_it_wants_its_batches(
    batches: tuple[int, int] | None, distinct: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts = noise_cuts(tmp_path, [0.3] * 6)
    built = model.build

    def build(*arguments: Any, **options: Any) -> Network:
        network = built(*arguments, **options)
        network.head.batches = batches  # type: ignore[union-attr, assignment]
        return network

    monkeypatch.setattr(model, "build", build)
    loop = _loop(tmp_path / "run", cuts, "--schedule constant")
    assert len(set(loop.plan(0))) == distinct
    assert len(loop.plan(0)) == (6 if batches else 4)
