"""Zipformer checkpoints of icefall and Auden: config.json for the sizes, weights by their published names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from voxboard.errors import UserError, printable
from voxboard.files import read_json_object
from voxboard.reference_weights import load_reference, read_weights

if TYPE_CHECKING:
    from voxboard.backbones.zipformer_encoder import ZipformerConfig

WEIGHTS = ("pretrained.safetensors", "model.safetensors", "pretrained.pt", "model.pt")
C = TypeVar("C", bound="ZipformerConfig")
OUTER = ("audio_encoder", "speech_encoder", "encoder")  # what larger models call the encoder inside them
OURS = {"checkpoint", "stacks", "reference", "schedules"}  # options that a config.json cannot set
STREAMING = {"chunk_size", "left_context_frames"}  # options that may differ from the checkpoint's
AGAIN = "Fetch it again."
MOST, LARGEST = 64, 100_000  # stacks, and any of their sizes
TRAINED = 100_000.0  # batches, where a checkpoint does not say


def described(config: C) -> C:
    """The options with the sizes of the checkpoint's config.json; unchanged where there is none.

    Raises `UserError` for a path that is not there, or a model that is no Zipformer.
    """
    path = located(config.checkpoint)
    file = (path if path.is_dir() else path.parent) / "config.json"
    if not file.is_file():
        return config
    content = read_json_object(file)
    content = next((content[f"{name}_config"] for name in OUTER if content.get(f"{name}_config")), content)
    if not isinstance(content, dict):
        raise UserError(f"{file} describes its encoder by a {type(content).__name__}, not by an object.", AGAIN)
    if content.get("model_type", "zipformer") != "zipformer":
        raise UserError(
            f"{file} describes a {printable(str(content['model_type']))} model.", "It needs to be a zipformer."
        )
    chosen = {name for name in STREAMING if getattr(config, name)}
    given = {key: value for key, value in sizes(config, content, file).items() if key not in chosen}
    return replace(config, **given)


def sizes(config: ZipformerConfig, content: Mapping[str, Any], file: Path = Path("config.json")) -> dict[str, Any]:
    """The entries of a config.json that are options here; the others belong to training.

    Raises `UserError` for one of the wrong type.
    """
    usual = {field.name: field.default for field in fields(config) if field.name not in OURS}
    given = {key: value for key, value in content.items() if key in usual}
    for key, value in given.items():
        if not _fits(value, usual[key]):
            raise UserError(f"{key} in {file} is {printable(repr(value))[:60]}, which is no such size.", AGAIN)
    return given


def _fits(value: Any, usual: Any) -> bool:
    """True if a value has the type of the usual one: a switch, a whole number, or a list of those."""
    if isinstance(usual, tuple):
        return isinstance(value, list) and len(value) <= MOST and all(_fits(item, 0) for item in value)
    if isinstance(usual, bool):
        return isinstance(value, bool)
    return type(value) is int and -1 <= value <= LARGEST


def load(backbone: nn.Module, checkpoint: str) -> None:
    """Load the encoder's weights, strictly; a decoder's, a joiner's or a classifier's are left alone."""
    file = weights_file(located(checkpoint))
    weights = {key.removeprefix("module."): value for key, value in read_weights(file).items()}
    inside = next((f"{name}." for name in OUTER if f"{name}.encoder_embed.out.weight" in weights), "")
    mine = tuple(inside + name for name in ("encoder_embed.", "encoder.", "model_batch_count"))
    state = {key.removeprefix(inside): value for key, value in weights.items() if key.startswith(mine)}
    state.setdefault("model_batch_count", torch.tensor(TRAINED))
    load_reference("zipformer", state, backbone=backbone)


def located(checkpoint: str) -> Path:
    """The folder or file. Raises `UserError` where there is neither."""
    path = Path(checkpoint).expanduser()
    if not path.exists():
        raise UserError(f"There is no folder or file {checkpoint}.", "Pass a folder with config.json and weights.")
    return path


def weights_file(path: Path) -> Path:
    """The file itself, or the first of the published names in a folder."""
    if path.is_file():
        return path
    weights = next((path / name for name in WEIGHTS if (path / name).is_file()), None)
    if weights is None:
        raise UserError(f"The folder {path} has no weights.", f"They are looked for as {', '.join(WEIGHTS)}.")
    return weights
