"""The command line as a person meets it."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from voxboard.cli import COMMANDS, main
from voxboard.cli.train import read
from voxboard.errors import UserError


def _run(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    code = "import sys; from voxboard.cli import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=cwd, check=False)


@pytest.mark.smoke
@pytest.mark.parametrize("words", [["--help"], ["list"]])
def test_help_and_list_do_not_import_torch(words: list[str]) -> None:
    code = "import sys; from voxboard.cli import main; main(sys.argv[1:]); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ecapa" in done.stdout.lower()


@pytest.mark.smoke
def test_every_command_explains_itself() -> None:
    for name in COMMANDS:
        done = _run(name, "--help")
        assert done.returncode == 0, done.stderr
        assert f"voxboard {name}" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["trian"], "train"),
        (["train", "Voices", "UniPol"], "UniPool"),
        (["train", "Libri", "UniPool"], "LibriSpeech"),
        (["train", "Voices", "ECAPA-TDNN", "--max_lrr", "1"], "max_lr"),
        (["train", "Voices", "ECAPA-TDNN", "--nb_total_step", "0"], "nb_total_step"),
        (["train", "Voices", "ECAPA-TDNN", "--nb_total_step", "ten"], "ten"),
        (["eval", "_", "_"], "eval_path"),
        (["eval", "_", "_", "--eval_path", "nowhere"], "nowhere"),
        (["train", "_", "_", "--resume", "nowhere"], "nowhere"),
        (["show", "unipol"], "unipool"),
        (["prepare", "LibriSpeech", "--data_path", "nowhere"], "nowhere"),
        (["board", "--records", "nowhere"], "nowhere"),
    ],
)
def test_a_mistake_gets_one_sentence_and_exit_code_2(words: list[str], says: str, tmp_path: Path) -> None:
    done = _run(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_flags_are_the_ancestors(tmp_path: Path) -> None:
    config = read(
        shlex.split(
            "Vox1 UniPool --use_pretrain --frz_pretrain --batch_size 128 --seed 9973 --backbone_cfg "
            "some/folder --nb_total_step 10000 --nb-steps-eval 1000 --n_blocks 2"
        )
    )
    assert config.system.backbone.options["cfg"] == "some/folder"
    assert config.system.backbone.options["use_pretrain"] is True
    assert config.system.pooler.options["n_blocks"] == 2
    assert config.general.frz_pretrain
    assert config.general.seed == 9973
    assert config.training.max_lr == pytest.approx(0.003)


def test_the_command_of_a_run_gives_the_same_run() -> None:
    config = read(shlex.split("Voices ecapa(channels=64)+mean --seed 3 --margin 0.4 --skip_bad_audio --max_lr 0.1"))
    assert read(config.command()[1:]) == config


def test_a_run_survives_its_own_json() -> None:
    config = read(["Voices", "ECAPA-TDNN", "--channels", "32", "--test_trials", "some/list.txt"])
    assert type(config).from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_data_and_model_come_first() -> None:
    with pytest.raises((UserError, SystemExit)):
        read(["--seed", "3"])


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == "0.1.0"
