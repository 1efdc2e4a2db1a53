"""Balanced trial lists: as many targets as non-targets, non-targets equal over strata, speakers and utterances.

Non-targets fall into strata by which labels (gender, accent …) the two speakers share; every stratum gets the same
number of trials, every pair of speakers inside it the same up to one. Targets are equal over speakers and of different
sessions where these are known. What cannot be met is reported, never filled up from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from voxboard.data.corpus import ATTRIBUTES, attributes_of, speaker_of
from voxboard.errors import UserError, unknown
from voxboard.trials import sampling
from voxboard.trials.table import Trials

if TYPE_CHECKING:
    from lhotse.cut import Cut
    from pandas import DataFrame

VERSION = 1  # of the sampling: another version draws other lists from the same seed


@dataclass(frozen=True)
class Stratum:
    """What was asked of one stratum and what came out."""

    name: str
    asked: int
    made: int
    groups: int  # pairs of speakers for non-targets, speakers for targets
    least: int  # trials of the group with the fewest …
    most: int  # … and of the one with the most
    exhausted: int = 0  # groups that had no more pairs of utterances to give


@dataclass(frozen=True)
class Balance:
    """The report of a built list: every stratum, and how utterances and sessions were used."""

    strata: tuple[Stratum, ...]
    same_session_targets: int | None  # None: no sessions are known
    utterance_use: tuple[int, int]  # fewest and most appearances of an utterance of the table
    notes: tuple[str, ...] = ()

    def problems(self) -> list[str]:
        """What was asked and not met, and what was met unevenly, one sentence each."""
        found = []
        for place, stratum in enumerate(self.strata):
            kind = "pairs of speakers" if place else "speakers"
            if stratum.made < stratum.asked:
                why = f"all that {stratum.groups} {kind} allow" if stratum.groups else f"as no {kind} fit"
                found.append(f"{stratum.name}: {stratum.made} of {stratum.asked} trials, {why}.")
            elif stratum.exhausted and stratum.most - stratum.least > 1:
                given = f"{stratum.exhausted} of {stratum.groups} {kind} gave all they have"
                found.append(f"{stratum.name}: {given}; the others gave more.")
        if self.same_session_targets:
            found.append(f"{self.same_session_targets} targets are of one session, for want of others.")
        return [*found, *self.notes]


def build_balanced(
    utterances: DataFrame,
    trials: int = 10_000,
    strata: Sequence[str] = ("gender",),
    session: str = "session",
    target_share: float = 0.5,
    seed: int = 0,
) -> tuple[Trials, Balance]:
    """Draws a balanced list from a table with columns `utterance`, `speaker` and labels, e.g. that of `table_of`.

    No utterance meets itself, no pair repeats, and the same table gives the same list whatever the order of its rows.
    Every label column becomes a match column. Cost grows with utterances plus trials. Raises `UserError` for a table
    that cannot be used.
    """
    if trials < 2 or not 0 < target_share < 1:
        raise UserError(f"{trials} trials with a target share of {target_share} are no list.", "Ask for both kinds.")
    rng = np.random.default_rng([VERSION, seed])
    table = _Table(utterances, strata, session)
    targets = min(max(round(trials * target_share), 1), trials - 1)
    one, other, summary = _targets(table, targets, rng)
    use = np.bincount(np.concatenate([one, other]), minlength=table.size)
    first, second, summaries = _non_targets(table, trials - targets, use, rng)
    labels = np.repeat(np.array([1, 0], np.int8), [one.size, first.size])
    sides = np.stack([np.concatenate([one, first]), np.concatenate([other, second])]).astype(np.int32)
    swapped = rng.random(labels.size) < 0.5
    sides[:, swapped] = sides[::-1, swapped]
    order = rng.permutation(labels.size)
    sides, labels = sides[:, order], labels[order]
    use += np.bincount(np.concatenate([first, second]), minlength=table.size)
    matches = table.matches(sides[0], sides[1], labels)
    used = np.flatnonzero(use)
    numbers = np.cumsum(use > 0) - 1
    names = [table.names[place] for place in used]
    listed = Trials(names, numbers[sides[0]], numbers[sides[1]], labels, matches, "balanced")
    lowest, highest = int(use.min(initial=trials)), int(use.max(initial=0))
    balance = Balance((summary, *summaries), table.repeated(one, other), (lowest, highest), tuple(table.notes))
    return listed, balance


def table_of(cuts: Iterable[Cut]) -> DataFrame:
    """The table that `build_balanced` takes, of Lhotse cuts: ids, speakers, and the attributes that are known."""
    import pandas as pd

    rows = []
    for cut in cuts:
        known = attributes_of(cut)
        labels = {name: str(known[name]) for name in (*ATTRIBUTES, "session") if name in known}
        rows.append({"utterance": cut.id, "speaker": speaker_of(cut), **labels})
    return pd.DataFrame(rows, columns=None if rows else ["utterance", "speaker"])


class _Table:
    """The utterances as arrays, sorted by speaker: `codes` [U] per label column, −1 where a label is missing."""

    def __init__(self, utterances: DataFrame, strata: Sequence[str], session: str) -> None:
        for column in ("utterance", "speaker"):
            if column not in utterances.columns:
                raise unknown("column", column, utterances.columns)
            if utterances[column].isna().any():
                raise UserError(f"The table has rows without {column}.", "Every utterance needs an id and a speaker.")
        speakers, names = _codes(utterances["speaker"], sort=True), utterances["utterance"].astype(str)
        # By speaker, then by name: the list does not depend on the order of the rows.
        order = np.arange(len(names)) if names.is_monotonic_increasing else np.argsort(names.to_numpy(object))
        order = order[np.argsort(speakers[order], kind="stable")]
        self.names: list[str] = names.to_numpy(object)[order].tolist()
        if len(set(self.names)) < len(self.names):
            raise UserError("The table names an utterance twice.", "Every utterance has one row.")
        self.size = len(self.names)
        self.session = session
        self.notes: list[str] = []
        self.speaker = speakers[order]
        self.offsets = np.flatnonzero(np.diff(self.speaker, prepend=-1))
        self.sizes = np.diff(self.offsets, append=self.size)
        labels = [name for name in utterances.columns if name not in ("utterance", "speaker")]
        self.codes = {name: _codes(utterances[name].iloc[order]) for name in labels}
        self.strata = [name for name in dict.fromkeys(strata) if self._usable(name)]

    def _usable(self, name: str) -> bool:
        """Whether speakers can be told apart by a label; raises `UserError` when one speaker has several values."""
        codes = self.codes.get(name)
        if codes is None and name not in ATTRIBUTES:
            raise unknown("label", name, {*self.codes, *ATTRIBUTES})
        if codes is None or not (codes >= 0).any():
            self.notes.append(f"{name} is not known for any speaker: the list is not balanced by it.")
            return False
        if (codes != codes[self.offsets][self.speaker]).any():
            wrong = int(self.speaker[np.flatnonzero(codes != codes[self.offsets][self.speaker])[0]])
            example = self.names[self.offsets[wrong]]
            raise UserError(
                f"The speaker of {example} has several values of {name}.", f"Correct the table, or do not use {name}."
            )
        if missing := int((codes[self.offsets] < 0).sum()):
            self.notes.append(f"{missing} speakers without {name} have no non-target trials.")
        return True

    def sessions(self) -> NDArray[np.int64]:
        """The session [U] of every utterance; one that is not known is a session by itself."""
        codes = self.codes.get(self.session, np.full(self.size, -1))
        return np.where(codes >= 0, codes, self.size + np.arange(self.size))

    def repeated(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> int | None:
        """How many pairs are of one session, None when no session is known."""
        codes = self.codes.get(self.session)
        if codes is None or not (codes >= 0).any():
            return None
        return int(np.count_nonzero((codes[one] == codes[other]) & (codes[one] >= 0)))

    def cells(self) -> dict[tuple[int, ...], list[tuple[NDArray[np.int64], NDArray[np.int64]]]]:
        """For each pattern of shared labels (1 same, 0 different): pairs of speaker groups whose members share so."""
        values = np.array([self.codes[name][self.offsets] for name in self.strata]).reshape(
            len(self.strata), self.sizes.size
        )
        known = np.flatnonzero((values >= 0).all(axis=0))
        groups: dict[tuple[int, ...], list[int]] = {}
        for speaker in known:
            groups.setdefault(tuple(values[:, speaker].tolist()), []).append(int(speaker))
        found: dict[tuple[int, ...], list[tuple[NDArray[np.int64], NDArray[np.int64]]]] = {
            pattern: [] for pattern in product((1, 0), repeat=len(self.strata))
        }
        members = {value: np.array(speakers, np.int64) for value, speakers in groups.items()}
        ordered = sorted(members)
        for place, value in enumerate(ordered):
            for partner in ordered[place:]:
                pattern = tuple(int(a == b) for a, b in zip(value, partner, strict=True))
                found[pattern].append((members[value], members[partner]))
        return found

    def matches(
        self, enrol: NDArray[np.int64], test: NDArray[np.int64], labels: NDArray[np.int8]
    ) -> dict[str, NDArray[np.float32]]:
        """The match columns of all labels that differ anywhere."""
        found = {}
        for name, codes in self.codes.items():
            if codes.max(initial=-1) < 1 and name not in self.strata:
                continue
            same = (codes[enrol] == codes[test]).astype(np.float32)
            same[(codes[enrol] < 0) | (codes[test] < 0)] = np.nan
            if name in self.strata:  # one value per speaker: whatever it is, a speaker shares it with itself
                same[labels == 1] = 1
            found[f"{name.upper()}_MATCH"] = same
        return found


def _codes(column: Any, sort: bool = False) -> NDArray[np.int64]:
    import pandas as pd

    return np.asarray(pd.factorize(column, sort=sort)[0], np.int64)


def _targets(
    table: _Table, quota: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], Stratum]:
    capacity = table.sizes * (table.sizes - 1) // 2
    counts = sampling.spread(quota, capacity, rng)
    first, second = sampling.own_pairs(table.sessions(), counts, table.sizes, table.offsets, rng)
    return first, second, _stratum("targets", quota, counts, capacity)


def _non_targets(
    table: _Table, quota: int, use: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[Stratum]]:
    """Non-targets of all strata, dealing the utterances that targets used least first."""
    cells = table.cells()
    plans, summaries = [], []
    for place, (pattern, groups) in enumerate(cells.items()):
        asked = quota // len(cells) + (place < quota % len(cells))
        first, second, counts = sampling.speaker_pairs(asked, groups, table.sizes, rng)
        labels = ", ".join(f"{name.upper()}_MATCH={same}" for name, same in zip(table.strata, pattern, strict=True))
        pairs = sum(sampling.pairs_of(one, other) for one, other in groups)
        capacity = table.sizes[first] * table.sizes[second]
        name = f"non-targets {labels}".strip()
        summaries.append(_stratum(name, asked, counts, capacity, pairs))
        plans.append((first, second, counts))
    first, second, counts = (np.concatenate([plan[k] for plan in plans]) for k in range(3))
    decks = np.argsort(table.speaker + (use + rng.random(table.size)) / (use.max(initial=0) + 2))
    return *sampling.deal(first, second, counts, table.sizes, decks, table.offsets), summaries


def _stratum(
    name: str, asked: int, counts: NDArray[np.int64], capacity: NDArray[np.int64], groups: int | None = None
) -> Stratum:
    total = counts.size if groups is None else groups
    least = int(counts.min(initial=np.iinfo(np.int64).max)) if counts.size == total and total else 0
    made, most = int(counts.sum()), int(counts.max(initial=0))
    return Stratum(name, asked, made, total, least, most, int(np.count_nonzero(counts == capacity)))
