"""A small synthetic corpus, prepared once for all end-to-end tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxboard.data.prepare_options import PrepareOptions
from voxboard.preparation import prepare


@pytest.fixture(scope="session")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpora root that holds `Voices` (12 speakers, 5 utterances each)."""
    root = tmp_path_factory.mktemp("corpora")
    prepare("Voices", None, root / "Voices", PrepareOptions(speakers=16, utterances=6))
    return root


@pytest.fixture
def here(corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder whose corpora root has `Voices`."""
    monkeypatch.setenv("VOXBOARD_CORPORA", str(corpora))
    monkeypatch.chdir(tmp_path)
    return tmp_path
