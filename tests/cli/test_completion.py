"""Completion in the shell: what bash offers for a line that is being typed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from voxboard.cli import COMMANDS, completion, main


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "voxboard"
    path.write_text(completion.bash())
    return path


def _offered(script: Path, line: str) -> set[str]:
    """What bash completes the last word of a line to."""
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    typed = f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}"
    code = f"source {script}; {typed}; _voxboard; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    done = subprocess.run([bash, "--norc", "-eu", "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("voxboard tr", {"train", "trials"}),
        ("voxboard train Lib", {"LibriSpeech"}),
        ("voxboard train Voices ECAPA", {"ECAPA-TDNN"}),
        ("voxboard train Voices UniPool --nb_", {"--nb_total_step", "--nb_steps_eval"}),
        ("voxboard train Voices UniPool --optimizer ad", {"adam", "adamw"}),
        ("voxboard train Voices UniPool --steps", {"--steps_save"}),
        ("voxboard eval Voices UniPool --device m", {"mps"}),
        ("voxboard eval Voices UniPool --split t", {"test", "train"}),
        ("voxboard train Voices UniPool --runs ", set()),
        ("voxboard grid ", {"run", "status", "cross"}),
        ("voxboard grid run dem", {"demo", "demo-tasks"}),
        ("voxboard grid cross --run", {"--runs_dir"}),
        ("voxboard trials build --non_t", {"--non_targets_per_stratum"}),
        ("voxboard plot con", {"confusion"}),
        ("voxboard doctor pooler unip", {"unipool"}),
        ("voxboard completion z", {"zsh"}),
        ("voxboard weights get camp", {"campplus"}),
        ("voxboard help nig", {"nightly"}),
    ],
)
def test_bash_offers_what_can_stand_there(line: str, offers: set[str], script: Path) -> None:
    assert _offered(script, line) == offers


def test_every_flag_of_the_help_is_completed(capsys: pytest.CaptureFixture[str]) -> None:
    table = completion.flags()
    assert {command.split()[0] for command in table} == set(COMMANDS)
    for command in ("train", "eval", "embed", "grid run", "score", "trials build"):
        with pytest.raises(SystemExit):
            main([*command.split(), "--help_all" if command in ("train", "eval") else "--help"])
        shown = set(re.findall(r"^[│ ] (?:-h, )?(--\w+)(?= |$)", capsys.readouterr().out, re.MULTILINE))
        assert shown <= set(table[command]), command
        assert len(shown) > 5


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(command in script for command in COMMANDS)
    assert "max_lr" in script
