"""Made-up wheels in a folder that pip looks into, and entries of the catalogue that ask for them."""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from voxboard.published.entry import File, Published, Wheel

PURE = "py3-none-any"
MEMBER = "tiny_voice/models/net.pt"


def saved(content: Any) -> bytes:
    """What `torch.save` writes."""
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def wheel(folder: Path, files: Mapping[str, bytes], name: str = "tiny_voice-1.0", tags: str = PURE) -> Path:
    """Write a wheel of these files. A file whose name ends with @ is a link to what it holds."""
    path = folder / f"{name}-{tags}.whl"
    about = f"{name}.dist-info"
    project, version = name.split("-")
    described = {
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n".encode(),
        f"{about}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tags}\n".encode(),
        f"{about}/RECORD": b"",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for inside, content in {**files, **described}.items():
            info = zipfile.ZipInfo(inside.removesuffix("@"))
            if inside.endswith("@"):
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, content)
    return path


def file_of(content: bytes, path: str = MEMBER) -> File:
    """A file as the catalogue names it."""
    return File(path, len(content), hashlib.sha256(content).hexdigest())


def entry_of(*files: File, name: str = "tiny", **more: Any) -> Published:
    """Weights that lie in version 1.0 of the wheel `tiny-voice`."""
    return Published(name, "a made-up network", "MIT", Wheel("tiny-voice", "1.0", 2_000, files), **more)
