"""A cache of its own, and an index that is a folder: nothing outside this machine is asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from voxboard.published.catalogue import CATALOGUE
from voxboard.published.entry import Published


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VOXBOARD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Published], Published]:
    """Put an entry into the catalogue for the time of a test."""

    def put(published: Published) -> Published:
        monkeypatch.setitem(CATALOGUE, published.name, published)
        return published

    return put
