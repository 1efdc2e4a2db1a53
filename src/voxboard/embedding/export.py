"""Embeds all utterances of a folder or corpus into a store: block by block, and only what is not there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from voxboard.data import audio
from voxboard.data.corpus import speaker_of
from voxboard.embedding import export_file, export_folder
from voxboard.embedding.embed import embed
from voxboard.embedding.export_file import EmbeddingStore, Rows, Stamp
from voxboard.embedding.export_folder import safe
from voxboard.errors import BadAudio, UserError
from voxboard.model import Network
from voxboard.progress import bar
from voxboard.version import __version__

if TYPE_CHECKING:
    from lhotse.cut import Cut

BLOCK = 512  # utterances that are embedded before they are written
QUIET = 0.001  # of a squared sample: what the reference trims at both ends
SAME = ("spec", "digest", "sample_rate", "trim", "max_seconds")  # what makes two embeddings comparable


class EmbeddingWriter(Protocol):
    """Writer of embeddings."""

    @property
    def metadata(self) -> Mapping[str, Any] | None: ...
    def known(self) -> dict[str, tuple[Stamp, Rows]]: ...
    def begin(self, places: Mapping[str, PurePosixPath], speakers: Mapping[str, str], earlier: Mapping[str, Stamp],
              metadata: Mapping[str, Any]) -> None: ...  # fmt: skip
    def add(self, block: EmbeddingStore) -> None: ...
    def finish(self, stored: EmbeddingStore) -> Path: ...


@dataclass(frozen=True)
class ExportSettings:
    """Settings of an export."""

    trim: bool = False
    renormalise: bool = False
    max_seconds: float = 120.0
    skip_bad_audio: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class Made:
    """Result of an export: path, numbers of new and older embeddings, and unreadable audio."""

    stored: EmbeddingStore
    path: Path
    kept: int
    skipped: tuple[str, ...]


def make(
    network: Network,
    system: Mapping[str, Any],
    cuts: Sequence[Cut],
    root: Path,
    writer: EmbeddingWriter,
    how: ExportSettings,
) -> Made:
    """Embed the cuts whose audio lies below `root`; `system` says in the metadata which network it is.

    An utterance is kept where the store has it from the same model and from audio of the same size and time of change.
    Raises `UserError` where the store is of another model, unless `how.overwrite`.
    """
    cuts = sorted(cuts, key=lambda cut: cut.id)
    metadata = _metadata(network, system, cuts, how)
    earlier = _known(writer, metadata, how)
    stamps = {cut.id: _stamp(cut) for cut in cuts}
    rows = {name: row for name, (stamp, row) in earlier.items() if stamps.get(name) == stamp}
    speakers = {cut.id: speaker_of(cut) for cut in cuts}
    before = len(rows)
    writer.begin(
        {cut.id: place_of(cut, root) for cut in cuts}, speakers, {name: stamps[name] for name in rows}, metadata
    )

    def stored(ids: Sequence[str]) -> EmbeddingStore:
        return EmbeddingStore(
            tuple(ids),
            tuple(speakers[name] for name in ids),
            np.stack([rows[name] for name in ids]),
            metadata,
            tuple(stamps[name] for name in ids),
        )

    skipped: list[str] = []
    missing = [cut for cut in cuts if cut.id not in rows]
    with bar("embedding", len(cuts), unit="utterances") as advance:
        advance(before)
        for start in range(0, len(missing), BLOCK):
            block = missing[start : start + BLOCK]
            embeddings = _embed(network, block, how)
            rows.update(embeddings)
            skipped += [cut.id for cut in block if cut.id not in embeddings]
            if embeddings:
                writer.add(stored([cut.id for cut in block if cut.id in embeddings]))
            advance(len(block))
    if not rows:
        raise UserError("No utterance could be embedded.", "Check the audio.")
    everything = stored([cut.id for cut in cuts if cut.id in rows])
    return Made(everything, writer.finish(everything), before, tuple(skipped))


def load(path: str | Path) -> EmbeddingStore:
    """Read a file or folder that `voxboard embed` wrote. Raises `UserError` for what is no such thing."""
    return export_folder.load(Path(path)) if Path(path).is_dir() else export_file.load(path)


def place_of(cut: Cut, root: Path) -> PurePosixPath:
    """Path of an utterance's audio below `root`, without suffix; its id stands for a part of a recording."""
    source = Path(cut.recording.sources[0].source)
    whole = cut.start == 0 and cut.num_samples == cut.recording.num_samples
    folder = source.parent.relative_to(root) if source.is_relative_to(root) else Path(safe(speaker_of(cut)))
    return PurePosixPath(folder.as_posix()) / (source.stem if whole else safe(cut.id))


def trimmed(cut: Cut) -> Cut:
    """A cut without the samples at both ends whose squares are at most 0.001; the whole one where all of them are."""
    rate = int(cut.sampling_rate)
    loud = np.flatnonzero(np.square(audio.load(cut, rate)) > QUIET)
    if loud.size == 0 or loud[-1] - loud[0] + 1 == cut.num_samples:
        return cut
    return cut.truncate(offset=loud[0] / rate, duration=(loud[-1] - loud[0] + 1) / rate, preserve_id=True)


def _metadata(network: Network, system: Mapping[str, Any], cuts: Sequence[Cut], how: ExportSettings) -> dict[str, Any]:
    genders = {speaker_of(cut): cut.supervisions[0].gender for cut in cuts}
    return {
        "voxboard": __version__,
        **system,
        "digest": network.encoder.fingerprint(),
        "sample_rate": network.encoder.backbone.spec.sample_rate,
        "size": network.encoder.pooler.embedding_size,
        "trim": how.trim,
        "max_seconds": how.max_seconds,
        "average": "unit" if how.renormalise else "mean",
        "genders": {speaker: gender for speaker, gender in sorted(genders.items()) if gender},
    }


def _known(writer: EmbeddingWriter, metadata: Mapping[str, Any], how: ExportSettings) -> dict[str, tuple[Stamp, Rows]]:
    there = writer.metadata
    differs = [key for key in SAME if there is not None and there.get(key) != metadata[key]]
    if not differs:
        return writer.known() if there is not None else {}
    if how.overwrite:
        return {}
    assert there is not None
    was, now = (str(about.get(differs[0]))[:40] for about in (there, metadata))
    raise UserError(
        f"The embeddings that are there were made with another {differs[0]} ({was}, not {now}).",
        "Name another --out or --name, or pass --overwrite.",
    )


def _stamp(cut: Cut) -> Stamp:
    path = Path(cut.recording.sources[0].source)
    try:
        status = path.stat()
    except OSError:
        return (0, 0)  # reading it says what is wrong
    return (status.st_size, status.st_mtime_ns)


def _embed(network: Network, cuts: Sequence[Cut], how: ExportSettings) -> dict[str, Rows]:
    """Rows by utterance; without those that cannot be read, where they may be skipped."""
    usable = [cut for given in cuts if (cut := _usable(given, how)) is not None]
    if not usable:
        return {}
    embeddings = embed(
        network.encoder,
        usable,
        heads=network.score_heads,
        max_seconds=how.max_seconds,
        show_progress=False,
    )
    return dict(zip(embeddings.ids, embeddings.matrix, strict=True))


def _usable(cut: Cut, how: ExportSettings) -> Cut | None:
    """The cut that is embedded; None where its audio cannot be read and may be skipped."""
    if not (how.trim or how.skip_bad_audio):
        return cut  # it is read only once
    try:
        if how.trim:
            return trimmed(cut)
        audio.load(cut, int(cut.sampling_rate))
    except BadAudio:
        if not how.skip_bad_audio:
            raise
        return None
    return cut
