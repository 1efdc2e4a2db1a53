"""Checkpoints without pickle: one safetensors file with the numbers, and JSON in its header with the rest.

One file, replaced atomically: a run that is killed while it writes leaves the previous checkpoint whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from voxboard import parallel
from voxboard.errors import UserError
from voxboard.files import replacing, write_text

_META = "voxboard"


def save(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors and JSON-able `meta`; a copy of `meta` goes to `<name>.json` for people to read.

    Of several processes the first writes, and the others wait for it. Raises `UserError` when the disk does not take
    it; the file that was there stays.
    """
    parallel.once(lambda: _save(path, tensors, meta))


def _save(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    contiguous = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    text = json.dumps(meta, indent=2)
    try:
        with replacing(path) as temporary:
            save_file(contiguous, temporary, metadata={_META: text})
    except (SafetensorError, UserError) as error:
        reason = getattr(error, "problem", f"{path} could not be written: {error}.")
        raise UserError(reason, "Make room, then go on with --resume: what was there before is whole.") from error
    write_text(path.with_suffix(".json"), text + "\n")


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save` wrote. Raises `UserError` when the file is not such a checkpoint."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            meta = dict(json.loads((file.metadata() or {})[_META]))  # NaN is a legal error here
            return {key: file.get_tensor(key) for key in file.keys()}, meta  # noqa: SIM118
    except FileNotFoundError as error:
        raise UserError(f"There is no checkpoint {path.name} in {path.parent}.", "Name a run folder.") from error
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not a checkpoint of voxboard.", "Name a run folder.") from error


def pack_optimizer(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimiser's `state_dict` as tensors and JSON."""
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, dict[str, Any]] = {}
    for index, values in state["state"].items():
        for key, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{key}"] = value
            else:
                scalars.setdefault(str(index), {})[key] = value
    return tensors, {"param_groups": state["param_groups"], "scalars": scalars}


def unpack_optimizer(tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> dict[str, Any]:
    """The reverse of `pack_optimizer`."""
    state: dict[int, dict[str, Any]] = {}
    for name, value in tensors.items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = value
    for index, values in meta["scalars"].items():
        state.setdefault(int(index), {}).update(values)
    groups = [{key: tuple(v) if key == "betas" else v for key, v in group.items()} for group in meta["param_groups"]]
    return {"state": state, "param_groups": groups}


def prefixed(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Only the tensors below a prefix, with the prefix taken off."""
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def without(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """All but the tensors below a prefix."""
    return {key: value for key, value in tensors.items() if not key.startswith(prefix)}


def same(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    """True if two states are equal bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
