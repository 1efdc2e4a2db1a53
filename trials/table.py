"""A trial list: pairs of utterances, and whether they have the same speaker."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import lt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Trials:
    """N trials over U distinct utterances.

    `enrol` and `test` [N] index `utterances`; `labels` [N] are 1 for the same speaker, 0 for different ones; `matches`
    are columns [N] such as GENDER_MATCH, with NaN where a list says nothing. The order of trials is part of a list.
    """

    utterances: Sequence[str]
    enrol: NDArray[np.int32]
    test: NDArray[np.int32]
    labels: NDArray[np.int8]
    matches: Mapping[str, NDArray[np.floating[Any]]] = field(default_factory=dict)
    name: str = "trials"

    def __post_init__(self) -> None:
        object.__setattr__(self, "utterances", tuple(self.utterances))
        object.__setattr__(self, "enrol", np.asarray(self.enrol, np.int32))
        object.__setattr__(self, "test", np.asarray(self.test, np.int32))
        object.__setattr__(self, "labels", np.asarray(self.labels, np.int8))
        size, count = self.labels.size, len(self.utterances)
        for column in (self.enrol, self.test, *self.matches.values()):
            if column.shape != (size,):
                raise ValueError(f"{size} labels but a column of shape {column.shape}")
        if size and not (0 <= min(self.enrol.min(), self.test.min()) <= max(self.enrol.max(), self.test.max()) < count):
            raise ValueError(f"a trial names an utterance outside 0 … {count - 1}")
        if np.any((self.labels != 0) & (self.labels != 1)):
            raise ValueError("labels must be 1 (same speaker) or 0")
        # Sorted names, as built lists have them, are distinct without a set of a million.
        if not all(map(lt, self.utterances, self.utterances[1:])) and len(set(self.utterances)) != count:
            raise ValueError("utterances must be distinct")

    @classmethod
    def of(
        cls,
        labels: ArrayLike,
        enrol: Sequence[str] | NDArray[Any],
        test: Sequence[str] | NDArray[Any],
        matches: Mapping[str, NDArray[np.floating[Any]]] | None = None,
        name: str = "trials",
    ) -> Trials:
        """Trials from names [N] of either side; utterances are numbered as they first appear."""
        import pandas as pd

        names = np.empty(2 * len(enrol), object)
        names[0::2], names[1::2] = enrol, test
        codes, utterances = pd.factorize(names)
        numbers = np.asarray(codes, np.int32)
        return cls(utterances.tolist(), numbers[0::2], numbers[1::2], np.asarray(labels, np.int8), matches or {}, name)

    def __len__(self) -> int:
        return int(self.labels.size)

    @property
    def targets(self) -> int:
        """Number of target trials."""
        return int(np.count_nonzero(self.labels))

    @property
    def non_targets(self) -> int:
        return len(self) - self.targets

    def select(self, chosen: NDArray[Any]) -> Trials:
        """The trials at these places or under this mask, over the utterances that they use."""
        enrol, test = self.enrol[chosen], self.test[chosen]
        used, places = np.unique(np.concatenate([enrol, test]), return_inverse=True)
        codes = np.asarray(places, np.int32)
        return replace(
            self,
            utterances=[self.utterances[place] for place in used],
            enrol=codes[: enrol.size],
            test=codes[enrol.size :],
            labels=self.labels[chosen],
            matches={name: column[chosen] for name, column in self.matches.items()},
        )

    def digest(self) -> str:
        """sha256 over names, labels and order of the trials: the same for every file format, gzip or line end.

        Match columns are left out, as not every format can hold them and no score depends on them.
        """
        order, codes = self._canonical()
        content = hashlib.sha256(b"voxboard trials 1\n")
        content.update("\n".join(self.utterances[place] for place in order).encode())
        content.update(b"\0" + codes.astype("<i4").tobytes() + self.labels.tobytes())
        return content.hexdigest()

    def _canonical(self) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
        """The utterances in use, by first appearance, and both sides' numbers in that order, interleaved."""
        import pandas as pd

        sides = np.empty(2 * len(self), np.int32)
        sides[0::2], sides[1::2] = self.enrol, self.test
        codes, order = pd.factorize(sides)
        return np.asarray(order, np.intp), np.asarray(codes, np.int32)
