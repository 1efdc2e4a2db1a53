"""Ranges in a dataclass: what fits, what is refused, and what is said."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from voxboard import backbones, benchmarks, heads, limits, poolers
from voxboard.errors import UserError
from voxboard.limits import Count, Limit, Share, check
from voxboard.training.config import Training


@dataclass(frozen=True)
class Settings:
    steps: Count = 3
    share: Share = 0.5
    gap: Annotated[float, Limit(0, 1, above=True)] = 0.5
    free: float = 0.0
    forever: Annotated[float, Limit(infinite=True)] = 1.0
    shape: tuple[Count, ...] = (1,)
    ends: tuple[float, float] = (0.0, 1.0)
    kind: Literal["a", "b"] = "a"
    name: str = "x"
    note: str = ""
    place: Path | None = None
    most: Count | None = None


@pytest.mark.parametrize(
    "values",
    [
        {"steps": 1, "share": 0, "gap": 1.0, "forever": float("inf"), "shape": [1, 2], "ends": (2, 1)},
        {"place": "a/b", "most": None, "note": "", "kind": "b", "shape": ()},
    ],
)
def test_what_fits_is_taken(values: dict[str, Any]) -> None:
    check(Settings(**values))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"steps": 0}, "--steps is 0. Give a whole number from 1 to"),
        ({"steps": True}, "--steps is True"),
        ({"steps": 1.0}, "--steps is 1.0"),
        ({"steps": "3"}, "--steps is '3'"),
        ({"steps": 2**70}, "--steps is 1180591620717411303424. Give a smaller"),
        ({"share": 1.1}, "from 0 to 1"),
        ({"share": float("nan")}, "--share is nan. Give a finite number"),
        ({"gap": 0}, "--gap is 0. Give a number between 0 and 1"),
        ({"free": float("inf")}, "finite"),
        ({"forever": float("nan")}, "finite"),
        ({"shape": (1, 0)}, "--shape is 1 0"),
        ({"shape": 3}, "several values"),
        ({"ends": (1.0,)}, "Give 2 values"),
        ({"kind": "c"}, "Unknown value of kind 'c'"),
        ({"name": ""}, "--name is empty"),
        ({"name": "a\0b"}, "NUL"),
        ({"place": ""}, "--place is empty"),
        ({"most": -1}, "--most is -1"),
        ({"note": None}, "Give text"),
    ],
)
def test_what_does_not_fit_is_named(values: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError) as refused:
        check(Settings(**values))
    assert says in str(refused.value)


REGISTRIES = {"backbone": backbones, "pooler": poolers, "head": heads, "benchmark": benchmarks}


@pytest.mark.parametrize("kind", REGISTRIES)
def test_the_defaults_of_every_part_lie_in_their_ranges(kind: str) -> None:
    registry = REGISTRIES[kind].REGISTRY
    checked = 0
    for name in registry.names():
        config = registry.config(name)
        assert is_dataclass(config)
        assert limits.hints(type(config)) or not fields(config), name
        check(config)
        checked += len(fields(config))
    assert checked > 10


@pytest.mark.parametrize("value", ["abc", -1, 1.5, True, 2**70])
def test_an_option_of_a_part_is_checked_before_it_is_built(value: Any) -> None:
    with pytest.raises(UserError, match="channels of backbone ecapa is"):
        backbones.REGISTRY.config("ecapa", channels=value)


@pytest.mark.parametrize(
    "settings", [{"batch_size": "8"}, {"max_lr": "fast"}, {"optimizer": 3}, {"nb_total_step": 1.5}]
)
def test_a_card_is_checked_as_flags_are(settings: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"--{next(iter(settings))} is|Unknown"):
        Training(**settings)
