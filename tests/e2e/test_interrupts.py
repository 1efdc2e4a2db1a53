"""Ctrl-C and SIGTERM in training: a checkpoint, the command that goes on, and the same bits in the end."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from voxboard.cli import main
from voxboard.training import checkpoint, run_folder

WORDS = shlex.split(
    "train Voices ecapa(channels=16,frame_size=32)+statistics --batch_size 8 --train_max_sec 0.5 --device cpu "
    "--replicates 50 --nb_total_step 45 --nb_steps_eval 40 --seed 3 --skiptest"
)
# One core for all of it, and each step long enough to be interrupted in.
SLOW = """
import sys, time, torch
from voxboard.training import loop
torch.set_num_threads(1)
take = loop.Trainee.take
def slowly(self, *words):
    take(self, *words)
    print("step", self.step, file=sys.stderr, flush=True)
    time.sleep(0.05)
loop.Trainee.take = slowly
from voxboard.cli import main
sys.exit(main())
"""


def _interrupted(number: int, words: list[str], at: int, group: bool) -> tuple[int, str]:
    """Exit code and stderr of a training run that gets a signal as it has had step `at`."""
    command = [sys.executable, "-c", SLOW, *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line == f"step {at}\n":
            (os.killpg if group else os.kill)(process.pid, number)
    return process.wait(timeout=120), "".join(lines)


@pytest.fixture(scope="module")
def whole(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the run that nothing interrupts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOXBOARD_CORPORA", str(corpora))
        patch.chdir(tmp_path_factory.mktemp("whole"))
        assert main([*WORDS, "--workers", "0", "--runs", "whole"]) == 0
        (run,) = Path("whole").absolute().iterdir()
        return run


@pytest.mark.parametrize(
    ("number", "workers", "group"),
    [
        (signal.SIGINT, "0", False),
        pytest.param(signal.SIGTERM, "0", False, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, "2", True, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, "2", True, marks=pytest.mark.slow),
    ],
    ids=["ctrl-c", "sigterm", "ctrl-c in a terminal", "sigterm to all"],
)
def test_what_a_signal_ends_goes_on_to_the_same_bits(
    number: int, workers: str, group: bool, here: Path, whole: Path
) -> None:
    code, said = _interrupted(number, [*WORDS, "--workers", workers, "--runs", "cut runs"], 13, group)
    assert code == 128 + number, said
    assert "Traceback" not in said
    (cut,) = (here / "cut runs").iterdir()
    last = run_folder.state_of(cut, "last")[1]["step"]
    assert 13 <= last <= 20
    sentence = next(line for line in said.splitlines() if line.startswith("voxboard: interrupted"))
    assert f"up to step {last}" in sentence
    going_on = shlex.split(sentence.partition("Go on with: voxboard ")[2])
    assert main(going_on) == 0
    for which in ("last", "best"):
        assert checkpoint.same(run_folder.state_of(cut, which)[0], run_folder.state_of(whole, which)[0])
    assert (cut / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()


@pytest.mark.slow
def test_steps_save_keeps_a_checkpoint_for_those_who_are_killed(here: Path) -> None:
    code, said = _interrupted(
        signal.SIGKILL, [*WORDS, "--workers", "0", "--runs", "cut", "--steps_save", "5"], 13, True
    )
    assert code == -signal.SIGKILL, said
    (cut,) = (here / "cut").iterdir()
    assert run_folder.state_of(cut, "last")[1]["step"] == 10
