"""How commands end: where things lie, what comes next, and advice that the command can follow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from voxboard.cli import main
from voxboard.cli.embed import Embed
from voxboard.cli.log import board_command
from voxboard.cli.parse import own_advice
from voxboard.cli.predict import Predict
from voxboard.data import batches
from voxboard.errors import UserError
from voxboard.training.config import Training, training_of


@pytest.mark.parametrize(
    ("kind", "advice", "usable"),
    [
        (Predict, "Replace the file, or pass --skip_bad_audio.", "Replace the file."),
        (Embed, "Replace the file, or pass --skip_bad_audio.", "Replace the file, or pass --skip_bad_audio."),
        (Predict, "Check its name and --audio_root, or prepare the corpus again.", "Prepare the corpus again."),
        (Predict, "Train with a lower --max_lr.", ""),
        (Predict, "Use --device cpu.", "Use --device cpu."),
    ],
)
def test_a_command_advises_only_flags_that_it_has(kind: type, advice: str, usable: str) -> None:
    with pytest.raises(UserError) as raised, own_advice(kind):
        raise UserError("It is bad.", advice)
    assert raised.value.advice == usable


def test_predict_names_the_file_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["predict", "a.wav", "--eval_path", "run"]) == 2
    said = capsys.readouterr().err
    assert "a.wav" in said
    assert "--audio_root" not in said


@pytest.mark.parametrize(
    ("records", "command"),
    [("results/records", "voxboard board"), ("my records", "voxboard board --records 'my records'")],
)
def test_the_next_command_can_be_copied(records: str, command: str) -> None:
    assert board_command(Path(records)) == command


def test_no_more_processes_read_than_there_are_cores() -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert batches.reading_processes(1_000) == cores
    assert batches.reading_processes(0) == 0


def test_a_grid_says_where_a_flag_that_is_no_hyperparameter_belongs() -> None:
    from dataclasses import replace

    from voxboard import systems

    system = replace(systems.parse("fbank+mean"), training={"workers": 2})
    with pytest.raises(UserError, match=r"Pass it as a flag: --workers"):
        training_of(system)
    assert training_of(replace(system, training={"cycles": 2})) == Training(cycles=2)
