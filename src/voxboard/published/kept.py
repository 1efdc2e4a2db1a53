"""Published weights that lie on this machine: a folder each below the cache, whole or not there.

The folder has `model.safetensors`, what else the network needs, and `source.json`, which is written last: where they
come from, and the digests of the files as published and as kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxboard import storage
from voxboard.errors import UserError
from voxboard.files import read_json_object, write_atomically
from voxboard.published.catalogue import CATALOGUE, entry
from voxboard.published.entry import Hub, Published

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1  # of the folder; another number finds none of the old ones
WEIGHTS, SOURCE = "model.safetensors", "source.json"


def home() -> Path:
    """Folder of published weights, but for those of the hub, which has a cache of its own."""
    return storage.cache() / "weights"


def folder(published: Published) -> Path:
    """Folder of the weights of an entry, there or not; those of the hub where its client has put them."""
    if isinstance(published.source, Hub):
        return _in_hub(published.source) or Path(published.source.id)
    return home() / published.name


def is_here(name: str) -> bool:
    """Return whether published weights lie on this machine, as the catalogue knows them today."""
    one = entry(name)
    if isinstance(one.source, Hub):
        return _in_hub(one.source) is not None
    place = folder(one)
    if not (place / SOURCE).is_file() or not (place / WEIGHTS).is_file():
        return False
    try:
        content = read_json_object(place / SOURCE)
    except UserError:
        return False
    return content.get("published") == _published(one)["published"]


def path(name: str) -> Path:
    """Return the folder of published weights. Raises `UserError` where they are not here, with what brings them."""
    if not is_here(name):
        raise UserError(f"The published weights of {name} are not on this machine.", f"Run: {entry(name).command}")
    return folder(entry(name))


def of_folder(place: str | Path) -> Published | None:
    """Return what is known of a folder that published weights were put into; None for any other."""
    for one in CATALOGUE.values():
        if not isinstance(one.source, Hub) and Path(place).expanduser() == folder(one):
            return one if is_here(one.name) else None
    return None


def weights(name: str) -> dict[str, Tensor]:
    """Return published weights by their authors' names. Raises `UserError` where they are not here, or are damaged."""
    from voxboard.reference_weights import read_weights

    place, one = path(name), entry(name)
    if isinstance(one.source, Hub):
        return read_weights(place / one.source.weights)
    file = place / WEIGHTS
    digests = read_json_object(place / SOURCE).get("kept")
    if not isinstance(digests, dict) or digests.get(WEIGHTS) != _sha256(file):
        raise UserError(f"{file} is damaged.", f"Delete the folder and run: {one.command}")
    return read_weights(file)


def keep(published: Published, files: Mapping[str, bytes]) -> Path:
    """Write the files of an entry, and return their folder; `source.json` comes last, so it stands for all of them."""
    place = folder(published)
    content = {
        **_published(published),
        "kept": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())},
        "licence": published.licence,
        "original": published.original,
        "seen": list(published.seen),
    }
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_atomically({**{place / name: data for name, data in files.items()}, place / SOURCE: text.encode()})
    return place


def _published(published: Published) -> dict[str, Any]:
    digests = {file.path: file.sha256 for file in published.source.files}
    return {"published": {"format": FORMAT, "where": published.source.where, "files": digests}}


def _in_hub(source: Hub) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    for name in dict.fromkeys((source.weights, "pytorch_model.bin")):
        local = try_to_load_from_cache(source.id, name)
        if isinstance(local, str):
            return Path(local).parent
    return None


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
