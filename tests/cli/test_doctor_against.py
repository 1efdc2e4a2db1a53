"""`voxboard doctor backbone … --against` compares embeddings with those of a reference, file by file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.cli.test_doctor import ENCODER
from voxboard.cli import main

NAMES = ("a.wav", "sub/b.wav")


def reference(waveform: np.ndarray) -> np.ndarray:
    """What `Levels` gives, by NumPy in float64."""
    blocks = np.lib.stride_tricks.sliding_window_view(waveform.astype(np.float64), 400)[::160]
    levels = np.square(blocks).mean(-1)
    return np.log(levels[:8] + levels.mean() + 1e-6)


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """The reference's embeddings of two recordings, which lie in the folder `data` of the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(ENCODER)
    (tmp_path / "data" / "sub").mkdir(parents=True)
    noise = np.random.default_rng(0)
    embeddings = {}
    for name, length in zip(NAMES, (16_000, 9_000), strict=True):
        soundfile.write(tmp_path / "data" / name, 0.1 * noise.standard_normal(length), 16_000, subtype="FLOAT")
        embeddings[name] = reference(soundfile.read(tmp_path / "data" / name, dtype="float32")[0])
    return embeddings


def against(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = main(["doctor", "backbone", words[0], "--against", "data/r.npz", "--json", *words[1:]])
    return code, json.loads(capsys.readouterr().out)


def test_a_reference_by_file_is_met(rows: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("data/r.npz", **rows)
    code, report = against(capsys, "own.py:Levels")
    assert code == 0
    assert report["passed"] is True
    assert [row["file"] for row in report["files"]] == list(NAMES)
    assert all(row["absolute"] < 1e-5 and row["cosine"] < 1e-6 for row in report["files"])


def test_one_wrong_number_fails_above_the_tolerance_only(
    rows: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    matrix = np.stack(list(rows.values()))
    matrix[1, 3] += 0.01
    np.savez("data/r.npz", files=np.array(NAMES), embeddings=matrix)
    code, report = against(capsys, "own.py:Levels")
    assert code == 1
    first, second = report["files"]
    assert first["absolute"] < 1e-5
    assert second["absolute"] == pytest.approx(0.01, rel=1e-3)
    assert against(capsys, "own.py:Levels", "--tolerance", "0.02")[0] == 0
    assert main(["doctor", "backbone", "own.py:Levels", "--against", "data/r.npz"]) == 1
    shown = capsys.readouterr().out
    assert "FAILED" in shown
    assert "Worst: sub/b.wav, 1.00e-02 apart" in shown


def test_a_model_with_a_pooler_is_compared_too(rows: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]) -> None:
    import voxboard as vb

    files = [f"data/{name}" for name in NAMES]
    unit = vb.load("fbank+mean", device="cpu").embed(files)
    np.savez("data/r.npz", files=np.array(NAMES), embeddings=unit)
    code, report = against(capsys, "fbank+mean")
    assert code == 1  # of unit length, which the model's are not
    assert all(row["cosine"] < 1e-6 < row["absolute"] for row in report["files"])


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({}, "holds no embeddings"),
        ({"a.wav": np.zeros(7)}, "7 numbers in the reference, 8 here"),
        ({"a.wav": np.zeros((2, 8))}, "no embedding"),
        ({"a.wav": np.full(8, np.nan)}, "finite"),
        ({"none.wav": np.zeros(8)}, "none.wav"),
        ({"files": np.array(["a.wav"]), "embeddings": np.zeros((2, 8))}, r"files (1,) and embeddings (2, 8)"),
        ({"files": np.array(["a.wav"] * 2), "embeddings": np.zeros((2, 8))}, "twice"),
        ({"a.wav": np.array([{}], dtype=object)}, "without pickle"),
    ],
)
def test_a_wrong_reference_is_one_sentence(
    arrays: dict[str, np.ndarray], says: str, rows: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez("data/r.npz", **arrays)
    assert main(["doctor", "backbone", "own.py:Levels", "--against", "data/r.npz"]) == 2
    message = capsys.readouterr().err
    assert says in message
    assert "Traceback" not in message


def test_no_reference_and_no_pooling_are_one_sentence(
    rows: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "backbone", "own.py:Levels", "--against", "data/none.npz"]) == 2
    assert "There is no file data/none.npz" in capsys.readouterr().err
    Path("data/r.npz").write_bytes(b"no archive")
    assert main(["doctor", "backbone", "own.py:Levels", "--against", "data/r.npz"]) == 2
    assert "cannot be read" in capsys.readouterr().err
    np.savez("data/r.npz", **rows)
    assert main(["doctor", "backbone", "fbank", "--against", "data/r.npz"]) == 2
    assert "no pooling of its own" in capsys.readouterr().err
