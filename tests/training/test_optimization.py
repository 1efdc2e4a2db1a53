"""Optimisers and schedules by name, with the learning rates that they lead to."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from voxboard.errors import UserError
from voxboard.training import optimization
from voxboard.training.config import Training


def _optimizer(training: Training) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=training.max_lr)


def _rates(**settings: Any) -> list[float]:
    training = Training(**{"nb_total_step": 40, "max_lr": 0.1, **settings})
    optimizer = _optimizer(training)
    schedule = optimization.schedule(optimizer, training)
    rates = []
    for _ in range(training.nb_total_step):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.after_step()
    return rates


def test_a_constant_rate_is_constant() -> None:
    assert set(_rates(schedule="constant")) == {0.1}


@pytest.mark.parametrize("steps", [1, 2, 5, 9, 10, 11, 20, 100])
@pytest.mark.parametrize("share", [0, 0.1, 0.2, 0.5, 1])
def test_one_cycle_has_a_rate_for_every_number_of_steps(steps: int, share: float) -> None:
    rates = _rates(schedule="one-cycle", nb_total_step=steps, pct_start=share)
    assert len(rates) == steps
    assert all(0 < rate <= 0.1 for rate in rates)
    assert max(rates) > 0.08 or share * steps < 2


def test_ten_steps_rise_as_eleven_do() -> None:
    ten, eleven = (_rates(schedule="one-cycle", nb_total_step=steps) for steps in (10, 11))
    assert ten[0] == pytest.approx(eleven[0]) == pytest.approx(0.1 / 25)
    assert ten[1] > 0.09


def test_tri_stage_goes_between_the_rates_that_it_is_given() -> None:
    rates = _rates(schedule="tri-stage", pct_start=0.25, pct_hold=0.25, initial_lr=0.01, final_lr=0.001)
    assert rates[0] == pytest.approx(0.01)
    assert rates[10:21] == pytest.approx([0.1] * 11)
    assert 0.001 < rates[-1] < 0.002


def test_eden_warms_up_and_falls() -> None:
    rates = _rates(schedule="eden", eden_batches=10.0, eden_warmup=4.0)
    assert rates[0] == pytest.approx(0.05)
    assert rates[10] == pytest.approx(0.1 / 2**0.5)
    with_epochs = _rates(schedule="eden", eden_batches=10.0, eden_warmup=4.0, eden_epochs=1.0, eden_epoch_steps=10.0)
    assert with_epochs[10] == pytest.approx(0.1 / 2**0.25 / 2**0.25)


@pytest.mark.parametrize(("schedule", "falls"), [("plateau", True), ("constant", False)])
def test_only_the_plateau_schedule_follows_the_validation(schedule: Any, falls: bool) -> None:
    training = Training(schedule=schedule, max_lr=0.1, plateau_factor=0.5, plateau_patience=1)
    optimizer = _optimizer(training)
    follower = optimization.schedule(optimizer, training)
    rates = []
    for eer in (0.4, 0.3, 0.3, 0.31, 0.2, 0.25, 0.25):
        optimizer.step()
        follower.after_step()
        follower.after_validation(eer)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == ([0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025] if falls else [0.1] * 7)


@pytest.mark.parametrize("stop", range(1, 6))
def test_a_plateau_goes_on_from_its_json_as_if_never_stopped(stop: int) -> None:
    training = Training(schedule="plateau", max_lr=0.1, plateau_patience=1)
    eers = (0.4, 0.3, 0.3, 0.31, 0.2, 0.25, 0.25)
    whole, cut = _optimizer(training), _optimizer(training)
    followers = [optimization.schedule(whole, training), optimization.schedule(cut, training)]
    for place, eer in enumerate(eers):
        if place == stop:
            kept, state = json.dumps(followers[1].state()), cut.state_dict()
            cut = _optimizer(training)
            followers[1] = optimization.schedule(cut, training)
            cut.load_state_dict(state)
            followers[1].restore(stop, json.loads(kept))
        for follower in followers:
            follower.after_validation(eer)
        assert cut.param_groups[0]["lr"] == whole.param_groups[0]["lr"]
    assert whole.param_groups[0]["lr"] < 0.1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": "tristage"}, "Did you mean tri-stage"),
        ({"optimizer": "scaledadam"}, "Did you mean scaled-adam"),
        ({"schedule": "tri-stage", "pct_start": 0.7}, "more than all steps"),
        ({"schedule": "tri-stage", "initial_lr": 0.0}, "--initial_lr is 0"),
        ({"schedule": "tri-stage", "final_lr": 1.0}, "at most --max_lr"),
        ({"eden_batches": 0.0}, "--eden_batches is 0"),
        ({"plateau_factor": 1.0}, "between 0 and 1"),
        ({"plateau_patience": -1}, "--plateau_patience is -1"),
        ({"clipping_scale": -1.0}, "--clipping_scale is -1"),
        ({"optimizer": "scaled-adam", "weight_decay": 0.1}, "no weight decay"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Training(**settings)


def test_scaled_adam_clips_by_itself() -> None:
    assert Training(grad_clip=3.0).max_norm == 3.0
    assert Training(grad_clip=3.0, optimizer="scaled-adam").max_norm == 0.0
