"""Several classifications of one embedding, each trained by the utterances that have its label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from voxboard import heads
from voxboard.errors import UserError
from voxboard.heads.base import MISSING, Head, Kind
from voxboard.limits import Dropout, NotNegative


class MultiTask(Head):
    """Weighted sum of one loss per task; an utterance without a task's label does not train that task.

    Labels are one tensor [B] per task, with `MISSING` where unknown (`data.classes` makes them from names); a task
    without classes has no weights and no loss. `predict` gives the class scores of the first task.
    """

    exports = ("torch.export",)

    @dataclass(frozen=True)
    class Config:
        """Options of `multi-task`."""

        tasks: tuple[str, ...] = ("speaker", "gender")
        """Labels to train."""
        weights: tuple[NotNegative, ...] = ()
        """Weight per task (Auden: 1, 2.5, 3 and 3 for speaker, emotion, gender, age group); all 1 when left out."""
        main: str = "softmax"
        """Head of the first task; the others are linear classifiers."""
        dropout: Dropout = 0.1
        """Share of the embedding's values that each linear classifier drops in training."""
        reduction: str = "mean"
        """`mean` over the utterances that have the label, or their `sum` (Auden)."""

    def __init__(self, embedding_size: int, n_classes: Mapping[str, int], config: Config) -> None:
        super().__init__()
        _check(config)
        if set(n_classes) != set(config.tasks):
            raise UserError(
                f"There are numbers of classes for {', '.join(n_classes)} only.", "Give one for every task."
            )
        self.config = config
        self.label = config.tasks[0]
        self.weights = dict(zip(config.tasks, config.weights or (1.0,) * len(config.tasks), strict=True))
        self.parts = nn.ModuleDict()
        for task in config.tasks:
            name = config.main if task == self.label else "softmax"
            options = {"dropout": config.dropout} if name == "softmax" else {}
            if n_classes[task]:
                self.parts[task] = heads.create(name, embedding_size, n_classes[task], **options)
        self.batches = self.wants(config)

    @classmethod
    def needs(cls, config: Config) -> Mapping[str, Kind]:
        _check(config)
        return dict.fromkeys(config.tasks, "classes")

    @classmethod
    def wants(cls, config: Config) -> tuple[int, int] | None:
        main, _ = heads.REGISTRY.resolve(config.main)
        wanted: tuple[int, int] | None = main.wants(heads.REGISTRY.config(config.main))
        return wanted

    def loss(self, embeddings: Tensor, labels: Mapping[str, Tensor]) -> Tensor:
        losses = self.losses(embeddings, labels)
        return torch.stack([self.weights[task] * loss for task, loss in losses.items()]).sum()

    def losses(self, embeddings: Tensor, labels: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The loss of every task, not weighted; 0 for a task that no utterance has a label of."""
        losses = {task: embeddings.new_zeros((), dtype=torch.float32) for task in self.config.tasks}
        for task in self.parts:
            labelled = labels[task] != MISSING
            count = int(labelled.sum())
            if count:
                mean = self._part(task).loss(embeddings[labelled], labels[task][labelled])
                losses[task] = mean * count if self.config.reduction == "sum" else mean
        if not any(loss.requires_grad for loss in losses.values()):
            losses[self.label] = losses[self.label] + 0.0 * sum(p.sum() for p in self.parameters())
        return losses

    def predict(self, embeddings: Tensor) -> Tensor:
        return self._part(self.label).predict(embeddings)

    def predict_tasks(self, embeddings: Tensor) -> dict[str, Tensor]:
        """[B, E] → class scores [B, C] of every task that has classes."""
        return {task: self._part(task).predict(embeddings) for task in self.parts}

    def _part(self, task: str) -> Head:
        part = self.parts[task]
        assert isinstance(part, Head)
        return part


def _check(config: MultiTask.Config) -> None:
    tasks = len(config.tasks)
    if tasks < 2 or len(set(config.tasks)) != tasks:
        raise UserError(
            "A multi-task head needs two tasks or more, each named once.",
            "E.g. tasks=('speaker', 'gender'); a head of one task is softmax(label=gender).",
        )
    if config.weights and len(config.weights) != tasks:
        raise UserError(f"There are {len(config.weights)} weights for {tasks} tasks.", "Give one per task.")
    if config.reduction not in ("mean", "sum"):
        raise UserError(f"multi-task has no reduction {config.reduction!r}.", "Known: mean, sum.")
