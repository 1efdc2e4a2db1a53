"""The page about trial lists does what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from voxboard.cli import main
from voxboard.trials import read

PAGE = Path(__file__).resolve().parents[2] / "docs" / "trials.md"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_every_command_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"p{300 + k},{'FM'[k % 2]},{'abc'[k // 2 % 3]}" for k in range(12)]
    Path("speakers.csv").write_text("\n".join(["speaker,gender,accent", *rows]) + "\n")
    commands = [shlex.split(line)[1:] for block in _blocks("sh") for line in block.splitlines()]
    assert [words[1] for words in commands] == ["build", "build", "check", "show", "convert", "convert"]
    for words in commands:
        assert main(words) == 0, words
    assert read("key.tsv").digest() == read("trials.txt").digest() == read("trials.csv.gz").digest()
    assert "non-targets gender =, accent =" in capsys.readouterr().out


def test_the_python_of_the_page_prints_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = _blocks("python")
    exec(compile(code, str(PAGE), "exec"), {})
    assert capsys.readouterr().out == "[]\n(28, 3, 5)\n"
    assert Path("trials.txt.json").is_file()
