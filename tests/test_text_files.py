"""Text files: packed, marked, too large, or none at all."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from voxboard import text_files
from voxboard.errors import UserError


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("packed", [False, True])
def test_marks_and_line_ends_make_no_difference(encoding: str, packed: bool, tmp_path: Path) -> None:
    data = "ä\r\nb\rc\n".encode(encoding)
    (tmp_path / "x").write_bytes(gzip.compress(data) if packed else data)
    assert text_files.text(tmp_path / "x") == "ä\nb\nc\n"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"a\0b", "NUL"),
        (b"\x89HDF\r\n\x1a\n123", "HDF5 file, as BOSARIS"),
        (b"\xff\xfea", "no whole UTF-16"),
        (b"a\n\xff", "line 2: not UTF-8"),
        (gzip.compress(b"a" * 99, mtime=0)[:-4], "damaged gzip"),
    ],
)
def test_what_is_no_text_is_told(data: bytes, problem: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(UserError, match=problem):
        text_files.text(tmp_path / "x")


def test_a_small_gzip_of_a_large_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "available", lambda: 1 << 20)
    monkeypatch.setattr(text_files, "BLOCK", 1 << 16)
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"a" * (1 << 22)))
    with pytest.raises(UserError, match="which the memory cannot take"):
        text_files.content(tmp_path / "x.gz")


@pytest.mark.parametrize("name", ["nothing", "a\0b"])
def test_what_cannot_be_opened_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file|is no name of a file"):
        text_files.content(tmp_path / name)


def test_the_memory_of_this_machine_is_known() -> None:
    assert text_files.available() > 1 << 26
