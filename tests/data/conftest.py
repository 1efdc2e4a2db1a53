"""Small real audio files and trees of them, in the layouts that corpora come in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

Speak = Callable[..., Path]


@pytest.fixture(scope="session")
def speak() -> Speak:
    """Writes a short file of noise and returns its path; the sound follows from the name alone."""

    def write(
        path: Path, seconds: float = 0.05, rate: int = 16000, channels: int = 1, subtype: str | None = None
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng([ord(letter) for letter in path.name])
        samples = random.standard_normal((round(seconds * rate), channels)) * 0.1
        soundfile.write(path, samples, rate, subtype=subtype)
        return path

    return write


@pytest.fixture(scope="session")
def cut_of() -> Callable[..., Any]:
    """The cut of an audio file."""
    from voxboard.data.scan import Utterance, to_cuts

    def make(path: Path, **about: Any) -> Any:
        (cut,), _ = to_cuts([Utterance(id=path.stem, path=path, speaker="s", **about)])
        return cut

    return make


@pytest.fixture
def corpora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for prepared corpora."""
    root = tmp_path / "corpora"
    monkeypatch.setenv("VOXBOARD_CORPORA", str(root))
    return root
