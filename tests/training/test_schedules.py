"""Learning rates as functions of the step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxboard.training.schedules import Eden, TriStage


@given(st.integers(1, 500), st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 1), st.floats(0.01, 1))
def test_tri_stage_rises_holds_and_falls(total: int, a: float, b: float, initial: float, final: float) -> None:
    warmup, hold = sorted((a, b))[0], abs(a - b)
    stages = TriStage(total, warmup, hold, 1 - warmup - hold, initial, final)
    rates = [stages.factor(step) for step in range(total + 3)]
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert min(initial, final) - 1e-12 <= min(rates)
    assert max(rates) == pytest.approx(1.0)
    assert rates[-1] == final


def test_tri_stage_holds_exactly_its_share() -> None:
    stages = TriStage(100, warmup=0.1, hold=0.4, decay=0.5, initial=0.1, final=0.05)
    rates = [stages.factor(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert [step for step, rate in enumerate(rates) if rate == pytest.approx(1.0)] == list(range(9, 51))
    assert rates[100] == pytest.approx(0.05 ** (50 / 52))


def test_eden_falls_as_one_over_the_steps_where_there_are_no_epochs() -> None:
    eden = Eden(batches=100.0, warmup=10.0)
    assert eden.factor(0) == 0.5
    assert eden.factor(1e6) / eden.factor(4e6) == pytest.approx(4.0, rel=1e-3)


def test_eden_counts_epochs_where_it_is_told_their_length() -> None:
    endless, counted = Eden(), Eden(steps_per_epoch=1000.0)
    assert counted.factor(7000) == endless.at(7000, 7.0)
    assert counted.factor(7000) != endless.factor(7000)
