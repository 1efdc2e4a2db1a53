"""Lists without a header of our own, told from all their columns."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from voxboard import text_files
from voxboard.errors import UserError
from voxboard.trials import Trials, columns, read
from voxboard.trials.list_file import format_of

LIST = Trials.of([1, 0], ["a", "a"], ["b", "c"])


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ("voxceleb", "1 a b\n0 a c\n"),
        ("voxceleb", "true a b\nfalse a c\n"),
        ("voxceleb", "1,a,b\n0,a,c\n"),
        ("kaldi", "a b target\na c nontarget\n"),
        ("kaldi", "a b tgt\na c imp\n"),
        ("cn-celeb", "a b 1\na c 0\n"),
        ("espnet", "a*b 1\na*c 0\n"),
        ("sasv", "a b bonafide target\na c bonafide nontarget\n"),
        ("table", "spk\tfilename\tcm-label\tasv-label\na\tb\tbonafide\ttarget\na\tc\tbonafide\tnontarget\n"),
        ("table", "enrol,test,label\na,b,same\na,c,different\n"),
        ("table", "modelid segment targettype\na b target\na c nontarget\n"),
    ],
)
def test_lists_of_other_toolkits_are_the_same_list(layout: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "list").write_text(text)
    assert read(tmp_path / "list").digest() == LIST.digest()
    assert format_of(tmp_path / "list") == layout


def test_names_with_blanks_stand_between_tabs(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("1\ta b\tc\n0\ta b\td e\n")
    assert read(tmp_path / "list").utterances == ("a b", "c", "d e")


def test_lists_in_utf_16_are_read(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("1 a b\n0 a c\n", encoding="utf-16")
    assert read(tmp_path / "list").digest() == LIST.digest()


@pytest.mark.parametrize("text", ["m u A07 spoof\nm v bonafide target\n", "m u spoof\nm v target\n"])
def test_spoofed_trials_are_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "list").write_text(text)
    with pytest.raises(UserError, match="1 trials of a third class, spoof"):
        read(tmp_path / "list")


def test_of_two_readings_the_log_names_the_one_that_is_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING", "voxboard")
    (tmp_path / "list").write_text("1 0 1\n0 0 1\n")
    assert read(tmp_path / "list").utterances == ("0", "1")
    assert "is read as voxceleb, though it fits cn-celeb too" in caplog.text


def test_a_long_list_is_read_piece_by_piece_and_says_how_long_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(columns, "BLOCK", 10)
    monkeypatch.setattr(columns, "SLOW", -1)
    caplog.set_level("INFO", "voxboard")
    path = tmp_path / "list.gz"
    path.write_bytes(gzip.compress(b"1 a b\n0 a c\n" * 500))
    assert len(read(path)) == 1000
    assert "has 1,000 lines: reading them takes about" in caplog.text


@pytest.mark.parametrize("free", [40_000, 200_000])
def test_what_memory_cannot_hold_is_refused(free: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "available", lambda: free)
    (tmp_path / "list").write_text("".join(f"1 a{i} b{i}\n" for i in range(3000)))
    with pytest.raises(UserError, match="which the memory cannot take"):
        read(tmp_path / "list")


def test_numbers_beyond_count_are_no_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "CROWDED", 5)
    (tmp_path / "x").write_text("".join(f"a {i}\n" for i in range(10)))
    one, other = columns.read(tmp_path / "x").columns
    assert one.words == ["a"]
    assert not other.codes.size
    assert other.numbers is not None
    assert other.numbers.tolist() == list(range(10))
