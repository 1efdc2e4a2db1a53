"""Raw outputs beside the records: found by what they hold, never replaced, left out where they are too large."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path

import pytest

from voxboard.records import outputs


def kept(home: Path, text: str = "1 a b 0.5\n", limit: float = 1.0, run: Path | None = None) -> str:
    def save(folder: Path, stem: str) -> None:
        with gzip.open(folder / f"scores-{stem}.txt.gz", "wt") as file:
            file.write(text)

    return outputs.keep(save, "toy-00", {"speakers": {"a": "s", "b": "s"}}, home, limit, run)


def test_equal_outputs_are_one_folder_of_equal_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    digest = kept(first)
    assert {kept(first), kept(second)} == {digest}
    found = [outputs.find(digest, [home]) for home in (first, second)]
    files = [{file.name: file.read_bytes() for file in folder.iterdir()} for folder in found if folder]
    assert files[0] == files[1]
    assert sorted(files[0]) == ["about-toy-00.json.gz", "scores-toy-00.txt.gz"]
    assert gzip.decompress(files[0]["scores-toy-00.txt.gz"]) == b"1 a b 0.5\n"
    assert sorted(path.name for path in first.iterdir()) == sorted([".gitignore", digest[:16]])


def test_other_outputs_are_kept_beside_them(tmp_path: Path) -> None:
    digests = [kept(tmp_path), kept(tmp_path, "1 a b 0.6\n")]
    assert len({outputs.find(digest, [tmp_path / "none", tmp_path]) for digest in digests}) == 2


def test_a_run_gets_a_copy(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    kept(tmp_path / "outputs", run=run)
    assert gzip.decompress((run / "scores-toy-00.txt.gz").read_bytes()) == b"1 a b 0.5\n"
    assert json.loads((run / "about-toy-00.json").read_text())["speakers"] == {"a": "s", "b": "s"}


def test_what_is_too_large_or_refused_by_the_disk_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "voxboard"):
        assert kept(tmp_path / "small", limit=1e-6) == ""
        assert "--outputs_mb" in caplog.text
        assert kept(tmp_path / "none", limit=0) == ""
        (tmp_path / "file").write_text("")
        assert kept(tmp_path / "file") == ""
        assert "not kept" in caplog.text
    assert not (tmp_path / "none").exists()
    assert [path.name for path in (tmp_path / "small").iterdir()] == [".gitignore"]


def test_outputs_move_once(tmp_path: Path) -> None:
    source, target = tmp_path / "staging" / "outputs", tmp_path / "outputs"
    digest = kept(source)
    for _ in range(2):
        outputs.move(digest, source, target)
    outputs.move("", source, target)
    kept(source)
    outputs.move(digest, source, target)
    assert outputs.find(digest, [target]) == target / digest[:16]
    assert outputs.find("../records", [target]) is None
