"""Every number on every command line is refused in one sentence that names it, or taken: nothing in between."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from voxboard import backbones, benchmarks, heads, limits, poolers
from voxboard.cli import compare, demo, doctor, embed, grid, main, plot, predict, prepare, score, trials, verify
from voxboard.data.augmentation import Augmentation
from voxboard.errors import UserError
from voxboard.settings import Eval, Evaluation, Weights
from voxboard.training.config import General, Training

ODD = ["-1", "0", "nan", "inf", "-inf", "1e400", str(2**70), "x", ""]
NEVER = {"nan", "inf", "-inf", "1e400", "x", ""}  # no number is any of these
MODEL = "ecapa+unipool+aam"
PARTS = [backbones.REGISTRY.config("ecapa"), poolers.REGISTRY.config("unipool"), heads.REGISTRY.config("aam")]
VERIFICATION = benchmarks.REGISTRY.config("verification")
# A command that reads its settings and then finds nothing, and the settings.
COMMANDS: dict[str, tuple[list[str], list[Any]]] = {
    "train": (["train", "nowhere/a", MODEL], [General, Training, Evaluation, Augmentation, VERIFICATION, *PARTS]),
    "eval": (["eval", "nowhere/a", MODEL], [Eval, Weights, Evaluation, VERIFICATION, *PARTS]),
    "predict": (["predict", "nowhere.wav", "--eval_path", "nowhere"], [predict.Predict]),
    "embed": (["embed", "nowhere/a", "--system", "fbank+mean"], [embed.Embed]),
    "prepare": (["prepare", "nowhere/a"], [prepare.Prepare]),
    "trials build": (["trials", "build", "nowhere/a"], [trials.Build]),
    "grid run": (["grid", "run", "nowhere.toml"], [grid.RunArgs]),
    "nightly": (["nightly", "nowhere.toml"], [grid.RunArgs]),
    "grid cross": (["grid", "cross", "nowhere", "--on", "nowhere"], [grid.CrossArgs]),
    "demo": (["demo", "--grid", "nowhere.toml"], [demo.Demo]),
    "compare": (["compare", "nowhere/a.json", "nowhere/b.json"], [compare.CompareArgs]),
    "score": (["score", "--scores", "nowhere"], [score.ScoreArgs]),
    "plot": (["plot", "det", "nowhere.json", "--out", "nowhere.svg"], [plot.PlotArgs]),
    "verify": (["verify", "nowhere.json"], [verify.VerifyArgs]),
    "doctor backbones": (["doctor", "backbones"], [doctor.All]),
}


def _flags() -> Iterator[Any]:
    for name, (words, settings) in COMMANDS.items():
        for each in settings:
            kind = each if isinstance(each, type) else type(each)
            for flag in limits.numeric(kind):
                yield pytest.param(words, flag, kind, id=f"{name} --{flag}")


FLAGS = list(_flags())


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def nothing(args: object) -> int:
        raise UserError("nowhere")

    monkeypatch.setattr(doctor, "_all", nothing)


@pytest.fixture(autouse=True, scope="module")
def _sources_are_read_once() -> Iterator[None]:
    """Nearly half of a command line's time is looking up the sources of the same classes, for `--help`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inspect, "getsource", functools.cache(inspect.getsource))
        yield


def test_the_sweep_meets_every_command_that_takes_numbers() -> None:
    assert len(FLAGS) > 120
    assert {words[0] for words, _ in COMMANDS.values()} >= {"train", "eval", "predict", "embed", "grid", "score"}


@pytest.mark.parametrize(("words", "flag", "kind"), FLAGS)
def test_an_odd_number_is_refused_by_name_or_taken(
    words: list[str], flag: str, kind: type, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    taken = set()
    for value in ODD:
        code = main([*words, f"--{flag}", value])
        printed = capsys.readouterr()
        assert code in (2, 3), value
        assert "Traceback" not in printed.err
        sentence = printed.err.strip().splitlines()[-1] if printed.err.strip() else printed.out
        assert f"--{flag}" in sentence or "nowhere" in sentence, (value, sentence)
        if f"--{flag}" not in sentence:
            taken.add(value)
    assert not taken & NEVER
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_without_an_odd_number_only_the_missing_data_is_said(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(COMMANDS[name][0]) in (2, 3)
    printed = capsys.readouterr()
    assert "nowhere" in printed.err + printed.out


@pytest.mark.parametrize(
    "words",
    [("train_max_sec", "1e-9"), ("vocabulary", "x"), ("vocabulary", "bpe:0"), ("text_normalizer", "no")],
)
def test_a_setting_that_this_system_does_not_use_is_checked_too(
    words: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "nowhere", "fbank+statistics", f"--{words[0]}", words[1]]) == 2
    assert words[0] in capsys.readouterr().err
