"""The run of the tests ends, and tells, whatever becomes of the processes that carry them out."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parent.parent
LIMIT = 100  # seconds; 5 on a machine that has nothing else to do
WELL = "def test_one(): pass\ndef test_two(): pass\ndef test_three(): pass\n"
DIES = """
import os, signal
def test_before(): pass
def test_dies(): os.kill(os.getpid(), signal.{})
def test_after(): pass
"""
HANGS = "import time\ndef test_hangs(): time.sleep(600)\ndef test_after(): pass\n"
SETTINGS = "[tool.pytest.ini_options]\ntimeout = 2\ntimeout_func_only = false\n"


def summary(folder: Path, files: Mapping[str, str], *words: str) -> tuple[list[str], str, str]:
    """Run files of tests as `make test` does; return the tests that failed, the last line, and all that was printed."""
    (folder / "conftest.py").write_text("from tests.conftest import pytest_configure, pytest_xdist_make_scheduler\n")
    (folder / "pyproject.toml").write_text(SETTINGS)
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--dist", "loadfile", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        command, check=False, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT
    )
    lines = ran.stdout.splitlines()
    assert "INTERNALERROR" not in ran.stdout, ran.stdout
    failed = sorted(line.split()[1].partition("::")[2] for line in lines if line.startswith("FAILED"))
    return failed, lines[-1], ran.stdout


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_process_that_vanishes_takes_one_test_with_it(tmp_path: Path, processes: str) -> None:
    files = {"a": WELL, "b": DIES.format("SIGKILL"), "c": WELL, "d": DIES.format("SIGTERM"), "e": WELL}
    failed, last, printed = summary(tmp_path, files, "-n", processes)
    assert "vanished: ended by SIGKILL" in printed
    assert "vanished: ended by SIGTERM" in printed
    assert "memory of a test process: at most 0." in printed
    assert failed == ["test_dies", "test_dies"]
    assert last.startswith("2 failed, 13 passed")


def test_the_last_test_of_a_run_may_take_its_process_with_it(tmp_path: Path) -> None:
    failed, last, _ = summary(
        tmp_path, {"a": WELL, "b": DIES.format("SIGKILL").partition("def test_after")[0]}, "-n", "2"
    )
    assert failed == ["test_dies"]
    assert last.startswith("1 failed, 4 passed")


def test_processes_are_made_anew_a_number_of_times(tmp_path: Path) -> None:
    files = {name: DIES.format("SIGKILL") for name in "abcd"}
    failed, last, _ = summary(tmp_path, files, "-n", "1", "--max-worker-restart", "2")
    assert failed == ["test_dies"] * 3
    assert last.startswith("3 failed")


def test_a_test_that_hangs_fails_and_the_others_go_on(tmp_path: Path) -> None:
    pytest.importorskip("pytest_timeout")
    failed, last, _ = summary(tmp_path, {"a": HANGS, "b": WELL}, "-n", "2")
    assert failed == ["test_hangs"]
    assert last.startswith("1 failed, 4 passed")
