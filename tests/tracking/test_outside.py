"""A tracker outside: whatever it does, the run goes on as without it."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from voxboard.tracking.outside import Outside
from voxboard.tracking.process import said

# A tracker that writes down what it is told, and does what the step is named for.
CODE = """
import json, os, random, sys, time

class Notes:
    def __init__(self, folder, resumed_at):
        self.path, self.resumed_at = folder / "notes.jsonl", resumed_at

    def note(self, *words):
        with self.path.open("a") as file:
            file.write(json.dumps(words) + "\\n")

    def start(self, name, config):
        print("a client that prints", flush=True)
        random.seed(7)
        self.note("start", name, config, self.resumed_at)

    def log(self, step, values):
        self.note("log", step, values)
        if "raises" in values:
            raise ConnectionError("https://me:hunter2@host refused " + os.environ.get("NOTES_API_KEY", "") + "\\nmore")
        if "exits" in values:
            sys.exit(3)
        if "dies" in values:
            os._exit(3)
        time.sleep(values.get("sleeps", 0))

    def summary(self, values):
        self.note("summary", values)

    def close(self):
        self.note("close")

class Lingers(Notes):
    def close(self):
        super().close()
        import threading
        threading.Thread(target=time.sleep, args=(60,)).start()

class Unmade:
    def __init__(self, folder, resumed_at):
        raise OSError("no room")
"""
Make = Callable[..., Outside]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    (tmp_path / "notes.py").write_text(CODE)

    def made(name: str = "Notes", **options: float) -> Outside:
        tracker = Outside(f"{tmp_path / 'notes.py'}:{name}", tmp_path, **options)  # type: ignore[arg-type]
        tracker.start("local-1", {"training": {"max_lr": 0.1}})
        return tracker

    return made


def _notes(folder: Path) -> list[list[object]]:
    return [json.loads(line) for line in (folder / "notes.jsonl").read_text().splitlines()]


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_everything_arrives_in_order(make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tracker = make(resumed_at=4)
    for step in (5, 6):
        tracker.log(step, {"loss": 0.5})
    tracker.summary({"best_step": 6})
    tracker.close()
    assert _notes(tmp_path) == [
        ["start", "local-1", {"training": {"max_lr": 0.1}}, 4],
        ["log", 5, {"loss": 0.5}],
        ["log", 6, {"loss": 0.5}],
        ["summary", {"best_step": 6}],
        ["close"],
    ]
    assert not caplog.records


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("raises", "ConnectionError: https://…@host refused …"),
        ("exits", "SystemExit: 3"),
        ("dies", "its process ended"),
    ],
)
def test_a_failure_is_one_warning_without_secrets(
    what: str,
    reason: str,
    make: Make,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NOTES_API_KEY", "0123456789")
    tracker = make(capacity=100)
    tracker.log(1, {what: 1.0})
    _wait(lambda: bool(caplog.records))
    for step in range(2, 200):
        tracker.log(step, {"loss": 0.5})
    tracker.summary({"best_step": 1})
    tracker.close()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message.endswith(f"failed, and the run goes on without it: {reason}")
    kept = [line[0] for line in _notes(tmp_path)]
    assert kept == ["start", "log"] if what == "dies" else ["start", "log", "close"]


def test_a_tracker_that_cannot_be_made_is_one_warning(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    tracker = make("Unmade")
    tracker.close()
    (record,) = caplog.records
    assert record.message.endswith("OSError: no room")


def test_a_slow_one_loses_lines_and_never_stops_the_run(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = make(capacity=3)
    tracker.log(0, {"sleeps": 2.0})
    _wait(lambda: (tmp_path / "notes.jsonl").exists() and len(_notes(tmp_path)) == 2)
    for step in range(1, 101):
        tracker.log(step, {"loss": 0.5})
    tracker.summary({"best_step": 9})
    tracker.close()
    # Three lines fit, two of them made room for the summary and the end.
    assert [line[0] for line in _notes(tmp_path)] == ["start", "log", "log", "summary", "close"]
    (record,) = caplog.records
    assert "too slow: 99 of 101 lines are lost" in record.message


def test_one_that_hangs_is_left_behind(make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tracker = make(close_seconds=0.3)
    tracker.log(1, {"sleeps": 60.0})
    _wait(lambda: (tmp_path / "notes.jsonl").exists() and len(_notes(tmp_path)) == 2)
    tracker.close()
    assert tracker._process is not None
    assert tracker._process.returncode == -signal.SIGKILL
    assert [record.message.partition("Notes ")[2] for record in caplog.records] == [
        "did not finish within 0.3 seconds.",
        "was too slow: 1 of 1 lines are lost.",
    ]


def test_one_that_lingers_after_its_end_is_ended(make: Make, tmp_path: Path) -> None:
    tracker = make("Lingers", close_seconds=2.0)
    tracker.close()
    assert tracker._process is not None
    assert tracker._process.returncode == -signal.SIGKILL
    assert _notes(tmp_path)[-1] == ["close"]


def test_the_random_streams_of_the_run_stay_as_they_are(make: Make) -> None:
    def streams() -> tuple[object, ...]:
        numbers = np.random.get_state(legacy=False)  # noqa: NPY002
        assert isinstance(numbers, dict)
        return random.getstate(), numbers["state"]["key"].tobytes(), torch.get_rng_state().numpy().tobytes()

    before = streams()
    tracker = make()
    tracker.log(1, {"loss": 0.5})
    tracker.close()
    assert streams() == before


def test_the_tracker_of_a_killed_run_is_closed(make: Make, tmp_path: Path) -> None:
    (tmp_path / "notes.py").write_text(CODE)
    run = f"""
import sys, time
from pathlib import Path
from voxboard.tracking.outside import Outside
tracker = Outside({str(tmp_path / "notes.py") + ":Notes"!r}, Path({str(tmp_path)!r}))
tracker.start("local-1", {{}})
tracker.log(1, {{"loss": 0.5}})
time.sleep(60)
"""
    killed = subprocess.Popen([sys.executable, "-c", run])
    _wait(lambda: (tmp_path / "notes.jsonl").exists() and len(_notes(tmp_path)) == 2)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    _wait(lambda: len(_notes(tmp_path)) == 3)
    assert _notes(tmp_path)[-1] == ["close"]


def test_what_is_said_of_an_error_has_one_line_and_no_secret() -> None:
    environment = {"WANDB_API_KEY": "abc123", "HOME": "/home/me", "EMPTY_TOKEN": ""}
    error = ValueError("key abc123 at postgresql://me:pw@host/db in /home/me\nTraceback")
    assert said(error, environment) == "ValueError: key … at postgresql://…@host/db in /home/me"
    assert len(said(ValueError("x" * 1000), {})) == 300
