"""Averages of weights over training steps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from voxboard.errors import UserError
from voxboard.training.averaging import RunningAverage, average_until_epoch, average_until_step, between


def _path(steps: int) -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(3)
    return [{"w": torch.randn(2, 3, generator=generator), "count": torch.tensor(t)} for t in range(steps + 1)]


def _save(folder: Path, period: int, at: dict[str, int]) -> list[dict[str, Tensor]]:
    states = _path(max(at.values()))
    running = RunningAverage(states[0], period)
    for step, state in enumerate(states[1:], start=1):
        running.update(state, step)
        for name in [name for name, when in at.items() if when == step]:
            torch.save({"model": state, "model_avg": running.state(), "batch_idx_train": step}, folder / f"{name}.pt")
    return states


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5))
def test_between_two_running_averages_lies_the_plain_mean(period: int, before: int, after: int) -> None:
    start, end = period * before, period * (before + after)
    states = _path(end)
    running, kept = RunningAverage(states[0], period), {}
    for step, state in enumerate(states[1:], start=1):
        running.update(state, step)
        kept[step] = running.state()
    found = between(kept[end], end, kept[start], start)
    expected = torch.stack([states[step]["w"] for step in range(start + period, end + 1, period)]).mean(0)
    assert torch.allclose(found["w"], expected, atol=1e-5)
    assert found["count"] == end


def test_the_initial_weights_do_not_count() -> None:
    states = _path(4)
    running = RunningAverage(states[0], period=2)
    for step in (1, 2, 3, 4):
        running.update(states[step], step)
    assert torch.allclose(running.state()["w"], (states[2]["w"] + states[4]["w"]) / 2)


def test_steps_count_backwards_from_the_newest_file_that_is_early_enough(tmp_path: Path) -> None:
    states = _save(tmp_path, 1, {f"checkpoint-{step}": step for step in (2, 4, 6, 10)})
    found = average_until_step(tmp_path, 9, avg=2)
    assert torch.allclose(found["w"], torch.stack([states[t]["w"] for t in (3, 4, 5, 6)]).mean(0), atol=1e-5)


def test_an_average_of_none_is_the_running_one_or_the_weights(tmp_path: Path) -> None:
    states = _save(tmp_path, 1, {"checkpoint-2": 2, "epoch-1": 2})
    mean = (states[1]["w"] + states[2]["w"]) / 2
    assert torch.allclose(average_until_step(tmp_path, 2, avg=0)["w"], mean)
    assert torch.allclose(average_until_epoch(tmp_path, 1, avg=0)["w"], mean)
    torch.save({"model": states[2]}, tmp_path / "checkpoint-3.pt")
    assert torch.equal(average_until_step(tmp_path, 3, avg=0)["w"], states[2]["w"])


def test_epochs_are_averaged_over_their_steps(tmp_path: Path) -> None:
    states = _save(tmp_path, 1, {"epoch-1": 2, "epoch-3": 7})
    found = average_until_epoch(tmp_path, 3, avg=2)
    assert torch.allclose(found["w"], torch.stack([states[t]["w"] for t in range(3, 8)]).mean(0), atol=1e-5)


def test_missing_files_are_named(tmp_path: Path) -> None:
    _save(tmp_path, 1, {"checkpoint-2": 2, "checkpoint-4": 4, "epoch-3": 4})
    with pytest.raises(UserError, match=r"takes 3 files.* has 2 \(checkpoint-4\.pt, checkpoint-2\.pt\), so 1 older"):
        average_until_step(tmp_path, 4, avg=2)
    with pytest.raises(UserError, match=r"lacks epoch-2\.pt"):
        average_until_epoch(tmp_path, 3, avg=1)
    with pytest.raises(UserError, match="epoch 0, which is not stored"):
        average_until_epoch(tmp_path, 3, avg=3)
    with pytest.raises(UserError, match=r"lacks checkpoint-5\.pt"):
        average_until_step(tmp_path, 5, avg=0)


def test_a_checkpoint_that_would_execute_code_or_has_no_average_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-1.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match="cannot be read"):
        average_until_step(tmp_path, 1, avg=0)
    for step in (1, 2):
        torch.save({"model": {"w": torch.ones(1)}}, tmp_path / f"checkpoint-{step}.pt")
    with pytest.raises(UserError, match="no running average"):
        average_until_step(tmp_path, 2, avg=1)
