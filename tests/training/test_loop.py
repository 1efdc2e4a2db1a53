"""The training loop: what is interrupted ends as if it had not been, whatever the optimiser and the schedule keep."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lhotse import MonoCut

from tests.cuts import noise_cuts
from voxboard import model
from voxboard.benchmarks.base import Benchmark
from voxboard.cli.train import read
from voxboard.data import targets
from voxboard.devices import fabric
from voxboard.errors import UserError
from voxboard.model import Network
from voxboard.records import Metric
from voxboard.training import averaging, checkpoint, run_folder
from voxboard.training.loop import Loop
from voxboard.training.trainee import Trainee

ECAPA = "ecapa(channels=8, frame_size=16)+statistics+softmax"
SMALL = "--batch_size 4 --train_max_sec 0.2 --workers 0 --device cpu --max_lr 0.01 --nb_total_step 12 --nb_steps_eval 2"
PLATEAU = "--optimizer sgd --schedule plateau --plateau_patience 2 --plateau_factor 0.1"
ITEMS: Any = SimpleNamespace(digest="sha256:none")


class Flat(Benchmark):
    """Validation finds the same error every time."""

    task = "nothing"
    metrics = (Metric("error"),)

    def run(self, *_: Any, **__: Any) -> Any:
        return None

    def fix(self, outputs: Any) -> Any:
        return SimpleNamespace(error=0.25, to_dict=dict, logged=lambda: {"valid_error": 0.25})


@pytest.fixture
def cuts(tmp_path: Path) -> list[MonoCut]:
    return noise_cuts(tmp_path, [0.3] * 6)


def _loop(run: Path, cuts: list[MonoCut], words: str, spec: str = ECAPA) -> Loop:
    """A run of one trainee."""
    config = read(["Voices", spec, *SMALL.split(), *words.split()])
    run.mkdir(exist_ok=True)
    learned = targets.learn({"speaker": "classes"}, cuts, pytest.fail)
    network = model.build(config.system, learned.sizes, seed=0)
    return Loop([Trainee(config, run, network, Flat(None), fabric("cpu"))], cuts, learned)


def _rates(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line["lr"] for line in lines if "lr" in line]


@pytest.mark.parametrize(
    "words",
    [
        PLATEAU,
        "--optimizer scaled-adam --schedule eden --eden_batches 4 --eden_warmup 3",
        "--optimizer adamw --schedule tri-stage",
        "--average_period 2 --accumulate 2 --frozen_share 0.6",
        "--early_stop 4 --train_max_sec 0",
    ],
    ids=["plateau", "scaled-adam", "tri-stage", "averaged", "early"],
)
def test_an_interrupted_run_ends_with_the_same_bits(
    words: str, tmp_path: Path, cuts: list[MonoCut], monkeypatch: pytest.MonkeyPatch
) -> None:
    _loop(tmp_path / "whole", cuts, words).fit(ITEMS, show_progress=False)
    going = Trainee.take

    def dies(self: Trainee, *batches: Any) -> Any:
        if self.step == 5:  # one step after the checkpoint at 4, where the plateau has waited once
            raise KeyboardInterrupt
        return going(self, *batches)

    with monkeypatch.context() as patch:
        patch.setattr(Trainee, "take", dies)
        killed = _loop(tmp_path / "cut", cuts, words)
        with pytest.raises(KeyboardInterrupt):
            killed.fit(ITEMS, show_progress=False)
    resumed = _loop(tmp_path / "cut", cuts, words)
    assert resumed.trainees[0].step == 4
    resumed.fit(ITEMS, show_progress=False)
    whole, _ = run_folder.state_of(tmp_path / "whole", "last")
    cut, _ = run_folder.state_of(tmp_path / "cut", "last")
    assert checkpoint.same(cut, whole)
    assert (tmp_path / "cut" / "metrics.jsonl").read_text() == (tmp_path / "whole" / "metrics.jsonl").read_text()


@pytest.mark.parametrize("words", [PLATEAU, "--average_period 2"], ids=["plateau", "averaged"])
def test_a_signal_during_a_validation_loses_neither_the_step_nor_the_validation(
    words: str, tmp_path: Path, cuts: list[MonoCut], monkeypatch: pytest.MonkeyPatch
) -> None:
    _loop(tmp_path / "whole", cuts, words).fit(ITEMS, show_progress=False)
    validations = []

    def run(self: Flat, *_: Any, **__: Any) -> None:
        validations.append(1)
        if len(validations) == 2:  # at step 4
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Flat, "run", run)
        with pytest.raises(KeyboardInterrupt, match=r"up to step 4\. Go on with: voxboard train _ _ --resume"):
            _loop(tmp_path / "cut", cuts, words).fit(ITEMS, show_progress=False)
    resumed = _loop(tmp_path / "cut", cuts, words)
    assert (resumed.trainees[0].step, resumed.trainees[0].best.step) == (4, 2)
    resumed.fit(ITEMS, show_progress=False)
    whole, cut = (run_folder.state_of(tmp_path / name, "last") for name in ("whole", "cut"))
    assert checkpoint.same(cut[0], whole[0])
    assert cut[1]["best"] == whole[1]["best"]
    assert (tmp_path / "cut" / "metrics.jsonl").read_text() == (tmp_path / "whole" / "metrics.jsonl").read_text()


def test_a_plateau_lowers_the_rate_of_the_run(tmp_path: Path, cuts: list[MonoCut]) -> None:
    _loop(tmp_path / "run", cuts, PLATEAU).fit(ITEMS, show_progress=False)
    rates = _rates(tmp_path / "run")
    assert rates[0] == 0.01
    assert rates[-1] == pytest.approx(0.001)
    _, meta = run_folder.state_of(tmp_path / "run", "last")
    assert meta["schedule"]["best"] == 0.25


def test_a_plateau_needs_a_validation(tmp_path: Path, cuts: list[MonoCut]) -> None:
    with pytest.raises(UserError, match="nothing to validate on"):
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


def _weights(run: Path, which: str = "last") -> dict[str, Any]:
    tensors, _ = run_folder.state_of(run, which)
    return {key: value for key, value in tensors.items() if key.startswith(("encoder.", "head."))}


def test_two_batches_of_half_the_size_make_one_step(tmp_path: Path, cuts: list[MonoCut]) -> None:
    """fbank has no dropout and no batch norm: the mean of two halves' gradients is the whole's."""
    words = "--optimizer sgd --schedule constant --nb_total_step 3"
    spec = "fbank+statistics(project=4)+softmax"
    whole = _loop(tmp_path / "whole", cuts, f"{words} --batch_size 6", spec)
    halves = _loop(tmp_path / "halves", cuts, f"{words} --batch_size 3 --accumulate 2", spec)
    # The same crops in both: the second half of the batch is a batch of its own.
    halves.crops = _Halves(whole.crops)  # type: ignore[assignment]
    for loop in (whole, halves):
        loop.fit(None, show_progress=False)
    one, other = _weights(tmp_path / "whole"), _weights(tmp_path / "halves")
    assert all(torch.allclose(one[key], other[key], atol=1e-6) for key in one)


class _Halves:
    """Crops as a plan of twice the batch size numbers them."""

    def __init__(self, crops: Any) -> None:
        self.crops = crops

    def __getitem__(self, item: tuple[int, int, int]) -> Any:
        step, place, index = item
        return self.crops[step // 2, place + 3 * (step % 2), index]


def test_a_backbone_can_stay_frozen_at_first(tmp_path: Path, cuts: list[MonoCut]) -> None:
    words = "--optimizer sgd --schedule constant --nb_total_step 4 --nb_steps_eval 2 --keep_checkpoints 2"
    loop = _loop(tmp_path / "run", cuts, f"{words} --frozen_share 0.5")
    first = {key: value.clone() for key, value in loop.trainees[0].network.encoder.backbone.state_dict().items()}
    loop.fit(ITEMS, show_progress=False)
    middle, _ = checkpoint.load(tmp_path / "run" / "checkpoint-2.safetensors")
    last = _weights(tmp_path / "run")
    assert all(torch.equal(middle[f"encoder.backbone.{key}"], value) for key, value in first.items())
    assert not torch.equal(last["encoder.backbone.conv1.weight"], first["conv1.weight"])
    assert not torch.equal(middle["head.output.weight"], last["head.output.weight"])


def test_training_ends_early_when_the_error_stays(tmp_path: Path, cuts: list[MonoCut]) -> None:
    class Rising(Flat):
        error = 0.0

        def fix(self, outputs: Any) -> Any:
            self.error += 0.1
            return SimpleNamespace(error=self.error, to_dict=dict, logged=dict)

    loop = _loop(tmp_path / "run", cuts, "--schedule constant --early_stop 2")
    (trainee,) = loop.trainees
    trainee.benchmark = Rising(None)
    loop.fit(ITEMS, show_progress=False)
    assert (trainee.best.step, trainee.step) == (2, 6)


def test_an_average_of_a_run_is_the_mean_of_its_weights(tmp_path: Path, cuts: list[MonoCut]) -> None:
    words = "--schedule constant --average_period 1 --keep_checkpoints 9 --nb_steps_eval 1 --nb_total_step 6"
    _loop(tmp_path / "run", cuts, words).fit(ITEMS, show_progress=False)
    found = averaging.average_until_step(tmp_path / "run", 6, avg=2)
    each = [checkpoint.load(tmp_path / "run" / f"checkpoint-{step}.safetensors")[0] for step in (5, 6)]
    key = "head.output.weight"
    assert torch.allclose(found[key].float(), (each[0][key] + each[1][key]) / 2, atol=1e-6)


def test_kept_checkpoints_are_the_latest(tmp_path: Path, cuts: list[MonoCut]) -> None:
    _loop(tmp_path / "run", cuts, "--schedule constant --keep_checkpoints 2").fit(ITEMS, show_progress=False)
    assert sorted(averaging.checkpoints(tmp_path / "run")) == [10, 12]
    assert not (tmp_path / "run" / "checkpoint-8.json").exists()
