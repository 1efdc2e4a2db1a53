"""MODEL on the command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxboard import systems
from voxboard.errors import UserError
from voxboard.parts import Part
from voxboard.systems import System

names = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
values = st.one_of(st.integers(-99, 99), st.booleans(), st.text("abc+,()= '", max_size=6), st.floats(0.1, 9))
parts = st.builds(Part, names, st.dictionaries(st.from_regex(r"[a-z]{2,6}_?x", fullmatch=True), values, max_size=3))


@given(parts)
def test_a_part_reads_back_what_it_prints(part: Part) -> None:
    assert Part.parse(str(part)) == part


@pytest.mark.smoke
def test_every_named_system_can_be_built_from_its_card() -> None:
    assert {"UniPool", "ECAPA-TDNN", "X-vector"} <= set(systems.named())
    for system in systems.named().values():
        systems.check(system)


def test_a_system_survives_its_own_json() -> None:
    system = systems.parse("ecapa(channels=64)+mean+aam(margin=0.3)")
    assert System.from_dict(system.to_dict()) == system


def test_names_are_found_whatever_their_case() -> None:
    assert systems.parse("unipool").name == "UniPool"


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("UniPol", "UniPool"),
        ("a+b+c+d", "4 parts"),
        ("ecapa(3)+mean", "key=value"),
        ("ecapa(x=+mean", "part"),
    ],
)
def test_what_is_not_a_system_is_said_in_a_sentence(model: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        systems.check(systems.parse(model))


def test_unknown_parts_and_options_get_the_nearest_name() -> None:
    with pytest.raises(UserError, match="ecapa"):
        systems.check(systems.parse("ekapa+mean"))
    with pytest.raises(UserError, match="margin"):
        systems.check(systems.parse("ecapa+mean+aam(margn=1)"))


@pytest.mark.parametrize(
    "spec", ["fbank+weighted(pooler='asp(bottleneck=16)')+am", 'vgg+mlp(pooler="double-mha(heads=8)")+aam(centers=2)']
)
def test_a_part_may_name_another_part_with_options(spec: str) -> None:
    system = systems.parse(spec)
    assert system.pooler.options["pooler"] in ("asp(bottleneck=16)", "double-mha(heads=8)")
    assert systems.parse(system.spec).pooler == system.pooler
