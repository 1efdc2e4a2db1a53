"""Files of a Hugging Face folder or hub id, read without running or following anything that they name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voxboard.errors import UserError, printable
from voxboard.files import read_json_object

INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
ADAPTERS = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
LAYERS, LARGEST = 1_000, 1_000_000  # more than any network of these families has of layers, and of anything
# Of a config.json: how transformers computes, and code or files to fetch. None of it belongs to the network.
ASIDE = frozenset(
    {
        *("auto_map", "use_kernels", "transformers_weights", "experts_implementation"),
        *("attn_implementation", "_attn_implementation", "_attn_implementation_internal"),
    }
)


def content(where: str, name: str, options: Mapping[str, Any]) -> dict[str, Any] | None:
    """The object in a JSON file of a local folder or a hub id; None where there is no such file.

    `options` tell transformers about the hub. Raises `UserError` for a file that holds no object, and OSError for a
    hub that cannot be reached.
    """
    path = located(where, name, options)
    return None if path is None else read_json_object(path)


def located(where: str, name: str, options: Mapping[str, Any]) -> Path | None:
    """The path of a file of a local folder or a hub id. Raises the same."""
    if Path(where).is_dir():
        path = Path(where) / name
        if path.exists() and not path.is_file():
            raise UserError(f"{printable(str(path))} is no regular file.", "Put a file in its place.")
        return path if path.is_file() else None
    from transformers.utils.hub import cached_file

    local = cached_file(where, name, _raise_exceptions_for_missing_entries=False, **options)
    return None if local is None else Path(local)


def refuse_code(shape: Mapping[str, Any], where: str) -> None:
    """Raise `UserError` where a config.json wants code of its own, or kernels of the hub, to be run."""
    kernels = [shape.get(key) for key in ("attn_implementation", "_attn_implementation")]
    if "auto_map" in shape or any("/" in str(kernel) for kernel in kernels if kernel):
        raise UserError(
            f"{where} wants code of its own to be run (auto_map or attn_implementation in config.json).",
            "voxboard runs no code of a model's folder: take one of a family that transformers has.",
        )


def refuse_giants(shape: Mapping[str, Any], where: str) -> None:
    """Raise `UserError` for sizes in a config.json that no such network has: building it would take all memory."""
    for key, value in shape.items():
        most = LAYERS if "layers" in key else LARGEST
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, int | float) and abs(number) > most:
                raise UserError(
                    f"The config.json of {where} describes no network: {printable(key)} is {number:g}.",
                    "Fetch it again.",
                )


def refuse_adapters(where: str, options: Mapping[str, Any]) -> None:
    """Raise `UserError` for a folder or hub id with an adapter (LoRA), which would be left out unsaid."""
    for name in ADAPTERS:
        try:
            present = located(where, name, options) is not None
        except OSError:  # not in the cache, and no network
            return
        if present:
            raise UserError(
                f"{where} has an adapter (LoRA, {name}), which voxboard does not apply.",
                "Merge it into the model first (peft: merge_and_unload, save_pretrained) or move it away.",
            )


def refuse_elsewhere(where: str) -> None:
    """Raise `UserError` for an index of a local folder that names weights outside of it."""
    for name in INDEXES:
        index = content(where, name, {}) if Path(where).is_dir() else None
        shards = index.get("weight_map") if index else None
        if index is not None and not isinstance(shards, dict):
            raise UserError(f"{where}/{name} has no weight_map.", "Fetch it again.")
        for shard in set(map(str, (shards or {}).values())):
            if Path(shard).name != shard:
                raise UserError(f"{where}/{name} names weights elsewhere: {printable(shard)}.", "Fetch it again.")
