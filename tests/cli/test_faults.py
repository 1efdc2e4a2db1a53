"""How a command ends: an exit code, one sentence, and the traceback only where it is asked for."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from voxboard.cli import faults, main
from voxboard.cli import list as lists
from voxboard.errors import UserError

COMMAND = "import sys; from voxboard.cli import main; sys.exit(main())"


def _raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def run(argv: Sequence[str]) -> int:
        raise error

    monkeypatch.setattr(lists, "main", run)


def _decoding() -> UnicodeDecodeError:
    return UnicodeDecodeError("utf-8", b"a\xff", 1, 2, "invalid start byte")


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (UserError("A is wrong.", "Do B."), 2, "A is wrong. Do B."),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "cannot be written"),
        (PermissionError(errno.EACCES, "Permission denied", "/a/b"), 2, "/a/b"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/a/\x1b[31mb"), 2, "\\x1b[31mb"),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), 2, "connection"),
        (OSError("no number"), 2, "no number"),
        (MemoryError(), 2, "memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), 2, "--batch_size"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), 2, "--batch_size"),
        (RecursionError("maximum recursion depth exceeded"), 2, "nested"),
        (ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow"), 2, "pyarrow is not installed"),
        (ModuleNotFoundError("No module named 'voxboard.x'", name="voxboard.x"), 1, "fault of voxboard"),
        (_decoding(), 2, "UTF-8"),
        (ZeroDivisionError("division by zero"), 1, "fault of voxboard"),
        (AssertionError(), 1, "AssertionError"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (faults.Terminated(), 143, "interrupted"),
        (BrokenPipeError(), 0, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_every_end_has_a_code_and_a_sentence(
    error: BaseException, code: int, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _raising(monkeypatch, error)
    assert main(["list"]) == code
    printed = capsys.readouterr().err
    assert says in printed
    assert len(printed.splitlines()) == (1 if says else 0)


@pytest.mark.parametrize("words", [["--debug", "list"], ["list", "--debug"], ["list"]])
def test_the_traceback_is_shown_where_it_is_asked_for(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _raising(monkeypatch, ZeroDivisionError("division by zero"))
    if "--debug" not in words:
        monkeypatch.setenv("VOXBOARD_DEBUG", "1")
    assert main(words) == 1
    printed = capsys.readouterr().err
    assert "Traceback" in printed
    assert "fault of voxboard" in printed.splitlines()[-1]


@pytest.mark.parametrize(
    ("mine", "aid", "where", "says"),
    [
        ("import aid\naid.nothing\n", "", "mine.py", "no attribute 'nothing'"),
        ("import aid\n", "\n1 / 0\n", "aid.py", "ZeroDivisionError: division by zero"),
        ("import json\njson.loads('{')\n", "", "mine.py", "JSONDecodeError"),
    ],
)
def test_a_fault_in_the_users_own_file_is_told_as_that(
    mine: str,
    aid: str,
    where: str,
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in {"mine.py": mine, "aid.py": aid}.items():
        (tmp_path / name).write_text(text)
    assert main(["eval", "Voices", f"fbank+{tmp_path / 'mine.py'}:Mine"]) == 2
    printed = capsys.readouterr().err
    assert f"{tmp_path / where}, line 2, failed (" in printed
    assert says in printed
    assert "fault of voxboard" not in printed


def _shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = line.replace("voxboard", f"'{sys.executable}' -c '{COMMAND}'")
    env = {**os.environ, **environment}
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, env=env, check=False
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("voxboard list | head -n 1", 0, ""),
        ("voxboard --help | true", 0, ""),
        ("voxboard train --help | true", 0, ""),
        ("voxboard list > /dev/full", 2, "cannot be written"),
        ("voxboard --help > /dev/full", 2, "cannot be written"),
        ("voxboard list --json > /dev/full", 2, "cannot be written"),
        ("voxboard nothing 2> /dev/full", 2, ""),
    ],
)
def test_an_output_that_takes_nothing_more(line: str, code: int, says: str, unbuffered: str) -> None:
    done = _shell(line, PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == code
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == (1 if says else 0), done.stderr


@pytest.mark.parametrize(("words", "says"), [(["help"], "commands:"), (["help", "list"], "--kind"), (["grid"], "run")])
def test_help_is_a_command_too(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with suppress(SystemExit):  # as tyro ends after the help of one command
        assert main(words) == 0
    assert says in capsys.readouterr().out


def test_sigterm_ends_a_command_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(argv: Sequence[str]) -> int:
        signal.raise_signal(signal.SIGTERM)
        return 0

    monkeypatch.setattr(lists, "main", run)
    assert main(["list"]) == 143
    assert "interrupted" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_the_first_flags_are_ten_and_the_rest_is_one_flag_away(capsys: pytest.CaptureFixture[str]) -> None:
    from voxboard.cli import train

    shown: dict[str, Any] = {}
    for flag in ("--help", "--help_all"):
        with pytest.raises(SystemExit):
            main(["train", flag])
        text = capsys.readouterr().out
        shown[flag] = set(re.findall(r"^[│ ] (--\w+)(?= |$)", text, re.MULTILINE))
    assert shown["--help"] == {f"--{name}" for name in train.FIRST}
    assert len(train.FIRST) == 10
    assert shown["--help_all"] > shown["--help"] | {"--weight_decay", "--steps_save", "--musan_path"}
