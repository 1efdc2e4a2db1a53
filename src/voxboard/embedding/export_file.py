"""Embeddings of many utterances in one file, with what they were made of: safetensors, or Parquet.

    stored = load("vctk.safetensors")
    stored.ids, stored.speakers, stored.matrix, stored.metadata["digest"]

Reading one never executes code. A file is written block by block, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxboard.errors import UserError
from voxboard.files import write_atomically
from voxboard.scoring.rows import unit

KEY = "voxboard"
SUFFIXES = (".safetensors", ".parquet")
LARGEST_HEADER = 90_000_000  # bytes; safetensors refuses to open more than 100 MB
Stamp = tuple[int, int]  # size in bytes and time of change in ns of an audio file

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class EmbeddingStore:
    """Embeddings as they are kept: `matrix` [U, D] float32, rows of unit length; `ids` and `speakers` name its rows.

    `metadata` is JSON: voxboard's version, system, spec and digest of the model, sample rate, how speakers are averaged
    (`average`), gender of the speakers where it is known. `stamps` tells an audio file that has changed.
    """

    ids: tuple[str, ...]
    speakers: tuple[str, ...]
    matrix: Rows
    metadata: Mapping[str, Any]
    stamps: tuple[Stamp, ...]

    def averages(self) -> tuple[tuple[str, ...], Rows]:
        """The speakers, sorted, and a row for each [S, D], averaged as the metadata says."""
        return averages(self.matrix, self.speakers, self.metadata.get("average") == "unit")


def averages(matrix: Rows, speakers: Sequence[str], renormalized: bool = False) -> tuple[tuple[str, ...], Rows]:
    """Rows [U, D] and whose they are → the speakers, sorted, and the plain mean of each one's rows [S, D] float32.

    The mean of unit vectors is shorter than 1, the more so the more they differ; `renormalised` scales it back, which
    changes no cosine.
    """
    names, places = np.unique(np.array(speakers, dtype=object), return_inverse=True)
    total = np.zeros((len(names), matrix.shape[1]))
    np.add.at(total, places, matrix)
    means = total / np.bincount(places)[:, None]
    return tuple(map(str, names)), np.asarray(unit(means) if renormalized else means, dtype=np.float32)


def save(path: Path, stored: EmbeddingStore) -> None:
    """Write embeddings to one file by its suffix, whole or not at all. Raises `UserError` for another suffix."""
    writers = {".safetensors": _safetensors, ".parquet": _parquet}
    write_atomically({path: writers[_suffix(path)](stored)})


def load(path: str | Path) -> EmbeddingStore:
    """Read a `.safetensors` or `.parquet` file. Raises `UserError` for what is no such thing."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There are no embeddings at {path}.", "Run: voxboard embed DATA --system MODEL")
    readers = {".safetensors": _read_safetensors, ".parquet": _read_parquet}
    reader = readers[_suffix(path)]
    try:
        return reader(path)
    except UserError:
        raise
    except Exception as error:  # both formats have their own errors for a damaged file
        raise UserError(f"{path} holds no embeddings that voxboard wrote ({error}).", "Name another file.") from error


def check_format(path: Path) -> None:
    """Raise `UserError` where a store cannot be written under this name, before anything is computed."""
    if _suffix(path) == ".parquet":
        _pyarrow()


def _suffix(path: Path) -> str:
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path} is neither {' nor '.join(SUFFIXES)}.", "Name it with one of these suffixes.")
    return path.suffix


def _safetensors(stored: EmbeddingStore) -> bytes:
    from safetensors.numpy import save as serialise

    names, means = stored.averages()
    header = {**stored.metadata, "ids": stored.ids, "speakers": names}
    text = json.dumps(header, ensure_ascii=False)
    if len(text.encode()) > LARGEST_HEADER:
        raise UserError(f"{len(stored.ids):,} ids are too many for a safetensors header.", "Use --format parquet.")
    places = {name: place for place, name in enumerate(names)}
    tensors: dict[str, NDArray[Any]] = {
        "embeddings": np.ascontiguousarray(stored.matrix),
        "averages": means,
        "speaker": np.array([places[speaker] for speaker in stored.speakers], dtype=np.int64),
        "audio": np.array(stored.stamps, dtype=np.int64).reshape(-1, 2),
    }
    return serialise(tensors, metadata={KEY: text})  # one key: several would be written in any order


def _read_safetensors(path: Path) -> EmbeddingStore:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        header = json.loads((file.metadata() or {})[KEY])
        matrix, speaker, audio = (file.get_tensor(name) for name in ("embeddings", "speaker", "audio"))
    ids, names = header.pop("ids"), header.pop("speakers")
    return EmbeddingStore(tuple(ids), tuple(names[place] for place in speaker), matrix, header, _stamps(audio.tolist()))


def _parquet(stored: EmbeddingStore) -> bytes:
    pa = _pyarrow()
    import pyarrow.parquet

    names, means = stored.averages()
    count, genders = len(stored.ids), stored.metadata.get("genders", {})
    speakers, nothing = [*stored.speakers, *names], [None] * len(names)
    rows = np.concatenate([stored.matrix, means])
    columns = {
        "kind": pa.array(["utterance"] * count + ["speaker"] * len(names)),
        "id": pa.array([*stored.ids, *nothing], pa.string()),
        "speaker": pa.array(speakers, pa.string()),
        "gender": pa.array([genders.get(speaker) for speaker in speakers], pa.string()),
        "audio_bytes": pa.array([*(size for size, _ in stored.stamps), *nothing], pa.int64()),
        "audio_changed_ns": pa.array([*(changed for _, changed in stored.stamps), *nothing], pa.int64()),
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel(), pa.float32()), rows.shape[1]),
    }
    text = json.dumps(stored.metadata, ensure_ascii=False)
    table = pa.table(columns).replace_schema_metadata({KEY: text})
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file)
    return file.getvalue()


def _read_parquet(path: Path) -> EmbeddingStore:
    pa = _pyarrow()
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        table = file.read()
    metadata = json.loads(table.schema.metadata[KEY.encode()])
    table = table.filter(pa.compute.equal(table["kind"], "utterance")).combine_chunks()
    rows = table["embedding"].combine_chunks()
    matrix = rows.flatten().to_numpy(zero_copy_only=False).reshape(len(rows), -1)
    stamps = zip(table["audio_bytes"].to_pylist(), table["audio_changed_ns"].to_pylist(), strict=True)
    ids, speakers = table["id"].to_pylist(), table["speaker"].to_pylist()
    return EmbeddingStore(tuple(ids), tuple(speakers), matrix, metadata, _stamps(stamps))


def _stamps(pairs: Any) -> tuple[Stamp, ...]:
    return tuple((int(size), int(changed)) for size, changed in pairs)


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.compute
    except ImportError as error:
        raise UserError(
            "Parquet needs pyarrow, which is not installed.",
            "Run: pip install 'voxboard[parquet]', or use --format safetensors.",
        ) from error
    return pyarrow


class FileWriter:
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
        """Rows that are there, by utterance."""
        rows: dict[str, tuple[Stamp, Rows]] = {}
        for stored in [*([self.old] if self.old else []), *self.done]:
            rows |= dict(zip(stored.ids, zip(stored.stamps, stored.matrix, strict=True), strict=True))
        return rows

    def begin(self, places: Mapping[str, PurePosixPath], speakers: Mapping[str, str], earlier: Mapping[str, Stamp],
              metadata: Mapping[str, Any]) -> None:  # fmt: skip
        """Forget blocks of which nothing is kept."""
        if not earlier:
            shutil.rmtree(self.parts, ignore_errors=True)

    def add(self, block: EmbeddingStore) -> None:
        """Keep some utterances' embeddings until the file is written."""
        number = 1 + max((int(path.stem) for path in self.parts.glob("*.safetensors")), default=0)
        save(self.parts / f"{number:06d}.safetensors", block)

    def finish(self, stored: EmbeddingStore) -> Path:
        """Write the file."""
        save(self.path, stored)
        shutil.rmtree(self.parts, ignore_errors=True)
        return self.path

    def _blocks(self) -> list[EmbeddingStore]:
        """The blocks of an interrupted run, of one model; those of another are of no use."""
        blocks: list[EmbeddingStore] = []
        for path in sorted(self.parts.glob("*.safetensors")):
            try:
                blocks.append(load(path))
            except UserError:  # damaged: it is made again
                path.unlink()
        if blocks:
            self.metadata_of_parts = blocks[-1].metadata
        return blocks
