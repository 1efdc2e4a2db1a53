"""Several classifications of one embedding, each trained by the utterances that have its label."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from voxboard import heads
from voxboard.errors import UserError
from voxboard.heads.base import MISSING, Head


class MultiTask(Head):
    """Weighted sum of one loss per task; an utterance without a task's label does not train that task.

    Labels are [B, tasks] with `MISSING` where unknown (`heads.labels` makes them from names), or [B] when only the
    first task has labels, whose class scores `predict` gives.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `multi-task`."""

        tasks: tuple[str, ...] = ("speaker",)
        """Labels to train; the classes of the first are those of the training set."""
        classes: tuple[int, ...] = ()
        """Number of classes of every task but the first."""
        weights: tuple[float, ...] = ()
        """Weight per task (Auden: 1, 2.5, 3 and 3 for speaker, emotion, gender, age); all 1 when left out."""
        main: str = "softmax"
        """Head of the first task; the others are linear classifiers."""
        dropout: float = 0.1
        """Share of the embedding's values that each linear classifier drops in training."""
        reduction: str = "mean"
        """`mean` over the utterances that have the label, or their `sum` (Auden)."""

    def __init__(self, embedding_size: int, n_classes: int, config: Config) -> None:
        super().__init__()
        _check(config)
        self.config = config
        self.label = config.tasks[0]
        self.weights = config.weights or (1.0,) * len(config.tasks)
        self.parts = nn.ModuleDict()
        for task, classes in zip(config.tasks, (n_classes, *config.classes), strict=True):
            name = config.main if task == self.label else "softmax"
            options = {"dropout": config.dropout} if name == "softmax" else {}
            self.parts[task] = heads.create(name, embedding_size, classes, **options)

        self.batches = self._part(self.label).batches

    @property
    def tasks(self) -> tuple[str, ...]:
        return self.config.tasks

    def loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        found = self.losses(embeddings, labels)
        return torch.stack([weight * found[task] for weight, task in zip(self.weights, self.tasks, strict=True)]).sum()

    def losses(self, embeddings: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The loss of every task, not weighted; 0 for a task that no utterance has a label of."""
        columns = labels[:, None] if labels.ndim == 1 else labels
        if labels.ndim > 1 and columns.shape[1] != len(self.tasks):
            raise UserError(f"There are {columns.shape[1]} labels per utterance for {len(self.tasks)} tasks.")
        found = {task: embeddings.new_zeros((), dtype=torch.float32) for task in self.tasks}
        for task, column in zip(self.tasks, columns.unbind(1), strict=False):
            known = column != MISSING
            count = int(known.sum())
            if count:
                mean = self._part(task).loss(embeddings[known], column[known])
                found[task] = mean * count if self.config.reduction == "sum" else mean
        if not any(loss.requires_grad for loss in found.values()):
            found[self.label] = found[self.label] + 0.0 * sum(p.sum() for p in self.parameters())
        return found

    def predict(self, embeddings: Tensor) -> Tensor:
        return self._part(self.label).predict(embeddings)

    def predict_tasks(self, embeddings: Tensor) -> dict[str, Tensor]:
        """[B, E] → class scores [B, C] of every task."""
        return {task: self._part(task).predict(embeddings) for task in self.tasks}

    def _part(self, task: str) -> Head:
        part = self.parts[task]
        assert isinstance(part, Head)
        return part


def _check(config: MultiTask.Config) -> None:
    tasks = len(config.tasks)
    if not tasks or len(set(config.tasks)) != tasks:
        raise UserError("A multi-task head needs tasks, each named once.", "E.g. tasks=('speaker', 'gender').")
    if len(config.classes) != tasks - 1:
        raise UserError(
            f"There are {len(config.classes)} numbers of classes for the {tasks - 1} tasks after {config.tasks[0]}.",
            "Give one for every task but the first, e.g. classes=(2,).",
        )
    if config.weights and len(config.weights) != tasks:
        raise UserError(f"There are {len(config.weights)} weights for {tasks} tasks.", "Give one per task.")
    if config.reduction not in ("mean", "sum"):
        raise UserError(f"multi-task has no reduction {config.reduction!r}.", "Known: mean, sum.")
