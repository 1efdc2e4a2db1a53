"""Hostile inputs: a folder in which nothing may be made, and the proof that nothing was.

Every test of this folder works in `arena.work`. A payload that runs would make `arena.marker`; `arena.outside` holds a
file that nothing may change and is where nothing may be written. All is checked after every test.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.grids.conftest import noise_root

__all__ = ["noise_root"]

SECRET = "only the owner reads this\n"


@dataclass(frozen=True)
class Arena:
    """Where a hostile input is tried."""

    work: Path
    outside: Path

    @property
    def marker(self) -> Path:
        """What a payload makes when it runs."""
        return self.outside / "it-ran"

    @property
    def secret(self) -> Path:
        """A file that nothing may read into a result, or change."""
        return self.outside / "secret.txt"

    @property
    def shell(self) -> str:
        """A shell command that makes the marker."""
        return f"touch {self.marker}"

    @property
    def python(self) -> str:
        """A Python expression that makes the marker."""
        return f"__import__('pathlib').Path({str(self.marker)!r}).touch()"


@pytest.fixture
def arena(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Arena]:
    """An empty working folder (the current one), beside one that must not change."""
    made = Arena(tmp_path / "work", tmp_path / "outside")
    made.work.mkdir()
    made.outside.mkdir()
    made.secret.write_text(SECRET)
    monkeypatch.chdir(made.work)
    monkeypatch.setenv("XDG_CACHE_HOME", str(made.work / "cache"))
    yield made
    assert not made.marker.exists(), "the payload ran"
    assert sorted(path.name for path in made.outside.iterdir()) == ["secret.txt"], "something was written outside"
    assert made.secret.read_text() == SECRET, "a file outside was changed"
