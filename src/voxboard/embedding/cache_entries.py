"""Entries of the embedding cache: embeddings, and the frames behind them, in any store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from voxboard.backbones.base import Backbone
from voxboard.backbones.frames import Frames
from voxboard.backbones.utterance import UtteranceEncoder
from voxboard.embedding import cache_keys
from voxboard.errors import BadAudio

if TYPE_CHECKING:
    from lhotse.cut import Cut

# Parameters of a backbone from which reading its frames beats computing them on a CPU (measured).
FRAMES_FROM = 1_000_000

Tensors = Mapping[str, Tensor]


class EntryStore(Protocol):
    """Store of entries; `frames` is True if those of large backbones are kept too."""

    @property
    def frames(self) -> bool: ...

    def contents(self, files: set[Path]) -> Mapping[Path, str]:
        """Digest of the content of each file. Raises `BadAudio` for one that is not there."""
        ...

    def read(self, key: str) -> Tensors | None:
        """An entry; None where there is none that is whole."""
        ...

    def write(self, key: str, tensors: Tensors, spare: bool = False) -> None:
        """Keep an entry if it can; a `spare` one takes no room from what was used since the store was opened."""
        ...


@dataclass(frozen=True)
class Pieces:
    """Embeddings of some utterances: `matrix` [P, E] float32 as the encoder gives them, `counts` [U] int64.

    An utterance has a row for each of its chunks, one mostly; none where its audio could not be read.
    """

    matrix: Tensor
    counts: Tensor

    @classmethod
    def of(cls, made: Mapping[str, Tensor], order: Sequence[str]) -> Pieces:
        """Of rows [n, E] by utterance, put into an order of ids."""
        rows = [made[name] for name in order if name in made]
        counts = [len(made[name]) if name in made else 0 for name in order]
        return cls(torch.cat(rows), torch.tensor(counts, dtype=torch.int64))

    def by_id(self, order: Sequence[str]) -> dict[str, Tensor]:
        """The reverse of `of`; what could not be read is not there."""
        rows = torch.split(self.matrix, self.counts.tolist())
        return {name: row for name, row in zip(order, rows, strict=True) if len(row)}

    def tensors(self) -> dict[str, Tensor]:
        return {"matrix": self.matrix, "counts": self.counts}


class KeptFrames:
    """A backbone in evaluation that looks into a store before it computes; `cached` counts what it found there.

    The frames of small backbones are not kept: reading them takes longer than computing them.
    """

    def __init__(self, backbone: Backbone | UtteranceEncoder, store: EntryStore, key: str) -> None:
        """`key` is the digest of the backbone."""
        size = sum(parameter.numel() for parameter in backbone.parameters())
        self.backbone, self.store, self.key, self.cached = backbone, store, key, 0
        self.used = store.frames and size >= FRAMES_FROM and isinstance(backbone, Backbone)

    def __call__(self, waveforms: Tensor, lengths: Tensor) -> Any:
        """`waveforms` [B, N], `lengths` [B] → what the pooler gets, bit for bit the backbone's."""
        if not self.used:
            return self.backbone(waveforms, lengths)
        key = cache_keys.joined("frames", self.key, cache_keys.batch(waveforms, lengths))
        held = self.store.read(key)
        if held is not None:
            self.cached += len(lengths)
            return _frames(held, waveforms.device)
        frames = self.backbone(waveforms, lengths)
        self.store.write(key, _tensors(frames), spare=True)
        return frames


@dataclass(frozen=True)
class Lookup:
    """The embeddings of one encoder and one set of utterances in a store."""

    store: EntryStore
    cuts: Sequence[Cut]
    groups: Sequence[Sequence[Cut]]  # the same, as they are batched
    backbone: Backbone | UtteranceEncoder
    max_seconds: float
    skip_bad_audio: bool
    network: str  # digest of the backbone
    pooler: str = ""  # digest

    @cached_property
    def audio(self) -> str | None:
        """The digest of the utterances; None where a file is not there, and nothing is kept then."""
        return self._listen()

    @property
    def order(self) -> list[str]:
        """Ids in the order of an entry."""
        return [cut.id for group in self.groups for cut in group]

    def frames(self) -> KeptFrames:
        return KeptFrames(self.backbone, self.store, self.network)

    def find(self) -> dict[str, Tensor] | None:
        """Rows [n, E] of every readable utterance; None where they are not all known."""
        held = self.store.read(self._key(self.audio)) if self.audio else None
        if held is None:
            return None
        pieces = Pieces(**held)
        if not self.skip_bad_audio and not bool(pieces.counts.all()):
            return None  # computing says which file it is
        by_id = pieces.by_id(self.order)
        return {cut.id: by_id[cut.id] for cut in self.cuts if cut.id in by_id}

    def keep(self, made: Mapping[str, Tensor]) -> None:
        """Write rows [n, E] of every readable utterance, unless a file has changed since they were looked for."""
        if self.audio and self.audio == self._listen():
            self.store.write(self._key(self.audio), Pieces.of(made, self.order).tensors())

    def _key(self, audio: str) -> str:
        return cache_keys.joined("embeddings", self.network, self.pooler, audio)

    def _listen(self) -> str | None:
        try:
            return cache_keys.utterances(
                self.groups, self.store.contents, self.backbone.spec.sample_rate, self.max_seconds
            )
        except BadAudio:
            return None


def _tensors(frames: Frames) -> dict[str, Tensor]:
    """Frames in the order that they have in memory, which decides the last bits of what is computed from them."""
    order = sorted(range(4), key=lambda dim: -frames.states.stride()[dim])
    return {
        "states": frames.states.permute(order),
        "order": torch.tensor(order),
        "lengths": frames.lengths,
        "hop": torch.tensor(frames.hop, dtype=torch.float64),
    }


def _frames(held: Tensors, device: torch.device) -> Frames:
    back = held["order"].argsort().tolist()
    return Frames(held["states"].to(device).permute(back), held["lengths"].to(device), float(held["hop"]))
