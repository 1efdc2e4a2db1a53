"""Optimisers and learning-rate schedules by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CyclicLR, LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from voxboard.model import Network
from voxboard.training.config import Training
from voxboard.training.scaled_adam import ScaledAdam
from voxboard.training.schedules import Eden, TriStage

OPTIMIZERS: dict[str, Any] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "scaled-adam": ScaledAdam,
}


def optimizer(network: Network, training: Training) -> Optimizer:
    """The optimiser over all trainable weights: encoder and head in groups of their own."""
    groups = [
        {"params": trainable(network.encoder), "weight_decay": training.weight_decay},
        {"params": trainable(network.head), "weight_decay": training.head_weight_decay},
    ]
    groups = [group for group in groups if group["params"]]
    extra: dict[str, Any] = {}
    if training.optimizer == "sgd":
        extra = {"momentum": 0.9, "nesterov": True}
    elif training.optimizer == "rmsprop":
        extra = {"alpha": 0.95, "eps": 1e-7}  # SincNet's
    elif training.optimizer == "scaled-adam":
        groups = [{"params": group["params"]} for group in groups]  # it knows no weight decay
        extra = {"clipping_scale": training.clipping_scale or None}
    made: Optimizer = OPTIMIZERS[training.optimizer](groups, lr=training.max_lr, **extra)
    return made


def trainable(module: nn.Module | None) -> list[nn.Parameter]:
    """The weights that receive a gradient."""
    return [] if module is None else [p for p in module.parameters() if p.requires_grad]


class Schedule:
    """A learning rate that is a function of the step, which is all there is to keep of it."""

    def __init__(self, scheduler: LRScheduler) -> None:
        self.scheduler = scheduler

    def after_step(self) -> None:
        """Set the learning rate of the next step."""
        self.scheduler.step()

    def after_validation(self, error: float) -> None:
        """Nothing: the schedule does not look at the validation."""

    def state(self) -> dict[str, Any]:
        """State for a checkpoint besides the step and the optimiser, JSON-able."""
        return {}

    def restore(self, step: int, state: Mapping[str, Any]) -> None:
        """Go on after `step` steps, with what `state` gave then."""
        self.scheduler.last_epoch = step


class Plateau(Schedule):
    """A learning rate that drops when the validation error has stopped falling.

    It depends on what the validations found, so a checkpoint keeps their best and its counters; the rate itself is
    kept by the optimiser.
    """

    kept = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")

    def __init__(self, optimizer: Optimizer, training: Training) -> None:
        self.plateau = ReduceLROnPlateau(
            optimizer,
            factor=training.plateau_factor,
            patience=training.plateau_patience,
            min_lr=min(training.base_lr, training.max_lr),
        )

    def after_step(self) -> None:
        """Nothing: the rate stays until the next validation."""

    def after_validation(self, error: float) -> None:
        """Lower the rate after `plateau_patience` validations without a lower error."""
        self.plateau.step(error)

    def state(self) -> dict[str, Any]:
        """The best error and the counters."""
        return {name: getattr(self.plateau, name) for name in self.kept}

    def restore(self, step: int, state: Mapping[str, Any]) -> None:
        """Go on with the best error and the counters that `state` gave."""
        for name in self.kept:
            setattr(self.plateau, name, state[name])


def schedule(optimizer: Optimizer, training: Training) -> Schedule:
    """The learning-rate schedule at its first step."""
    if training.schedule == "plateau":
        return Plateau(optimizer, training)
    scheduler: LRScheduler
    if training.schedule == "one-cycle":
        total, share = _one_cycle(training)
        strategy = training.anneal_strategy
        scheduler = OneCycleLR(optimizer, training.max_lr, total_steps=total, pct_start=share, anneal_strategy=strategy)
    elif training.schedule == "cyclic":
        up = max(training.nb_total_step // (2 * training.cycles), 1)
        scheduler = CyclicLR(optimizer, training.base_lr, training.max_lr, up, mode="triangular2", cycle_momentum=False)
    elif training.schedule == "tri-stage":
        scheduler = LambdaLR(optimizer, tri_stage(training).factor)
    elif training.schedule == "eden":
        scheduler = LambdaLR(optimizer, eden(training).factor)
    else:
        scheduler = LambdaLR(optimizer, lambda step: 1.0)
    return Schedule(scheduler)


def _one_cycle(training: Training) -> tuple[int, float]:
    """Steps and share of the warm-up as torch can compute with them: neither phase may have a length of 0."""
    total, share = training.nb_total_step, float(training.pct_start)
    if share == 1:  # it rises to the last step; the fall would begin and end there
        total, share = total + 1, total / (total + 1)
    if share * total == 1:  # one step of warm-up: the first has the lowest rate, as with a share a little larger
        return total, share * (1 + 1e-9)
    return total, share


def tri_stage(training: Training) -> TriStage:
    """The tri-stage schedule that the settings describe: the decay takes what warm-up and plateau leave."""
    return TriStage(
        training.nb_total_step,
        warmup=training.pct_start,
        hold=training.pct_hold,
        decay=round(1.0 - training.pct_start - training.pct_hold, 9),
        initial=training.initial_lr / training.max_lr,
        final=training.final_lr / training.max_lr,
    )


def eden(training: Training) -> Eden:
    """The Eden schedule that the settings describe."""
    return Eden(
        training.eden_batches,
        training.eden_epochs,
        training.eden_warmup,
        steps_per_epoch=training.eden_epoch_steps,
    )
