"""How long people wait for what should come at once; a busy machine may fail these, so `make bench` alone runs them."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tracking.test_outside import CODE
from voxboard.data.voices.corpus import make_voices
from voxboard.metrics import normalizers
from voxboard.ranking import rank_ranges
from voxboard.records import Value
from voxboard.tracking.outside import Outside

pytestmark = pytest.mark.perf


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@pytest.mark.parametrize("word", ["--help", "list"])
def test_help_and_list_come_at_once(word: str) -> None:
    code = "import sys; from voxboard.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, word]
    best = min(_seconds(lambda: subprocess.run(command, capture_output=True, check=True)) for _ in range(3))
    assert best < 0.5


def test_a_repeated_text_comes_from_the_cache() -> None:
    normalize = normalizers.get("whisper-en")
    texts = [f"Sentence number {number} isn't long, but it's organised." for number in range(200)]
    first, second = (_seconds(lambda: [normalize(text) for text in texts]) for _ in range(2))
    assert second < first / 10


def _tracker(folder: Path, name: str = "Notes", **options: float) -> Outside:
    (folder / "notes.py").write_text(CODE)
    tracker = Outside(f"{folder / 'notes.py'}:{name}", folder, **options)  # type: ignore[arg-type]
    tracker.start("local-1", {})
    until = time.monotonic() + 60
    while not (folder / "notes.jsonl").exists() and time.monotonic() < until:
        time.sleep(0.01)
    return tracker


def test_a_slow_tracker_holds_nothing_up(tmp_path: Path) -> None:
    tracker = _tracker(tmp_path, capacity=3)
    tracker.log(0, {"sleeps": 0.5})
    assert _seconds(lambda: [tracker.log(step, {"loss": 0.5}) for step in range(1, 101)]) < 0.3
    tracker.close()


@pytest.mark.parametrize(("name", "most", "sleeps"), [("Notes", 1.5, 60.0), ("Lingers", 1.5, 0.0)])
def test_a_tracker_that_does_not_end_is_left_behind_in_time(
    tmp_path: Path, name: str, most: float, sleeps: float
) -> None:
    tracker = _tracker(tmp_path, name, close_seconds=0.3)
    tracker.log(1, {"sleeps": sleeps})
    assert _seconds(tracker.close) < most


def test_a_made_corpus_is_opened_at_once(tmp_path: Path) -> None:
    def small() -> object:
        return make_voices(tmp_path, speakers=8, utterances=4, workers=1)

    small()
    assert _seconds(small) < 0.5


def test_places_of_five_hundred_systems_take_less_than_a_second() -> None:
    draw = random.Random(0)
    centers = [draw.random() for _ in range(500)]
    values = [Value(c, low=0.8 * c, high=1.2 * c + 0.001, clusters=24) for c in centers]
    assert _seconds(lambda: rank_ranges(values)) < 1
    assert len({span for span in rank_ranges(values) if span}) > 100
