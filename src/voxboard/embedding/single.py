"""A store in one file that is written block by block, so that an interrupted run goes on where it was."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from voxboard.embedding.export_file import Rows, Stamp, Stored, check_format, load, save
from voxboard.errors import UserError


class Single:
    """One `.safetensors` or `.parquet` file; its blocks lie in `.<name>.parts/` until it is whole."""

    def __init__(self, path: Path, overwrite: bool) -> None:
        check_format(path)
        self.path = path
        self.parts = path.with_name(f".{path.name}.parts")
        self.old = None
        try:
            self.old = load(path) if path.is_file() else None
        except UserError:
            if not overwrite:
                raise
        self.metadata_of_parts: Mapping[str, Any] | None = None
        self.done = self._blocks()

    @property
    def metadata(self) -> Mapping[str, Any] | None:
        """Of what is there; None where nothing is."""
        return self.old.metadata if self.old else self.metadata_of_parts

    def known(self) -> dict[str, tuple[Stamp, Rows]]:
        """What is there, by utterance."""
        found: dict[str, tuple[Stamp, Rows]] = {}
        for stored in [*([self.old] if self.old else []), *self.done]:
            found |= dict(zip(stored.ids, zip(stored.stamps, stored.matrix, strict=True), strict=True))
        return found

    def begin(self, places: Mapping[str, PurePosixPath], speakers: Mapping[str, str], kept: Mapping[str, Stamp],
              metadata: Mapping[str, Any]) -> None:  # fmt: skip
        """Forgets blocks of which nothing is kept."""
        if not kept:
            shutil.rmtree(self.parts, ignore_errors=True)

    def add(self, block: Stored) -> None:
        """Keeps some utterances' embeddings until the file is written."""
        number = 1 + max((int(path.stem) for path in self.parts.glob("*.safetensors")), default=0)
        save(self.parts / f"{number:06d}.safetensors", block)

    def finish(self, stored: Stored) -> Path:
        """Writes the file."""
        save(self.path, stored)
        shutil.rmtree(self.parts, ignore_errors=True)
        return self.path

    def _blocks(self) -> list[Stored]:
        """The blocks of an interrupted run, of one model; those of another are of no use."""
        found: list[Stored] = []
        for path in sorted(self.parts.glob("*.safetensors")):
            try:
                found.append(load(path))
            except UserError:  # damaged: it is made again
                path.unlink()
        if found:
            self.metadata_of_parts = found[-1].metadata
        return found
