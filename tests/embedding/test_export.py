"""Stores give back what was put in, and averages are those of the reference."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import DATA
from tests.parity.embedding_adapters import all_pairs
from voxboard.embedding import export, export_file, export_folder
from voxboard.embedding.export_file import EmbeddingStore
from voxboard.errors import UserError
from voxboard.scoring.rows import unit

REFERENCE = DATA.parent / "parity" / "real_ecapa_embeddings" / "a"
PARQUET = pytest.param(
    ".parquet",
    marks=pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed"),
)


def _stored(count: int = 7, size: int = 3) -> EmbeddingStore:
    rows = unit(np.random.default_rng(0).standard_normal((count, size)).astype(np.float32))
    speakers = tuple(f"s{n % 3}" for n in range(count))
    metadata = {"digest": "abc", "sample_rate": 16000, "size": size, "average": "mean", "genders": {"s0": "female"}}
    stamps = tuple((100 + n, 1_700_000_000_000_000_000 + n) for n in range(count))
    return EmbeddingStore(tuple(f"ä/{n}" for n in range(count)), speakers, rows, metadata, stamps)


@pytest.mark.parametrize("suffix", [".safetensors", PARQUET])
def test_what_was_saved_is_loaded(suffix: str, tmp_path: Path) -> None:
    given, path = _stored(), tmp_path / f"e{suffix}"
    export_file.save(path, given)
    found = export.load(path)
    assert (found.ids, found.speakers, found.stamps) == (given.ids, given.speakers, given.stamps)
    assert found.metadata == given.metadata
    assert found.matrix.dtype == np.float32
    np.testing.assert_array_equal(found.matrix, given.matrix)
    again = tmp_path / f"again{suffix}"
    export_file.save(again, found)
    assert again.read_bytes() == path.read_bytes()


def test_a_safetensors_store_also_holds_the_averages(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    given = _stored()
    export_file.save(tmp_path / "e.safetensors", given)
    names, means = given.averages()
    assert names == ("s0", "s1", "s2")
    np.testing.assert_array_equal(load_file(tmp_path / "e.safetensors")["averages"], means)


def test_a_parquet_store_is_a_table_for_pandas(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pandas as pd

    given = _stored()
    export_file.save(tmp_path / "e.parquet", given)
    table = pd.read_parquet(tmp_path / "e.parquet")
    assert table["kind"].tolist() == ["utterance"] * 7 + ["speaker"] * 3
    assert table["gender"].fillna("").tolist()[:3] == ["female", "", ""]
    np.testing.assert_array_equal(np.stack(table["embedding"][7:].tolist()), given.averages()[1])


def test_averages_are_plain_means_or_of_unit_length() -> None:
    rows = np.array([[1, 0], [0, 1], [0.6, 0.8]], dtype=np.float32)
    names, means = export_file.averages(rows, ["b", "b", "a"])
    assert names == ("a", "b")
    np.testing.assert_allclose(means, [[0.6, 0.8], [0.5, 0.5]])
    _, scaled = export_file.averages(rows, ["b", "b", "a"], renormalized=True)
    np.testing.assert_allclose(scaled, [[0.6, 0.8], [0.5**0.5, 0.5**0.5]], rtol=1e-6)
    np.testing.assert_array_equal(
        replace(_stored(), metadata={"average": "unit"}).averages()[1],
        export_file.averages(_stored().matrix, _stored().speakers, True)[1],
    )


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the fixture real_ecapa_embeddings is not there")
def test_the_reference_s_own_averages_and_cosines() -> None:
    config = json.loads((REFERENCE / "config.json").read_text())
    with np.load(REFERENCE / "input.npz") as content:
        matrix, speaker, averaged = content["embeddings"], content["speaker_index"], content["averaged"]
    names, means = export_file.averages(matrix, [config["speakers"][place] for place in speaker])
    assert list(names) == config["averaged_order"]
    np.testing.assert_allclose(means, averaged, atol=3e-8)
    scores, labels = all_pairs(matrix, speaker)
    assert scores[labels].mean() == pytest.approx(0.641, abs=5e-4)
    assert scores[~labels].mean() == pytest.approx(0.087, abs=5e-4)


def test_files_that_are_no_store_are_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    (tmp_path / "broken.safetensors").write_bytes(b"\x00" * 5)
    save_file({"weight": np.zeros(3, np.float32)}, tmp_path / "weights.safetensors")
    for name in ("broken.safetensors", "weights.safetensors"):
        with pytest.raises(UserError, match=rf"{name} holds no embeddings"):
            export.load(tmp_path / name)
    for name, says in (("e.csv", "neither"), ("none.parquet", "no embeddings at"), (".", "no index")):
        (tmp_path / "e.csv").touch()
        with pytest.raises(UserError, match=says):
            export.load(tmp_path / name)
    with pytest.raises(UserError, match="neither"):
        export_file.save(tmp_path / "e.npz", _stored())


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"pip install 'voxboard\[parquet\]'"):
        export_file.check_format(tmp_path / "e.parquet")


def test_an_index_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    index = export_folder.Index({"size": 3}, {"a": {"file": "../../elsewhere", "speaker": "s", "audio": [1, 2]}})
    index.write(tmp_path / "m_embeddings.json")
    with pytest.raises(UserError, match="lies outside"):
        export.load(tmp_path)


def test_a_tensor_file_holds_its_row_and_nothing_else(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((1000, 64)).astype(np.float32)
    export_folder.tensors(tmp_path, {"a.m_embedding": rows[3]})
    found = torch.load(tmp_path / "a.m_embedding", weights_only=True)
    assert found.shape == (1, 64)
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found[0].numpy(), rows[3])
    assert (tmp_path / "a.m_embedding").stat().st_size < 64 * 4 + 2000
    (tmp_path / "b.m_embedding").write_bytes(b"half")
    assert export_folder.read_row(tmp_path / "b.m_embedding") is None
