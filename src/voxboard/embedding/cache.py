"""Embeddings that were computed before: in a folder for evaluations, in memory for networks that share a backbone.

An entry is found by what it depends on (`voxboard.embedding.cache_keys`), so it is never out of date, only unused.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from voxboard import parallel
from voxboard.data.audio import digests
from voxboard.data.audio_file import readable
from voxboard.embedding.cache_entries import EntryStore, Tensors
from voxboard.embedding.embed import FROM_CACHE, Spent, compute, lookups
from voxboard.errors import UserError
from voxboard.files import write_atomically
from voxboard.settings import Evaluation

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard.model import EncoderModule

log = logging.getLogger("voxboard")
SUFFIX = ".safetensors"
CHECKSUM = "checksum"
ABANDONED = 3600  # seconds after which a half-written file has no writer any more


class Memory:
    """Entries in this process, for as long as the object lives: made for one round of evaluations, then dropped."""

    frames = False

    def __init__(self) -> None:
        self._entries: dict[str, Tensors] = {}

    def contents(self, files: set[Path]) -> dict[Path, str]:
        """Sizes and times of change: hashing all audio in every round would cost more than it tells."""
        contents = {}
        for file in files:
            with readable(file):
                status = file.stat()
            contents[file] = f"{file} {status.st_size} {status.st_mtime_ns}"
        return contents

    def read(self, key: str) -> Tensors | None:
        return self._entries.get(key)

    def write(self, key: str, tensors: Tensors, spare: bool = False) -> None:
        self._entries[key] = tensors


class Cache:
    """A folder of entries, a safetensors file each, shared by any number of processes.

    Files appear whole or not at all and tell when they are damaged. Of more than `limit_gb` those that were not used
    for the longest time go. A folder that cannot be written, or a full disk, costs time only.
    """

    def __init__(self, folder: Path, limit_gb: float, frames: bool = False) -> None:
        self.folder, self.limit, self.frames = Path(folder), int(limit_gb * 1e9), frames
        self._opened = time.time() - 1.0  # a file's time comes from a coarser clock
        self._writable = True

    def contents(self, files: set[Path]) -> dict[Path, str]:
        """sha256 of the content, remembered in the folder by size and time of change."""
        return digests(files, self.folder / "digests.json" if self._prepared() else None)

    def read(self, key: str) -> Tensors | None:
        path = self._path(key)
        try:
            tensors = _read(path, key)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except Exception as error:  # safetensors has errors of its own for what is no such file
            log.warning("%s is damaged (%s) and is computed anew.", path, error)
            return None
        with contextlib.suppress(OSError):  # read-only, or gone meanwhile
            os.utime(path)
        return tensors

    def write(self, key: str, tensors: Tensors, spare: bool = False) -> None:
        if not self._prepared():
            return
        from safetensors.torch import save

        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        data = save({**plain, CHECKSUM: torch.tensor(_checksum(key, plain))})
        try:
            if self._room(len(data), spare):
                write_atomically({self._path(key): data})
        except (OSError, UserError) as error:
            self._give_up(error)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{SUFFIX}"

    def _prepared(self) -> bool:
        """True if the folder can be written, as far as is known."""
        if self._writable:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                self._give_up(error)
        return self._writable

    def _give_up(self, error: Exception) -> None:
        self._writable = False
        log.warning("Nothing more is kept in the cache %s: %s", self.folder, error)

    def _room(self, size: int, spare: bool) -> bool:
        """Delete the entries that were not used for the longest time, as far as this one needs it."""
        entries: list[tuple[float, int, str]] = []
        with os.scandir(self.folder) as files:
            for file in files:
                try:
                    status = file.stat()
                except FileNotFoundError:  # another process was faster
                    continue
                if file.name.endswith(SUFFIX):
                    entries.append((status.st_mtime, status.st_size, file.path))
                elif file.name.endswith(".tmp") and status.st_mtime < time.time() - ABANDONED:
                    Path(file.path).unlink(missing_ok=True)
        excess = sum(held for _, held, _ in entries) + size - self.limit
        evictable = sorted(entry for entry in entries if not spare or entry[0] < self._opened)
        if size > self.limit or excess > sum(held for _, held, _ in evictable):
            return False
        for _, held, path in evictable:
            if excess <= 0:
                break
            Path(path).unlink(missing_ok=True)
            excess -= held
        return True


def warm(store: EntryStore, encoders: Sequence[EncoderModule], cuts: Sequence[Cut], **options: Any) -> Spent:
    """Embed for several encoders with one forward of the backbone that they share; `embed` finds it in the store.

    Bit for bit what `embed` gives without a store. `options` are those of `compute`, the same as `embed` will get.
    Raises as `compute`, and `ValueError` when the backbones differ.
    """
    searches = lookups(encoders, cuts, store, options)
    warm = parallel.gathered([lookup.find() is not None for lookup in searches])
    here = [all(each) for each in zip(*warm, strict=True)]  # in the stores of all processes
    wanted = [pair for pair, there in zip(zip(encoders, searches, strict=True), here, strict=True) if not there]
    if not wanted:
        return Spent(batching=FROM_CACHE)
    poolers = [encoder.eval().pooler for encoder, _ in wanted]
    first, lookup = wanted[0]
    frames_of = lookup.frames()

    def batch(waveforms: Tensor, lengths: Tensor) -> list[tuple[Tensor, ...]]:
        frames = frames_of(waveforms, lengths)
        return list(zip(*(pooler(frames).float().cpu() for pooler in poolers), strict=True))

    def stacked(pieces: list[tuple[Tensor, ...]]) -> list[Tensor]:
        return [torch.stack(rows) for rows in zip(*pieces, strict=True)]

    computed = compute(first, cuts, batch, stacked, **options)
    for place, (_, lookup) in enumerate(wanted):
        lookup.keep({name: rows[place] for name, rows in computed.of.items()})
    return replace(computed.spent, cached=frames_of.cached)


def together(
    encoders: Sequence[EncoderModule], cuts: Sequence[Cut], evaluation: Evaluation, show_progress: bool
) -> EntryStore:
    """Compute the embeddings of several encoders on one backbone in one pass, and keep them in memory for `embed`."""
    store = Memory()
    options = {"max_seconds": evaluation.max_seconds, "skip_bad_audio": evaluation.skip_bad_audio}
    warm(store, encoders, cuts, show_progress=show_progress, doing="embedding", **options)
    return store


def _read(path: Path, key: str) -> dict[str, Tensor]:
    """The tensors of an entry. Raises `ValueError`, or what safetensors raises, for one that is not whole."""
    from safetensors.torch import load

    # All at once: safetensors opens a file twice, and another writer may replace it in between.
    tensors = load(path.read_bytes())
    written = tensors.pop(CHECKSUM, None)
    if written is None or int(written) != _checksum(key, tensors):
        raise ValueError("its content is not what was written")
    return tensors


def _checksum(key: str, tensors: Tensors) -> int:
    """CRC-32 of the key and of names, dtypes, shapes and bytes."""
    total = zlib.crc32(key.encode())
    for name, tensor in sorted(tensors.items()):
        total = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), total)
        total = zlib.crc32(tensor.flatten().view(torch.uint8).numpy().data, total)
    return total


@dataclass(frozen=True)
class Shared(Evaluation):
    """The settings of one of several systems whose embeddings were computed together."""

    kept: EntryStore | None = None

    @classmethod
    def of(cls, evaluation: Evaluation, store: EntryStore) -> Shared:
        """The settings of an evaluation that looks into `kept`."""
        return cls(**{f.name: getattr(evaluation, f.name) for f in fields(Evaluation)}, kept=store)


def store_of(evaluation: Evaluation) -> EntryStore | None:
    """Store in which embeddings are looked up before they are computed, if any."""
    if isinstance(evaluation, Shared):
        return evaluation.kept
    if evaluation.cache is None:
        return None
    return Cache(evaluation.cache, evaluation.cache_gb, evaluation.cache_frames)
