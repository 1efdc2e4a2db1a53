"""Embedding a set of utterances, each of which goes through the network exactly once."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from voxboard import parallel, progress
from voxboard.data import audio
from voxboard.embedding import cache_keys
from voxboard.embedding.cache_entries import EntryStore, Lookup
from voxboard.errors import BadAudio, Diverged, UserError
from voxboard.model import EncoderModule, normalize

if TYPE_CHECKING:
    from lhotse.cut import Cut

Piece = TypeVar("Piece")
Made = TypeVar("Made")

# Measured (make bench): on a CPU short buckets gain little with large networks and up to threefold with small ones;
# a GPU wants long ones.
BATCH_SECONDS = {"cpu": 15.0, "cuda": 120.0, "mps": 30.0}
CLOSE = 0.9  # of the longest in a batch: what is shorter would be mostly padding
AHEAD = 8  # batches of audio that are read while the network works
FROM_CACHE = "from the cache"
MAX_SECONDS = 120.0


@dataclass(frozen=True)
class Spent:
    """Resources spent on a computation: utterances, batching, audio and wall seconds, memory."""

    utterances: int = 0
    batching: str = "one by one"
    audio_seconds: float = 0.0
    wall_seconds: float = 0.0
    peak_mib: float = 0.0
    skipped: tuple[str, ...] = ()  # utterances whose audio could not be read
    cached: int = 0  # utterances that were embedded, or whose frames were computed, before: the times are no cost


@dataclass(frozen=True)
class Embeddings:
    """`matrix` [U, E] float32; `ids` names the rows.

    Rows are normalised so that a dot product is the score, unless `embed` was asked to leave them as they are.
    """

    ids: tuple[str, ...]
    matrix: np.ndarray
    heads: int = 1
    spent: Spent = Spent()

    def rows(self) -> dict[str, int]:
        """Row number of every utterance."""
        return {name: row for row, name in enumerate(self.ids)}


@dataclass(frozen=True)
class Computed(Generic[Made]):
    """Results by utterance id, in the order of the cuts, without unreadable ones."""

    of: Mapping[str, Made]
    spent: Spent


def compute(
    encoder: EncoderModule,
    cuts: Sequence[Cut],
    batch: Callable[[Tensor, Tensor], Sequence[Piece]],
    join: Callable[[list[Piece]], Made],
    *,
    max_seconds: float = MAX_SECONDS,
    batch_seconds: float | None = None,
    skip_bad_audio: bool = False,
    show_progress: bool = True,
    doing: str = "embedding",
) -> Computed[Made]:
    """Make something of every utterance once, under inference mode, while the next ones are read.

    `batch` takes waveforms [B, N] and lengths [B] on the encoder's device and gives one piece per row. An utterance
    longer than `max_seconds` is cut into equal chunks, a piece each; `join` makes the result of an utterance's pieces,
    of one mostly, before the next batch.

    Batches hold up to `batch_seconds` of audio of similar length (default: per device, from a measurement), of equal
    length where the backbone says that padding would change its frames. Raises `BadAudio` for a file that cannot be
    read, unless `skip_bad_audio`, and `UserError` where none can.
    """
    spec = encoder.backbone.spec
    device = device_of(encoder)
    if batch_seconds is None:
        batch_seconds = BATCH_SECONDS.get(device.type, 0.0)
    started = time.perf_counter()
    # Whole batches are shared out, so that every embedding has the bits that one process gives it.
    groups = parallel.share(grouped(encoder, cuts, max_seconds, batch_seconds))
    limit = int(max_seconds * spec.sample_rate)
    made: dict[str, Made] = {}
    skipped: list[str] = []
    encoder.eval()
    with torch.inference_mode(), progress.bar(doing, sum(map(len, groups)), show_progress, "utterances") as advance:
        for group, waves in _read_ahead(groups, spec.sample_rate):
            usable = [(cut, wave) for cut, wave in zip(group, waves, strict=True) if isinstance(wave, np.ndarray)]
            for cut, wave in zip(group, waves, strict=True):
                if isinstance(wave, BadAudio):
                    if not skip_bad_audio:
                        raise wave
                    skipped.append(cut.id)
            if usable:
                outputs = _pieces([wave for _, wave in usable], limit, batch, device)
                made.update((cut.id, join(pieces)) for (cut, _), pieces in zip(usable, outputs, strict=True))
            advance(len(group))
    everywhere = parallel.gathered((made, skipped))
    made = {name: outputs for part, _ in everywhere for name, outputs in part.items()}
    skipped = [name for _, part in everywhere for name in part]
    if not made:
        raise UserError("No utterance could be read.", "Check the audio of the corpus.")
    spent = Spent(
        utterances=len(made),
        batching=f"up to {batch_seconds:g} s of audio" if batch_seconds else "one by one",
        audio_seconds=sum(cut.duration for cut in cuts if cut.id in made),
        wall_seconds=time.perf_counter() - started,
        peak_mib=peak_memory_mib(),
        skipped=tuple(sorted(skipped)),
    )
    return Computed({cut.id: made[cut.id] for cut in cuts if cut.id in made}, spent)


def embed(
    encoder: EncoderModule,
    cuts: Sequence[Cut],
    *,
    heads: int = 1,
    normalized: bool = True,
    cache: EntryStore | None = None,
    **options: Any,
) -> Embeddings:
    """Embed whole utterances, one that is longer than `max_seconds` in equal chunks, whose embeddings are averaged.

    `cache` is looked into first; what it gives is, bit for bit, what would be computed. `options` are those of
    `compute`, which also says what is raised; `Diverged` is where an embedding is not finite.
    """
    pieces, spent = _recalled(encoder, cuts, cache, options) if cache else _computed(encoder, cuts, encoder, options)
    matrix = _rows(list(pieces.values()), heads, normalized)
    if not bool(matrix.isfinite().all()):
        worst = next(name for name, row in zip(pieces, matrix, strict=True) if not bool(row.isfinite().all()))
        raise Diverged(f"The embedding of {worst} holds NaN or infinity.", "Train with a lower --max_lr.")
    return Embeddings(tuple(pieces), matrix.numpy(), heads, spent)


def lookups(
    encoders: Sequence[EncoderModule], cuts: Sequence[Cut], store: EntryStore, options: Mapping[str, Any]
) -> list[Lookup]:
    """Lookups in a store of the embeddings of encoders that share a backbone. Raises `ValueError` when they do not."""
    first, device = encoders[0], device_of(encoders[0])
    backbone = cache_keys.network(first.backbone, device)
    for other in encoders[1:]:
        if other.backbone is not first.backbone and cache_keys.network(other.backbone, device) != backbone:
            raise ValueError("These encoders have different backbones.")
    max_seconds = float(options.get("max_seconds", MAX_SECONDS))
    groups = grouped(first, cuts, max_seconds, options.get("batch_seconds"))
    lookup = Lookup(store, cuts, groups, first.backbone, max_seconds, bool(options.get("skip_bad_audio")), backbone)
    return [replace(lookup, pooler=cache_keys.network(one.pooler, device)) for one in encoders]


def _recalled(
    encoder: EncoderModule, cuts: Sequence[Cut], store: EntryStore, options: Mapping[str, Any]
) -> tuple[Mapping[str, Tensor], Spent]:
    """Rows [n, E] of every readable utterance, from the store where it has them all."""
    started = time.perf_counter()
    (lookup,) = lookups([encoder], cuts, store, options)
    rows = lookup.find()
    if not all(parallel.gathered(rows is not None)):
        rows = None  # all compute, or none
    if rows is None:
        frames = lookup.frames()
        made, spent = _computed(
            encoder, cuts, (lambda *batch: encoder.pooler(frames(*batch))) if frames.used else encoder, options
        )
        lookup.keep(made)
        return made, replace(spent, cached=min(frames.cached, spent.utterances))
    return rows, Spent(
        utterances=len(rows),
        batching=FROM_CACHE,
        audio_seconds=sum(cut.duration for cut in cuts if cut.id in rows),
        wall_seconds=time.perf_counter() - started,
        peak_mib=peak_memory_mib(),
        skipped=tuple(sorted(cut.id for cut in cuts if cut.id not in rows)),
        cached=len(rows),
    )


def _computed(
    encoder: EncoderModule, cuts: Sequence[Cut], forward: Callable[[Tensor, Tensor], Tensor], options: Mapping[str, Any]
) -> tuple[Mapping[str, Tensor], Spent]:
    """Rows [n, E] of every readable utterance, one for each of its chunks, as the encoder gives them."""

    def batch(waveforms: Tensor, lengths: Tensor) -> Tensor:
        return forward(waveforms, lengths).float().cpu()

    computed = compute(encoder, cuts, batch, torch.stack, **options)  # type: ignore[arg-type]
    return computed.of, computed.spent


def _rows(pieces: Sequence[Tensor], heads: int, normalized: bool) -> Tensor:
    """Pieces [n, E] of every utterance → one row each [U, E], the mean where there are several."""

    def scaled(vectors: Tensor) -> Tensor:
        return normalize(vectors, heads) if normalized else vectors

    rows = torch.split(scaled(torch.cat(list(pieces))), [len(some) for some in pieces])
    return torch.stack([some[0] if len(some) == 1 else scaled(some.mean(0)) for some in rows])


def device_of(encoder: EncoderModule) -> torch.device:
    """Device of the weights, or of the buffers of an encoder that has no weights."""
    for tensor in (*encoder.parameters(), *encoder.buffers()):
        return tensor.device
    return torch.device("cpu")


def grouped(
    encoder: EncoderModule, cuts: Sequence[Cut], max_seconds: float, batch_seconds: float | None = None
) -> list[list[Cut]]:
    """Batches of similar length, longest first, so that a memory limit shows at once."""
    spec = encoder.backbone.spec
    sample_rate, equal = spec.sample_rate, spec.batching == "equal-length"
    if batch_seconds is None:
        batch_seconds = BATCH_SECONDS.get(device_of(encoder).type, 0.0)
    sizes = {cut.id: audio.num_samples(cut, sample_rate) for cut in cuts}
    ordered = sorted(cuts, key=lambda cut: (-sizes[cut.id], cut.id))
    groups: list[list[Cut]] = []
    for cut in ordered:
        longest = sizes[groups[-1][0].id] if groups else 0
        fits = (
            groups
            and sizes[cut.id] >= CLOSE * longest
            and (len(groups[-1]) + 1) * longest <= batch_seconds * sample_rate
        )
        if fits and (not equal or sizes[cut.id] == longest) and longest <= max_seconds * sample_rate:
            groups[-1].append(cut)
        else:
            groups.append([cut])
    return groups


def _read_ahead(
    groups: Sequence[list[Cut]], sample_rate: int
) -> Iterator[tuple[list[Cut], list[np.ndarray | BadAudio]]]:
    """Read the audio of the next batches in a thread while the network works on this one."""

    def read(group: list[Cut]) -> list[np.ndarray | BadAudio]:
        return [_load(cut, sample_rate) for cut in group]

    with ThreadPoolExecutor(max_workers=1) as pool:
        pending = [pool.submit(read, group) for group in groups[:AHEAD]]
        for number, group in enumerate(groups):
            waves = pending.pop(0).result()
            if number + AHEAD < len(groups):
                pending.append(pool.submit(read, groups[number + AHEAD]))
            yield group, waves


def _load(cut: Cut, sample_rate: int) -> np.ndarray | BadAudio:
    try:
        return audio.load(cut, sample_rate)
    except BadAudio as error:
        return error


def _pieces(
    waves: list[np.ndarray], limit: int, batch: Callable[[Tensor, Tensor], Sequence[Piece]], device: torch.device
) -> list[list[Piece]]:
    """The pieces of every utterance: one, or of a lone one longer than `limit` samples one per chunk."""
    if len(waves) == 1 and len(waves[0]) > limit:
        chunks = np.array_split(waves[0], -(-len(waves[0]) // limit))
        return [[batch(*padded([chunk], device))[0] for chunk in chunks]]
    return [[piece] for piece in batch(*padded(waves, device))]


def padded(waves: Sequence[np.ndarray], device: torch.device) -> tuple[Tensor, Tensor]:
    """Waveforms [N] of unlike lengths → [B, longest] with zeros at the ends, and their lengths [B]."""
    together = pad_sequence([torch.from_numpy(wave) for wave in waves], batch_first=True)
    return together.to(device), torch.tensor([len(wave) for wave in waves], device=device)


def peak_memory_mib() -> float:
    """The process's largest resident memory so far, MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
