"""Files that are whole or not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from voxboard import files
from voxboard.errors import UserError, printable


def test_what_a_killed_writer_left_is_swept_away_by_the_next_one(tmp_path: Path) -> None:
    target = f"pathlib.Path({str(tmp_path)!r}) / 'a'"
    code = f"import os, pathlib; from voxboard import files; p = files.temporary_name({target})"
    subprocess.run([sys.executable, "-c", f"{code}; p.write_text('half'); os.kill(os.getpid(), 9)"], check=False)
    (left,) = tmp_path.iterdir()
    mine = files.temporary_name(tmp_path / "b")
    mine.write_text("under way")
    files.write_atomically({tmp_path / "a": b"whole"})
    assert not left.exists()
    assert mine.exists()
    assert (tmp_path / "a").read_bytes() == b"whole"


@pytest.mark.parametrize("text", ["[" * 200_000, "{", "NaN", '{"a": Infinity}', ""])
def test_what_is_no_json_is_said_with_the_name_of_its_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UserError, match=r"x\.json"):
        files.read_json(tmp_path / "x.json")


def test_an_escape_sequence_is_written_out() -> None:
    assert printable("a\x1b[31mred\x9b\u202e\n") == "a\\x1b[31mred\\x9b\\u202e "
    assert printable("Zoë 張偉 नमस्ते") == "Zoë 張偉 नमस्ते"
