"""In training the Zipformer leaves things out, less and less, and whole sequences at a time; never in evaluation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.contracts import small
from voxboard import backbones
from voxboard.backbones.zipformer_ops import Bypass
from voxboard.backbones.zipformer_training import (
    Rates,
    channel_mask,
    layer_skips,
    schedule,
    shared_dropout,
    skipped,
    within,
)


def states(made: backbones.base.Backbone, seed: int) -> Tensor:
    torch.manual_seed(seed)
    return made(*small.audio(16_000)).states


def test_a_schedule_is_linear_between_its_points() -> None:
    points = ((0, 0.2), (4_000, 0.05), (16_000, 0.0))
    found = [schedule(count, *points) for count in (0, 2_000, 4_000, 10_000, 16_000, 99_999)]
    assert found == pytest.approx([0.2, 0.125, 0.05, 0.025, 0.0, 0.0])


def test_everything_is_left_out_less_and_less() -> None:
    start, later, end = (vars(Rates.after(count)) for count in (0, 4_000, 100_000))
    assert all(start[name] >= later[name] >= end[name] for name in start)
    assert (start["dropout"], start["uniform"], start["placeless"], start["floor"]) == (0.3, 0.25, 0.5, 0.9)
    kept = {name: value for name, value in end.items() if value}
    assert kept == pytest.approx({"dropout": 0.1, "positions": 0.15, "convnext": 0.015, "uniform": 0.025, "floor": 0.2})
    assert not any(vars(Rates()).values())


def test_deeper_layers_are_skipped_for_longer() -> None:
    skips = [skip for stack in range(3) for skip in layer_skips(1_500, stack, 3, 2, 1)]
    assert skips == sorted(skips)
    assert skips[0] == pytest.approx(0.035)
    assert skips[-1] == 0.5
    assert layer_skips(1e6, 2, 3, 1, 4) == pytest.approx([0.07])


def test_dropout_and_skipping_hold_for_whole_sequences() -> None:
    torch.manual_seed(0)
    x = torch.ones(64, 5, 8)
    dropped, left = shared_dropout(x, 0.25), skipped(x, 0.25)
    assert torch.equal(dropped, dropped[:, :1].expand_as(x))
    assert {round(float(value), 4) for value in dropped.unique()} == {0.0, 1.3333}
    assert {tuple(row.unique().tolist()) for row in left} == {(0.0,), (1.0,)}
    mask = channel_mask(torch.ones(4_000, 1, 1), 8, 4)[:, 0]
    assert bool((mask[:, :4] == 1.0).all())
    assert mask[:, 4:6].mean() == pytest.approx(0.875, abs=0.02)
    assert mask[:, 6:].mean() == pytest.approx(0.875**2, abs=0.02)


def test_a_bypass_lets_a_floor_through_and_still_learns() -> None:
    bypass = Bypass(3)
    before, after = torch.zeros(2, 4, 3), torch.ones(2, 4, 3)
    limited = bypass(before, after, floor=0.9)
    assert limited.unique().tolist() == pytest.approx([0.9])
    limited.sum().backward()
    assert bypass.bypass_scale.grad is not None
    assert bool((bypass.bypass_scale.grad > 0.0).all())
    assert torch.equal(bypass(before, after, skip=1.0), before)
    assert float(within(torch.tensor(2.0), None, 1.0)) == 2.0


def test_only_training_is_random_and_counts_its_batches() -> None:
    made = small.backbone("zipformer")
    assert torch.equal(states(made, 1), states(made, 2))
    assert float(made.get_buffer("model_batch_count")) == 0.0
    same = small.backbone("zipformer").train()
    made.train()
    assert torch.equal(states(made, 1), states(same, 1))
    assert not torch.allclose(states(made, 1), states(same, 2), atol=0.1)
    assert float(made.get_buffer("model_batch_count")) == 2.0


def test_schedules_can_be_switched_off() -> None:
    torch.manual_seed(0)
    made = backbones.create("zipformer", **small.ZIPFORMER, schedules=False)
    assert torch.equal(states(made.train(), 1), states(made.eval(), 2))
