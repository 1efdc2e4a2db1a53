"""Optimisers and learning-rate schedules by name."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CyclicLR, LambdaLR, LRScheduler, OneCycleLR

from voxboard.model import Network
from voxboard.training.config import Training


def optimizer(network: Network, training: Training) -> Optimizer:
    """The optimiser over all trainable weights: encoder and head in groups of their own."""
    groups = [
        {"params": trainable(network.encoder), "weight_decay": training.weight_decay},
        {"params": trainable(network.head), "weight_decay": training.head_weight_decay},
    ]
    groups = [group for group in groups if group["params"]]
    kinds: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
    extra = {"momentum": 0.9, "nesterov": True} if training.optimizer == "sgd" else {}
    return kinds[training.optimizer](groups, lr=training.max_lr, **extra)


def trainable(module: nn.Module | None) -> list[nn.Parameter]:
    """The weights that receive a gradient."""
    return [] if module is None else [p for p in module.parameters() if p.requires_grad]


def schedule(optimizer: Optimizer, training: Training) -> LRScheduler:
    """The learning-rate schedule at its first step."""
    scheduler: LRScheduler
    if training.schedule == "one-cycle":
        total = training.nb_total_step
        scheduler = OneCycleLR(optimizer, training.max_lr, total_steps=total, pct_start=training.pct_start)
    elif training.schedule == "cyclic":
        up = max(training.nb_total_step // (2 * training.cycles), 1)
        scheduler = CyclicLR(optimizer, training.base_lr, training.max_lr, up, mode="triangular2", cycle_momentum=False)
    else:
        scheduler = LambdaLR(optimizer, lambda step: 1.0)
    return scheduler


def schedule_at(scheduler: LRScheduler, step: int) -> LRScheduler:
    """The schedule `step` steps further. All schedules here are functions of the step: it is all there is to keep."""
    scheduler.last_epoch = step
    return scheduler
