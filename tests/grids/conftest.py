"""A corpus of noise and a grid on it, small enough to be carried out in a test."""

from __future__ import annotations

from pathlib import Path

import pytest
from lhotse.cut import Cut
from lhotse.utils import fastcopy

from tests.cuts import noise_cuts
from voxboard.data.corpus import Corpus, CorpusInfo

GRID = """
name = "tiny"
data = "c"
backbones = ["ecapa(channels=8, frame_size=16)"]
poolers = ["mean", "statistics"]
heads = ["softmax"]
frozen = true

[training]
batch_size = 4
nb_total_step = 4
nb_steps_eval = 2
train_max_sec = 0.2

[evaluation]
replicates = 50
"""


def _speakers(cuts: list[Cut], first: int) -> list[Cut]:
    """Three utterances of each speaker."""
    found = []
    for number, cut in enumerate(cuts):
        (speech,) = cut.supervisions
        name = f"s{first + number // 3}"
        found.append(fastcopy(cut, id=f"{name}-{number}", supervisions=[fastcopy(speech, speaker=name)]))
    return found


@pytest.fixture(scope="session")
def noise_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpora root with `c`: three speakers of noise to train on, six to test."""
    root = tmp_path_factory.mktemp("noise")
    parts = {}
    for split, count, first in (("train", 9, 0), ("valid", 12, 10), ("test", 18, 20)):
        (root / split).mkdir()
        parts[split] = _speakers(noise_cuts(root / split, [0.3] * count), first)
    Corpus.write(root / "c", CorpusInfo("c", synthetic=True), parts, root)
    return root


@pytest.fixture
def grid(noise_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with `g.toml`, whose corpora root has `c`."""
    monkeypatch.setenv("VOXBOARD_CORPORA", str(noise_root))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "g.toml").write_text(GRID)
    return tmp_path
