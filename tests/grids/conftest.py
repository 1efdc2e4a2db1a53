"""A corpus of noise and a grid on it, small enough to be carried out in a test."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
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


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3 server in this process."""
    server_module = pytest.importorskip("moto.server", reason="moto is not installed")
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a new bucket; the environment says where the server is and who asks."""
    import fsspec

    names = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
    for name, value in zip(names, (s3_server, "nobody", "nothing", "us-east-1"), strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VOXBOARD_CACHE", str(tmp_path / "cache"))
    bucket = secrets.token_hex(8)
    fsspec.filesystem("s3", use_listings_cache=False).mkdir(bucket)
    return f"s3://{bucket}"
