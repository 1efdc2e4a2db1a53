"""Embeddings as one file per utterance and per speaker, named as the GE2E reference names them, with an index.

    <folders of the audio>/<stem>.<model>_embedding             [1, D] float32
    <folder of the speaker>/<speaker>.<model>_averaged_embedding    [1, D] float32
    <model>_embeddings.json                                     what they were made of

`torch.load(file, weights_only=True)` opens each of them.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from voxboard.data.manifest import inside
from voxboard.embedding.export_file import EmbeddingStore, Rows, Stamp
from voxboard.errors import UserError
from voxboard.files import read_json_object, write_atomically

INDEX = "_embeddings.json"


@dataclass
class Index:
    """`<model>_embeddings.json`: the files that voxboard wrote into a folder, and what they hold.

    A file is entered before it is written, and gets the stamp of its audio once it is whole.
    """

    metadata: dict[str, Any]
    utterances: dict[str, dict[str, Any]] = field(default_factory=dict)  # id → file, speaker, audio (size, time)
    speakers: dict[str, str] = field(default_factory=dict)  # speaker → file
    unlisted: list[str] = field(default_factory=list)  # files of audio that is no longer there

    def files(self) -> set[str]:
        """All files that are voxboard's own."""
        return {entry["file"] for entry in self.utterances.values()} | {*self.speakers.values()} | {*self.unlisted}

    def write(self, path: Path) -> None:
        content = {name: getattr(self, name) for name in ("metadata", "utterances", "speakers", "unlisted")}
        write_atomically({path: f"{json.dumps(content, indent=1, ensure_ascii=False)}\n".encode()})


def read_index(path: Path) -> Index:
    """Raise `UserError` for a file that is no index."""
    try:
        index = Index(**read_json_object(path))
        for name in index.files():
            inside(path.parent, name, "Its index was changed by hand.")
        if not all(_is_stamp(entry["audio"]) for entry in index.utterances.values()):
            raise ValueError("a time of change is none")
        if not all(isinstance(entry["speaker"], str) for entry in index.utterances.values()):
            raise ValueError("a speaker is none")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} is not an index of embeddings ({error}).", "Name another folder.") from error
    return index


def _is_stamp(stamp: object) -> bool:
    whole = isinstance(stamp, list) and len(stamp) == 2 and all(isinstance(value, int) for value in stamp)
    return stamp is None or whole


def utterance_file(place: PurePosixPath, model: str) -> str:
    """`wav48/p225/p225_001` → `wav48/p225/p225_001.<model>_embedding`."""
    return f"{place}.{model}_embedding"


def speaker_file(speaker: str, places: Sequence[PurePosixPath], model: str) -> str:
    """The file of a speaker's mean: in the folder that has the speaker's name, else in one that is made for it."""
    name = safe(speaker)
    above = (folder for place in places for folder in place.parents if folder.name == speaker)
    return f"{next(above, PurePosixPath(name))}/{name}.{model}_averaged_embedding"


def safe(name: str) -> str:
    """A name that is one component of a path."""
    return re.sub(r"[^\w.+-]", "_", name).lstrip(".") or "_"


def tensors(folder: Path, rows: Mapping[str, Rows]) -> None:
    """Write rows [D] to their files as tensors [1, D], whole or not at all."""
    import torch

    contents = {}
    for name, row in rows.items():
        data = io.BytesIO()
        # A copy: torch saves all that a view's memory holds.
        torch.save(torch.from_numpy(np.array(row, dtype=np.float32)[None]), data)
        contents[inside(folder, name)] = data.getvalue()
    if contents:
        write_atomically(contents)


def read_row(path: Path) -> Rows | None:
    """The row [D] of a file; None where it is missing or damaged."""
    import torch

    try:
        row = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch has several errors for a damaged file; the caller makes it again, or says so
        return None
    return np.asarray(row[0].float().numpy()) if isinstance(row, torch.Tensor) and row.ndim == 2 else None


def load(folder: Path) -> EmbeddingStore:
    """All embeddings of a folder's index. Raises `UserError` where it has none or several, or a file is missing."""
    indexes = sorted(folder.glob(f"*{INDEX}"))
    if len(indexes) != 1:
        several = f"{len(indexes)} indices of embeddings" if indexes else f"no index of embeddings (*{INDEX})"
        raise UserError(f"{folder} has {several}.", "Name the folder that voxboard embed wrote, with one model in it.")
    index = read_index(indexes[0])
    rows: list[Rows] = []
    stamps: list[Stamp] = []
    for name, entry in index.utterances.items():
        row = read_row(folder / entry["file"])
        if row is None or entry["audio"] is None:
            raise UserError(f"The embedding of {name} is missing or damaged.", "Run the same voxboard embed again.")
        rows.append(row)
        stamps.append((entry["audio"][0], entry["audio"][1]))
    matrix = np.stack(rows) if rows else np.zeros((0, index.metadata["size"]), dtype=np.float32)
    speakers = tuple(entry["speaker"] for entry in index.utterances.values())
    return EmbeddingStore(tuple(index.utterances), speakers, matrix, index.metadata, tuple(stamps))


class FolderWriter:
    """A folder that embeddings are written into, block by block; what is there already is kept."""

    def __init__(self, folder: Path, model: str, overwrite: bool) -> None:
        self.folder, self.model, self.overwrite = folder, model, overwrite
        self.path = folder / f"{safe(model)}{INDEX}"
        self.old = read_index(self.path) if self.path.is_file() else None
        self.index = Index({})

    @property
    def metadata(self) -> Mapping[str, Any] | None:
        """Of what is there; None where nothing is."""
        return self.old.metadata if self.old else None

    def known(self) -> dict[str, tuple[Stamp, Rows]]:
        """Complete rows that are there, by utterance."""
        entries = self.old.utterances if self.old else {}
        rows = {}
        for name, entry in entries.items():
            row = read_row(inside(self.folder, entry["file"])) if entry["audio"] else None
            if row is not None:
                rows[name] = ((entry["audio"][0], entry["audio"][1]), row)
        return rows

    def begin(self, places: Mapping[str, PurePosixPath], speakers: Mapping[str, str], earlier: Mapping[str, Stamp],
              metadata: Mapping[str, Any]) -> None:  # fmt: skip
        """Enter all files. Raises `UserError` where one of them would replace a file that is not voxboard's."""
        by_speaker: dict[str, list[PurePosixPath]] = {}
        for name, place in places.items():
            by_speaker.setdefault(speakers[name], []).append(place)
            entry = {"file": utterance_file(place, self.model), "speaker": speakers[name], "audio": earlier.get(name)}
            self.index.utterances[name] = entry
        self.index.metadata = dict(metadata)
        self.index.speakers = {name: speaker_file(name, by_speaker[name], self.model) for name in sorted(by_speaker)}
        _check_distinct([e["file"] for e in self.index.utterances.values()] + [*self.index.speakers.values()])
        own = self.old.files() if self.old else set()
        now = self.index.files()
        self.index.unlisted = sorted(own - now)
        foreign = [name for name in sorted(now - own) if inside(self.folder, name).exists()]
        if foreign and not self.overwrite:
            raise UserError(
                f"{self.folder / foreign[0]} is there and was not written by voxboard ({len(foreign)} such files).",
                "Name another --out or --name, or pass --overwrite.",
            )
        self.index.write(self.path)

    def add(self, block: EmbeddingStore) -> None:
        """Write some utterances' files."""
        files = {name: self.index.utterances[name]["file"] for name in block.ids}
        tensors(self.folder, {files[name]: row for name, row in zip(block.ids, block.matrix, strict=True)})
        for name, stamp in zip(block.ids, block.stamps, strict=True):
            self.index.utterances[name]["audio"] = list(stamp)
        self.index.write(self.path)

    def finish(self, stored: EmbeddingStore) -> Path:
        """Write the speakers' files, and drop from the index what could not be embedded."""
        names, means = stored.averages()
        tensors(self.folder, {self.index.speakers[name]: row for name, row in zip(names, means, strict=True)})
        there = set(stored.ids)
        self.index.utterances = {name: entry for name, entry in self.index.utterances.items() if name in there}
        self.index.speakers = {name: self.index.speakers[name] for name in names}
        self.index.metadata = dict(stored.metadata)
        self.index.write(self.path)
        return self.path


def _check_distinct(files: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in files:
        if name in seen:
            raise UserError(f"Two embeddings would be written to {name}.", "Use --format safetensors.")
        seen.add(name)
