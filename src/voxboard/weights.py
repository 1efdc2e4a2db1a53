"""Weights of networks: where published ones are, in a folder or on the Hugging Face hub, and what tells them apart."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse

from voxboard.errors import UserError

if TYPE_CHECKING:
    from torch import nn


def folder(cfg: str) -> str:
    """A hub id as it is, a path with its home folder written out."""
    return str(Path(cfg).expanduser()) if cfg.startswith("~") else cfg


def hub() -> dict[str, bool]:
    """Options of transformers for the hub: without a name server, look into the cache and do not retry."""
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return {}  # the proxy resolves names
    host = urlparse(os.environ.get("HF_ENDPOINT", "https://huggingface.co")).hostname
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        return {"local_files_only": True}
    return {}


def unreachable(cfg: str, what: str) -> UserError:
    """The error for a folder that is not there, or a hub that cannot be reached."""
    if Path(folder(cfg)).is_dir():
        return UserError(f"The folder {cfg} has no usable {what}.", "It needs config.json and model.safetensors.")
    if cfg.startswith(("/", ".", "~")):
        return UserError(f"There is no folder {cfg}.", "Pass a hub id or a folder with config.json.")
    return UserError(
        f"Cannot fetch the {what} of {cfg}: no network, or no such model on the hub.",
        "Pass a local folder instead: --backbone_cfg /path/to/folder (or hf:/path/to/folder).",
    )


def weights_digest(module: nn.Module, extra: str = "") -> str:
    """Return the sha256 of a module's state: names, dtypes, shapes and bytes, in name order."""
    import torch

    digest = hashlib.sha256(extra.encode())
    for name, tensor in sorted(module.state_dict().items()):
        value = tensor.detach().cpu().contiguous()
        digest.update(f"{name}:{value.dtype}:{tuple(value.shape)}".encode())
        digest.update(value.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
