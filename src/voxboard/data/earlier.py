"""Splits that a corpus folder holds already, which stay when one more is prepared into it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from voxboard.data.corpus import DESCRIPTION, Corpus, CorpusInfo
from voxboard.errors import UserError, printable

if TYPE_CHECKING:
    from lhotse.cut import Cut


@dataclass(frozen=True)
class Earlier:
    """The splits that stay, with what is known of them; empty where everything is prepared anew."""

    info: CorpusInfo | None = None
    audio_root: Path | None = None
    splits: Mapping[str, Sequence[Cut]] = field(default_factory=dict)
    gone: Sequence[str] = ()  # splits whose utterances are all prepared again, now in another one

    @property
    def trials(self) -> dict[str, str]:
        """The trial lists of the splits that stay."""
        lists = self.info.trials if self.info else {}
        return {split: name for split, name in lists.items() if split in self.splits}

    def joined(self, info: CorpusInfo) -> CorpusInfo:
        """The description of both."""
        moved = [f"What the {' and the '.join(self.gone)} split held is in this split now."] if self.gone else []
        if self.info is None:
            return replace(info, notes=(*info.notes, *moved))
        stay = f"What was there of {' and '.join(self.splits)} stays."
        notes = dict.fromkeys((*(note for note in self.info.notes if note != stay), *info.notes, *moved, stay))
        return replace(info, trials={**self.trials, **info.trials}, notes=tuple(notes))

    def root(self, other: Path) -> Path:
        """The folder that the audio of both lies in."""
        return other if self.audio_root is None else Path(os.path.commonpath([self.audio_root, other]))

    def roots(self, other: Path) -> list[Path]:
        """The folders that audio is read from: what they have in common may be the whole disk."""
        return [other] if self.audio_root is None else [self.audio_root, other]


def earlier(folder: Path, split: str | None, info: CorpusInfo, ids: Iterable[str]) -> Earlier:
    """The other splits of the corpus in a folder, where one split of utterances `ids` is prepared and it has others.

    One whose utterances are all among them goes over into that split. Raises `UserError` where some are, where they
    cannot be read, or are of the other kind: nothing of what is there is lost then.
    """
    if split is None or not (folder / DESCRIPTION).is_file():
        return Earlier()
    corpus = Corpus.open(folder)
    others = [name for name in corpus.splits if name != split]
    if others and corpus.info.kind != info.kind:
        raise UserError(
            f"{folder} holds {corpus.info.kind}, and {info.kind} are prepared.", "Choose another --name or --out."
        )
    read = corpus.cuts if info.kind == "utterances" else corpus.recordings
    fresh = set(ids)
    splits = {name: _staying(list(read(name)), fresh, f"the {name} split of {folder}") for name in others}
    stay = {name: cuts for name, cuts in splits.items() if cuts}
    gone = [name for name in others if name not in stay]
    if not stay:
        return Earlier(gone=gone)
    return Earlier(corpus.info, corpus.audio_root, stay, gone)


def _staying(cuts: list[Cut], fresh: Set[str], of: str) -> list[Cut]:
    """The cuts of a split that stays; none of one that goes over whole."""
    again = [cut.id for cut in cuts if cut.id in fresh]
    if again and len(again) < len(cuts):
        raise UserError(
            f"{len(again)} of {len(cuts)} utterances of {of} are prepared again (e.g. {printable(again[0])}).",
            "Choose another --name, or delete the folder to start again.",
        )
    return [] if again else cuts
