"""The strata of non-targets: which pairs of speakers, and of their utterances, share which labels.

A label that all utterances of a speaker share sorts pairs of speakers. One that varies within a speaker (session,
device, age) sorts pairs of utterances, so that a pair of speakers may belong to several strata: it gets its share in
each, dealt over the pairs of sessions that fit, in proportion to what they hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxboard.errors import UserError
from voxboard.trials.sampling import Cell, Ints, in_proportion, ragged
from voxboard.trials.utterances import UtteranceTable

MOST_VALUES = 10_000  # different combinations of labels: their pairs are gone through
MOST_PAIRS = 20_000_000  # pairs of one speaker's and another's sessions
Pattern = tuple[int, ...]


class Strata:
    """The units of all speakers: utterances of one speaker that share all labels, K of them, side by side.

    `values` [K, L] are a unit's labels, `sizes` [K] its utterances; those of unit k are `members[offsets[k]:]`.
    """

    def __init__(self, table: UtteranceTable, labels: Sequence[str], matched: Sequence[str] = ()) -> None:
        self.labels = tuple(labels)
        self.patterns: list[Pattern] = list(product(*((1,) if name in matched else (1, 0) for name in labels)))
        codes = np.array([table.labels[name].codes for name in labels], np.int64).reshape(len(labels), len(table))
        self.single = not any(table.varies(name) for name in labels)
        usable = np.flatnonzero((codes >= 0).all(axis=0))
        keys = np.vstack([table.speaker, codes])[:, usable]
        # Sorted by speaker already; by label too where it varies.
        order = np.arange(usable.size) if self.single else np.lexsort(keys[::-1])
        keys, self.members = keys[:, order], usable[order]
        heads = np.ones(order.size, bool)
        heads[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
        self.offsets = np.flatnonzero(heads)
        self.unit = np.cumsum(heads) - 1  # of every member
        self.sizes = np.diff(self.offsets, append=order.size)
        self.owner, self.values = keys[0, self.offsets], keys[1:, self.offsets].T
        self.per_speaker = np.bincount(self.owner, minlength=table.sizes.size)
        self.first_unit = np.cumsum(self.per_speaker) - self.per_speaker

    def name(self, pattern: Pattern) -> str:
        """A stratum as a report calls it, e.g. "non-targets GENDER_MATCH=1, ACCENT_MATCH=0"."""
        shared = ", ".join(f"{name.upper()}_MATCH={same}" for name, same in zip(self.labels, pattern, strict=True))
        return f"non-targets {shared}".strip()

    def cells(self, rng: np.random.Generator) -> dict[Pattern, list[Cell]]:
        """For each pattern of shared labels (1 same, 0 different): groups of speakers whose pairs can share so.

        Members stand in a random order, so that a run of pair numbers says nothing about names.
        """
        groups: dict[bytes, list[int]] = {}
        for speaker in np.flatnonzero(self.per_speaker).tolist():
            begin = self.first_unit[speaker]
            groups.setdefault(self.values[begin : begin + self.per_speaker[speaker]].tobytes(), []).append(speaker)
        members = [rng.permutation(np.array(group, np.int32)) for group in groups.values()]
        lengths = np.array([self.per_speaker[group[0]] for group in members], np.int64)
        rows = self.values[
            np.repeat([self.first_unit[group[0]] for group in members], lengths).astype(int) + ragged(lengths)
        ]
        if len(rows) > MOST_VALUES:
            raise UserError(
                f"{', '.join(self.labels)} take {len(rows):,} different values, too many to balance non-targets by.",
                "Take labels with fewer values; a label such as the video still keeps targets apart (--session).",
            )
        cells: dict[Pattern, list[Cell]] = {pattern: [] for pattern in self.patterns}
        profile = np.repeat(np.arange(len(members)), lengths)
        everyone = np.concatenate([*members, np.empty(0, np.int32)])
        profile_of = np.repeat(np.arange(len(members)), [group.size for group in members])
        for place, group in enumerate(members):
            for pattern, partners in _patterns(rows, profile, place, len(members)):
                if pattern not in cells:
                    continue
                if partners[place]:
                    cells[pattern].append((group, group))
                    partners[place] = False
                if partners.any():
                    cells[pattern].append((group, everyone[partners[profile_of]]))
        return cells

    def capacity(self, pattern: Pattern, first: Ints, second: Ints) -> Ints:
        """Number of possible trials of each pair of speakers in a stratum."""
        if self.single:
            capacity: Ints = self.sizes[self.first_unit[first]] * self.sizes[self.first_unit[second]]
            return capacity
        pair, one, other = self._unit_pairs(first, second, pattern)
        return np.bincount(pair, self.sizes[one] * self.sizes[other], minlength=first.size).astype(np.int64)

    def units(
        self, first: Ints, second: Ints, counts: Ints, pattern: Pattern, rng: np.random.Generator
    ) -> tuple[Ints, Ints, Ints]:
        """From pairs of speakers to pairs of units and how many trials each gets."""
        if self.single:
            return self.first_unit[first], self.first_unit[second], counts
        pair, one, other = self._unit_pairs(first, second, pattern)
        capacity = self.sizes[one] * self.sizes[other]
        shares = in_proportion(counts, pair, capacity, capacity, rng)
        used = shares > 0
        return one[used], other[used], shares[used]

    def _unit_pairs(self, first: Ints, second: Ints, pattern: Pattern) -> tuple[Ints, Ints, Ints]:
        """All pairs of units of pairs of speakers that share labels as `pattern` says: (pair, unit, unit)."""
        across = self.per_speaker[second]
        counts = self.per_speaker[first] * across
        if counts.sum() > MOST_PAIRS:
            raise UserError(
                f"{', '.join(self.labels)} vary too much within speakers to balance non-targets by.",
                "Take labels with fewer values; a label such as the video still keeps targets apart (--session).",
            )
        pair, turn = np.repeat(np.arange(first.size), counts), ragged(counts)
        one = self.first_unit[first][pair] + turn // across[pair]
        other = self.first_unit[second][pair] + turn % across[pair]
        fits = ((self.values[one] == self.values[other]) == np.array(pattern, bool)).all(axis=1)
        return pair[fits], one[fits], other[fits]


def _patterns(rows: NDArray[Any], profile: Ints, place: int, profiles: int) -> list[tuple[Pattern, NDArray[np.bool_]]]:
    """Patterns in which speakers of one profile share labels with those of this and all later ones, with the partners
    of each.
    """
    patterns: dict[Pattern, NDArray[np.bool_]] = {}
    later = np.flatnonzero(profile >= place)
    weights = 1 << np.arange(rows.shape[1])
    for row in rows[profile == place]:
        shared = (rows[later] == row) @ weights if rows.shape[1] else np.zeros(later.size, np.int64)
        for code in np.unique(shared):
            pattern = tuple((int(code) >> k) & 1 for k in range(rows.shape[1]))
            partners = patterns.setdefault(pattern, np.zeros(profiles, bool))
            partners[profile[later[shared == code]]] = True
    return list(patterns.items())
