"""What every run keeps in its folder, and what a resumed one forgets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from voxboard.tracking.history import History, close


def test_a_resumed_run_forgets_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    first = History.of(tmp_path, {})
    for step in (1, 2, 3):
        first.add(step, loss=float(step))
    close([first])
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')  # killed while it wrote
    again = History.of(tmp_path, {}, resumed_at=2)
    again.add(3, loss=30.0)
    close([again])
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == [{"step": 1, "loss": 1.0}, {"step": 2, "loss": 2.0}, {"step": 3, "loss": 30.0}]
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 1.0), (2, 2.0), (3, 30.0)]


def test_the_folder_is_not_a_tracker_that_may_fail(tmp_path: Path) -> None:
    history = History.of(tmp_path, {})
    close([history])
    with pytest.raises(ValueError, match="closed file"):
        history.add(1, loss=1.0)
