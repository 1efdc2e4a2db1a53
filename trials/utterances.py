"""The utterances that trials are drawn from: a table as arrays, sorted by speaker and name."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from voxboard.data.corpus import ATTRIBUTES
from voxboard.errors import UserError, unknown
from voxboard.trials.labels import OF_SPEAKERS, Coded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lhotse.cut import Cut
    from pandas import DataFrame

Ints = NDArray[np.integer[Any]]


class UtteranceTable:
    """U utterances of S speakers: whatever the order of a table's rows, the same arrays.

    `names` [U]; `speaker` [U] numbers `speakers` [S]; those of speaker s stand from `offsets[s]` on, `sizes[s]` of
    them; `labels` holds every other column. Raises `UserError` for a table without ids or speakers, or with one id
    twice.
    """

    def __init__(self, table: DataFrame) -> None:
        for column in ("utterance", "speaker"):
            if column not in table.columns:
                raise unknown("column", column, table.columns)
            if table[column].isna().any():
                raise _incomplete(column)
        speakers, names = Coded.of_column(table["speaker"]), table["utterance"].astype(str).to_numpy(object)
        if (speakers.codes < 0).any():
            raise _incomplete("speaker")
        self.speakers = np.array(sorted(speakers.values), object)
        rank = {value: place for place, value in enumerate(self.speakers)}
        numbers = np.array([rank[value] for value in speakers.values], np.int32)[speakers.codes]
        order = _order(names, numbers)
        self.names: NDArray[np.object_] = names if order is None else names[order]
        self.speaker: NDArray[np.int32] = numbers if order is None else numbers[order]
        columns = [name for name in table.columns if name not in ("utterance", "speaker")]
        self.labels = {
            str(name): Coded.of_column(table[name] if order is None else table[name].iloc[order]) for name in columns
        }
        self._count()

    def _count(self) -> None:
        self.offsets = np.flatnonzero(np.diff(self.speaker, prepend=-1))
        self.sizes = np.diff(self.offsets, append=self.speaker.size)

    def __len__(self) -> int:
        return int(self.speaker.size)

    def of(self, speakers: NDArray[np.bool_]) -> UtteranceTable:
        """The utterances of some speakers."""
        codes = speakers[self.speaker]
        fewer = object.__new__(UtteranceTable)
        fewer.names, fewer.speakers = self.names[codes], self.speakers[speakers]
        fewer.speaker = (np.cumsum(speakers) - 1).astype(np.int32)[self.speaker[codes]]
        fewer.labels = {name: label[codes] for name, label in self.labels.items()}
        fewer._count()
        return fewer

    def label(self, name: str) -> Coded | None:
        """A label's column; None when it is not known for anybody. Raises `UserError` for a name that is none."""
        coded = self.labels.get(name)
        if coded is None and name not in (*ATTRIBUTES, "session"):
            raise unknown("label", name, {*self.labels, *ATTRIBUTES})
        return None if coded is None or not coded.known.any() else coded

    def varies(self, name: str) -> bool:
        """True if a label differs within a speaker. Raises `UserError` where a person cannot have several values."""
        codes = self.labels[name].codes
        wrong = np.flatnonzero(codes != codes[self.offsets][self.speaker])
        if wrong.size and name in OF_SPEAKERS:
            speaker = self.speakers[self.speaker[wrong[0]]]
            raise UserError(
                f"The speaker {speaker} has several values of {name} (see {self.names[wrong[0]]}).",
                f"Correct the table, or do not use {name}.",
            )
        return bool(wrong.size)

    def sessions(self, name: str) -> NDArray[np.int64]:
        """[U] the session of every utterance; one that is not known is a session by itself."""
        coded = self.labels.get(name)
        alone = len(self) + np.arange(len(self))
        return alone if coded is None else np.where(coded.known, coded.codes, alone)

    @cached_property
    def digest(self) -> str:
        """sha256 over utterances, speakers and labels: what a built list depends on besides its design and seed."""
        content = hashlib.sha256(b"voxboard utterances 1\n")
        columns = {"speaker": Coded(self.speaker, self.speakers.tolist()), **self.labels}
        content.update("\n".join(self.names).encode())
        for name, coded in sorted(columns.items()):
            content.update("\n".join(["\0", name, *coded.values]).encode() + coded.codes.astype("<i4").tobytes())
        return content.hexdigest()


def table_of(cuts: Iterable[Cut], others: Iterable[str] = ()) -> DataFrame:
    """The table that `build_balanced` takes, of Lhotse cuts: ids, speakers, and the attributes that are known.

    `others` are further labels of the cuts (subset, device …) that are wanted.
    """
    import pandas as pd

    from voxboard.data.corpus import attributes_of, speaker_of

    rows, wanted = [], dict.fromkeys((*ATTRIBUTES, "session", *others))
    for cut in cuts:
        attributes = attributes_of(cut)
        labels = {name: str(attributes[name]) for name in wanted if name in attributes}
        rows.append({"utterance": cut.id, "speaker": speaker_of(cut), **labels})
    return pd.DataFrame(rows, columns=None if rows else ["utterance", "speaker"])


def _order(names: NDArray[np.object_], speakers: NDArray[np.int32]) -> NDArray[np.intp] | None:
    """The rows by speaker, then by name; None when they stand so already. Raises `UserError` for a repeated name."""
    sorted_already = bool((names[1:] > names[:-1]).all())
    if not sorted_already:
        listed = names.tolist()
        by_name = np.array(sorted(range(len(listed)), key=listed.__getitem__), np.intp)
        again = np.flatnonzero(names[by_name[1:]] == names[by_name[:-1]])
        if again.size:
            raise UserError(
                f"The table names an utterance twice: {names[by_name[again[0]]]}.", "Every one has one row."
            )
        return by_name[np.argsort(speakers[by_name], kind="stable")]
    if (speakers[1:] >= speakers[:-1]).all():
        return None
    return np.argsort(speakers, kind="stable")


def _incomplete(column: str) -> UserError:
    return UserError(f"The table has rows without {column}.", "Every utterance needs an id and a speaker.")
