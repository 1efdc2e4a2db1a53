"""Pictures of embeddings keep speakers apart, and the same embeddings give the same picture."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from voxboard.errors import UserError
from voxboard.plots import embedding, save
from voxboard.scoring.rows import unit


def _speakers(count: int, each: int, spread: float = 0.1) -> tuple[np.ndarray, list[str]]:
    draw = np.random.default_rng(0)
    centers = draw.standard_normal((count, 16))
    rows = np.repeat(centers, each, axis=0) + spread * draw.standard_normal((count * each, 16))
    return unit(rows.astype(np.float32)), [f"s{n // each:02d}" for n in range(count * each)]


def test_neighbours_in_the_plane_are_of_one_speaker() -> None:
    rows, speakers = _speakers(3, 12)
    points = embedding.project(rows)
    away = np.linalg.norm(points[:, None] - points[None], axis=-1) + 1e9 * np.eye(len(points))
    assert [speakers[place] for place in away.argmin(1)] == speakers
    np.testing.assert_array_equal(points, embedding.project(rows))


def test_few_speakers_have_a_key_and_many_are_coloured_by_gender(tmp_path: Path) -> None:
    few = embedding.scatter(*_speakers(3, 4), title="T")
    assert [text.get_text() for text in few.legends[0].get_texts()] == ["s00", "s01", "s02"]
    assert [len(part.get_offsets()) for part in few.axes[0].collections] == [4, 4, 4]
    assert few.axes[0].texts[0].get_text() == "t-SNE of 12 utterances, 3 speakers"
    rows, speakers = _speakers(21, 2)
    assert embedding.scatter(rows, speakers).legends == []
    genders = {f"s{n:02d}": ("female", "male")[n % 2] for n in range(20)}
    told = embedding.scatter(rows, speakers, genders)
    assert [text.get_text() for text in told.legends[0].get_texts()] == ["female", "male", "unknown"]
    for name in ("a.png", "b.png"):
        save(embedding.scatter(rows, speakers, genders), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_twenty_speakers_look_unlike_each_other() -> None:
    rows, speakers = _speakers(20, 1)
    looks = {
        (handle.get_marker(), handle.get_color())  # type: ignore[attr-defined]
        for handle in embedding.scatter(rows, speakers).legends[0].legend_handles
    }
    assert len(looks) == 20


def test_many_utterances_are_thinned_and_the_picture_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "MOST", 30)
    figure = embedding.scatter(*_speakers(4, 10))
    assert sum(len(part.get_offsets()) for part in figure.axes[0].collections) == 30
    assert figure.axes[0].texts[0].get_text() == "t-SNE of 30 of 40 utterances, 4 speakers"


def test_too_few_utterances_and_a_missing_umap_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="at least 5 utterances, there are 4"):
        embedding.scatter(*_speakers(2, 2))
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(UserError, match=r"pip install 'voxboard\[umap\]'"):
        embedding.scatter(*_speakers(2, 4), projection="umap")
