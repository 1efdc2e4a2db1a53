"""How optimisers, schedules and averages of the references are run on voxboard's."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.parity.reference_fixture import Fixture
from voxboard.training.averaging import RunningAverage, average_until_step
from voxboard.training.scaled_adam import ScaledAdam
from voxboard.training.schedules import Eden, TriStage

Outputs = Mapping[str, Any]


def lr_tristage(fixture: Fixture) -> Outputs:
    """Steps → shares of the base rate."""
    given = fixture.ctor
    stages = TriStage(
        given["max_steps"],
        *(given[name] for name in ("warmup", "constant", "decay")),
        initial=given["initial_lr"] / given["base_lr"],
        final=given["final_lr"] / given["base_lr"],
    )
    return {"factor": [stages.factor(int(step)) for step in fixture.inputs["step"]]}


def eden_schedule(fixture: Fixture) -> Outputs:
    """Steps and epochs → learning rates of the three forms of Eden."""
    given = fixture.config
    options = {
        "batches": given["lr_batches"],
        "epochs": given["lr_epochs"],
        "warmup": given["warmup_batches"],
        "start": given["warmup_start"],
    }
    endless, counted = Eden(**options), Eden(**options, steps_per_epoch=given["steps_per_epoch"])
    steps, epochs = fixture.inputs["batches"].tolist(), fixture.inputs["epochs"].tolist()
    return {
        "eden": given["base_lr"] * np.array([[endless.at(step, epoch) for epoch in epochs] for step in steps]),
        "eden2": given["base_lr"] * np.array([endless.factor(step) for step in steps]),
        "eden3": given["base_lr"] * np.array([counted.factor(step) for step in steps]),
    }


def scaled_adam(fixture: Fixture) -> Outputs:
    """Weights and the gradient of every step → the weights after every step."""
    weights = {name: torch.nn.Parameter(value.clone()) for name, value in fixture.weights.items()}
    known = inspect.signature(ScaledAdam).parameters
    optimizer = ScaledAdam(weights.values(), **{key: v for key, v in fixture.config.items() if key in known})
    paths: dict[str, list[Tensor]] = {name: [] for name in weights}
    for step in range(fixture.config["steps"]):
        for name, weight in weights.items():
            weight.grad = fixture.inputs[f"grad.{name}"][step].reshape(weight.shape).clone()
        optimizer.step()
        for name, weight in weights.items():
            paths[name].append(weight.detach().clone())
    return {f"traj.{name}": torch.stack(path) for name, path in paths.items()}


def checkpoint_average(fixture: Fixture) -> Outputs:
    """Weights and their change in every step → stored weights, running averages, and the average over files."""
    given = fixture.config
    weights = {name: value.clone() for name, value in fixture.weights.items()}
    running = RunningAverage(weights, given["average_period"])
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for step in range(1, max(given["saved_at"]) + 1):
            for name, change in fixture.inputs.items():
                weights[name.removeprefix("delta.")] += change[step - 1]
            running.update(weights, step)
            if step in given["saved_at"]:
                model = {name: value.clone() for name, value in weights.items()}
                stored = {"model": model, "model_avg": running.state(), "batch_idx_train": step}
                torch.save(stored, f"{folder}/checkpoint-{step}.pt")
                found |= {f"{kind}@{step}.{k}": v for kind in ("model", "model_avg") for k, v in stored[kind].items()}
        average = average_until_step(Path(folder), given["iter"], given["avg"])
    return found | {f"averaged.{name}": value for name, value in average.items()}


ADAPTERS: dict[str, Callable[[Fixture], Outputs]] = {
    "lr_tristage": lr_tristage,
    "eden_schedule": eden_schedule,
    "scaled_adam": scaled_adam,
    "checkpoint_average": checkpoint_average,
}
