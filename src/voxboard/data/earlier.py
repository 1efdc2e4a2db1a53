"""What a corpus folder holds already, when one more split is prepared into it: the other splits stay."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
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

    @property
    def trials(self) -> dict[str, str]:
        """The trial lists of the splits that stay."""
        lists = self.info.trials if self.info else {}
        return {split: name for split, name in lists.items() if split in self.splits}

    def joined(self, info: CorpusInfo) -> CorpusInfo:
        """The description of both."""
        if self.info is None:
            return info
        stay = f"What was there of {' and '.join(self.splits)} stays."
        notes = dict.fromkeys((*(note for note in self.info.notes if note != stay), *info.notes, stay))
        return replace(info, trials={**self.trials, **info.trials}, notes=tuple(notes))

    def root(self, other: Path) -> Path:
        """The folder that the audio of both lies in."""
        return other if self.audio_root is None else Path(os.path.commonpath([self.audio_root, other]))

    def roots(self, other: Path) -> list[Path]:
        """The folders that audio is read from: what they have in common may be the whole disk."""
        return [other] if self.audio_root is None else [self.audio_root, other]


def earlier(folder: Path, split: str | None, info: CorpusInfo) -> Earlier:
    """The other splits of the corpus in a folder, where one split alone is prepared and it has others.

    Raises `UserError` where they cannot be read, or are of the other kind: nothing of them is lost then.
    """
    if split is None or not (folder / DESCRIPTION).is_file():
        return Earlier()
    corpus = Corpus.open(folder)
    others = [name for name in corpus.splits if name != split]
    if not others:
        return Earlier()
    if corpus.info.kind != info.kind:
        raise UserError(
            f"{folder} holds {corpus.info.kind}, and {info.kind} are prepared.", "Choose another --name or --out."
        )
    read = corpus.cuts if info.kind == "utterances" else corpus.recordings
    return Earlier(corpus.info, corpus.audio_root, {name: list(read(name)) for name in others})


def check_new(before: Earlier, folder: Path, ids: Sequence[str]) -> None:
    """Raise `UserError` for an utterance that stands in a split that stays."""
    fresh = set(ids)
    for split, cuts in before.splits.items():
        if shared := next((cut.id for cut in cuts if cut.id in fresh), None):
            raise UserError(
                f"{printable(shared)} is in the {split} split of {folder} already.",
                f"Choose another --name, or delete {folder} to start again.",
            )
