"""Averages of a model's weights over the steps of its training, as icefall and Auden take them.

A running average is kept while training and stored with every checkpoint. The average over any stretch between two
checkpoints then follows from the two: (average_E · E - average_S · S) / (E - S).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from voxboard.errors import UserError
from voxboard.training import checkpoint

State = Mapping[str, Tensor]


class RunningAverage:
    """The mean of the weights at every `period`-th step so far, kept in float64 on the CPU; steps count from 1.

    What is not a floating-point number (batch counters) is the latest one.
    """

    def __init__(self, initial: State, period: int = 200) -> None:
        self.period = period
        self._mean = {key: _wide(value) for key, value in initial.items()}

    def update(self, state: State, step: int) -> None:
        """Take in the weights after a step, if it is one of those that count."""
        if step % self.period:
            return
        share = self.period / step
        for key, value in state.items():
            wide = _wide(value)
            self._mean[key] = self._mean[key] * (1 - share) + wide * share if wide.is_floating_point() else wide

    def exact(self) -> dict[str, Tensor]:
        """The average as it is kept, in float64."""
        return dict(self._mean)

    def restore(self, mean: State) -> None:
        """Go on with what `exact` gave."""
        self._mean = dict(mean)

    def state(self) -> dict[str, Tensor]:
        """The average in float32."""
        return {key: value.float() if value.is_floating_point() else value for key, value in self._mean.items()}


def between(end: State, end_step: int, start: State, start_step: int) -> dict[str, Tensor]:
    """The average over the steps after `start_step` up to `end_step`, from the running averages at both.

    Integers come from the end. Raises `UserError` when the steps are not in order or the weights are not the same ones.
    """
    if not 0 <= start_step < end_step:
        raise UserError(f"There is nothing between step {start_step} and step {end_step}.", "Name two checkpoints.")
    if end.keys() != start.keys():
        differing = ", ".join(sorted(end.keys() ^ start.keys())[:5])
        raise UserError(f"The two checkpoints hold different weights ({differing}).", "Name two of the same model.")
    whole = end_step - start_step
    checkpoints = {}
    for key, value in end.items():
        if value.is_floating_point():
            mean = value.double() * (end_step / whole) - start[key].double() * (start_step / whole)
            checkpoints[key] = mean.to(value.dtype)
        else:
            checkpoints[key] = value.clone()
    return checkpoints


def average_until_step(folder: Path, step: int, avg: int) -> dict[str, Tensor]:
    """`checkpoint.iter=step avg=K` of icefall: the average since the K-th checkpoint before the newest up to `step`.

    It takes K + 1 files `checkpoint-<step>.pt`, or `.safetensors` of a run's folder. With `avg` 0 it is what the one of
    `step` has averaged, or its weights where it has no average. Raises `UserError` that says which files are missing.
    """
    _check_count(avg)
    if avg == 0:
        return _average_of(_read(checkpoints(folder).get(step, folder / f"checkpoint-{step}.pt")))
    there = [path for number, path in sorted(checkpoints(folder).items(), reverse=True) if number <= step]
    if len(there) <= avg:
        listed = ", ".join(path.name for path in there) or "none"
        raise UserError(
            f"An average of {avg} up to step {step} takes {avg + 1} files checkpoint-*; {folder} has "
            f"{len(there)} ({listed}), so {avg + 1 - len(there)} older one(s) are missing.",
            f"Ask for an average of at most {len(there) - 1}." if there else "Name the folder of a training run.",
        )
    return _between_files(there[0], there[avg])


def average_until_epoch(folder: Path, epoch: int, avg: int) -> dict[str, Tensor]:
    """`checkpoint.epoch=n avg=K` of icefall: the average over the K epochs up to n, from epoch-n and epoch-(n - K).

    With `avg` 0 it is what `epoch-n.pt` alone has averaged. Raises `UserError` that says which files are missing.
    """
    _check_count(avg)
    if avg == 0:
        return _average_of(_read(folder / f"epoch-{epoch}.pt"))
    if epoch - avg < 1:
        raise UserError(
            f"An average of {avg} epochs up to epoch {epoch} would start at epoch {epoch - avg}, which is not stored.",
            f"Ask for an average of at most {max(epoch - 1, 0)}.",
        )
    return _between_files(folder / f"epoch-{epoch}.pt", folder / f"epoch-{epoch - avg}.pt")


def _between_files(end: Path, start: Path) -> dict[str, Tensor]:
    missing = [path.name for path in (end, start) if not path.is_file()]
    if missing:
        raise UserError(f"{end.parent} lacks {' and '.join(missing)}.", "Fetch them, or ask for another average.")
    contents = [_read(path) for path in (end, start)]
    for path, content in zip((end, start), contents, strict=True):
        if not isinstance(content.get("model_avg"), Mapping) or "batch_idx_train" not in content:
            raise UserError(
                f"{path} has no running average.",
                "Average over 0 checkpoints, name another, or train with --average_period 200.",
            )
    last, first = contents
    return between(last["model_avg"], last["batch_idx_train"], first["model_avg"], first["batch_idx_train"])


def _average_of(content: Mapping[str, Any]) -> dict[str, Tensor]:
    return dict(content.get("model_avg") or content.get("model") or content)


def checkpoints(folder: Path) -> dict[int, Path]:
    """The checkpoints of a folder by their steps."""
    names = {
        path: re.fullmatch(r"checkpoint-(\d+)\.(pt|safetensors)", path.name) for path in folder.glob("checkpoint-*")
    }
    return {int(match.group(1)): path for path, match in names.items() if match}


def _read(path: Path) -> dict[str, Any]:
    """Content of a training checkpoint in icefall's layout; nothing in it is executed."""
    if path.suffix == ".safetensors":
        tensors, meta = checkpoint.load(path)
        average = checkpoint.prefixed(tensors, "average.")
        return {
            "model": checkpoint.without(tensors, "average."),
            "model_avg": average or None,
            "batch_idx_train": int(meta["step"]),
        }
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"{path.parent} lacks {path.name}.", "Fetch it, or name another checkpoint.") from error
    except Exception as error:  # whatever damaged bytes make torch's unpickler stumble over
        raise UserError(f"{path} cannot be read as a checkpoint.", "Fetch it again.") from error
    if not isinstance(content, Mapping):
        raise UserError(f"{path} holds no mapping of names to tensors.", "Name a training checkpoint.")
    return dict(content)


def _check_count(avg: int) -> None:
    if avg < 0:
        raise UserError(f"An average of {avg} checkpoints is asked for.", "Give 0 or a number above it.")


def _wide(value: Tensor) -> Tensor:
    copy = value.detach().cpu()
    return copy.double() if copy.is_floating_point() else copy.clone()
