"""Auden's multi-task voice model, a folder with `config.json`, weights and `id2label_*.json`, as a network.

The layout is that of AudenAI/Auden, examples/voice (Apache-2.0).
"""

from __future__ import annotations

from pathlib import Path

from voxboard import backbones, heads, poolers
from voxboard.backbones import zipformer_checkpoints as checkpoints
from voxboard.data.labels import Classes
from voxboard.data.targets import AUDEN, ClassTarget, Targets, read_map
from voxboard.errors import UserError
from voxboard.model import EncoderModule, Network
from voxboard.reference_weights import load_reference, read_weights

TASKS = {"speaker": 1.0, "emotion": 2.5, "gender": 3.0, "age_group": 3.0}  # and their weights in the loss


def open_voice(path: str | Path) -> Network:
    """Folder, or one weights file in it → encoder (the masked mean of the frames), head and classes, in eval mode.

    The head's mean of frame logits is its linear map of the mean frame, so embeddings and head share one pass. Frames
    do not depend on batch mates, whereas the reference's do. Raises `UserError` for what is missing or does not fit.
    """
    place = checkpoints.located(str(path))
    folder = place if place.is_dir() else place.parent
    targets = Targets({task: target for task in TASKS if (target := _target(folder, task)) is not None})
    if len(targets.targets) < 2:
        raise UserError(
            f"{folder} is no voice model of Auden's: it has {len(targets.targets)} label maps.",
            "It has config.json, weights, and id2label_{id,emotion,gender,age}.json.",
        )
    backbone = backbones.framed("zipformer", checkpoint=str(place))
    weights = read_weights(checkpoints.weights_file(place))
    head = heads.create(
        "multi-task",
        backbone.spec.frames.size,
        targets.sizes,
        tasks=tuple(targets.targets),
        weights=tuple(TASKS[task] for task in targets.targets),
        reduction="sum",
    )
    prefixes = tuple(f"classifier_{AUDEN.get(task, task)}." for task in targets.targets)
    mine = {key: value for key, value in weights.items() if key.removeprefix("module.").startswith(prefixes)}
    load_reference("auden-voice", mine, head=head)
    encoder = EncoderModule(backbone, poolers.create("mean", backbone.spec.frames))
    return Network(encoder.eval(), head.eval(), targets)


def _target(folder: Path, task: str) -> ClassTarget | None:
    """The classes of a task; None where the folder has no map of it."""
    file = folder / f"id2label_{AUDEN.get(task, task)}.json"
    return ClassTarget(task, Classes(read_map(file))) if file.is_file() else None
