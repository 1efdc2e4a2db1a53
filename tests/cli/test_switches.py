"""Flags that are on or off, in every spelling."""

from __future__ import annotations

import pytest

from voxboard.cli.train import read
from voxboard.errors import UserError


@pytest.mark.parametrize(
    ("words", "deviation"),
    [
        ("", True),
        ("--deviation", True),
        ("--deviation True", True),
        ("--deviation False", False),
        ("--deviation=false", False),
        ("--no_deviation", False),
        ("--no-deviation", False),
        ("--pooler.deviation False", False),
        ("--deviation False --queries 2", False),
    ],
)
def test_an_option_that_is_on_can_be_switched_off_by_its_name(words: str, deviation: bool) -> None:
    config = read(["Voices", "resnet+mqmha+aam", *words.split()])
    assert config.system.pooler.options.get("deviation", True) is deviation
    assert read(config.command()[1:]) == config


@pytest.mark.parametrize(("words", "quick"), [("--quickrun", True), ("--quickrun False", False), ("", False)])
def test_a_setting_of_the_run_too(words: str, quick: bool) -> None:
    assert read(["Voices", "resnet+mean", *words.split()]).general.quickrun is quick


def test_anything_else_is_refused() -> None:
    with pytest.raises(UserError, match="--quickrun is 'maybe'. Give True or False"):
        read(["Voices", "resnet+mean", "--quickrun=maybe"])
