"""Scores of trials that others computed, whatever their file looks like, in the order of a list."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from voxboard.errors import UserError, printable
from voxboard.imported import score_layouts, score_tables
from voxboard.imported.score_layouts import Read
from voxboard.trials import columns, trial_labels
from voxboard.trials.resolve import bare

if TYPE_CHECKING:
    from voxboard.trials import Trials

log = logging.getLogger("voxboard")


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores [N] of pairs of names, with labels [N] where the file has them."""

    read: Read
    path: Path

    @property
    def layout(self) -> str:
        return self.read.layout

    @property
    def scores(self) -> NDArray[np.float64]:
        return self.read.scores

    @property
    def labels(self) -> NDArray[np.int8] | None:
        return self.read.labels

    def trials(self) -> Trials:
        """The list that the file itself tells. Raises `UserError` for a file without labels, or with spoofed trials."""
        from voxboard.trials import Trials

        if self.labels is None:
            raise UserError(f"{self.path} has no labels.", "Name the list with --trials FILE.")
        trial_labels.refuse_spoof(self.labels, str(self.path))
        return Trials(self.read.names, self.read.enrol, self.read.test, self.labels, name=self.path.name)

    def of(self, trials: Trials) -> NDArray[np.float64]:
        """The scores [N] in the order of a list; a pair that the file has the other way round counts as it stands.

        Raises `UserError` for a trial without a score, a score without a trial, two unequal scores of one trial, and a
        label that the list contradicts.
        """
        enrol, test = self._in_list(trials)
        size = len(trials.utterances)
        given = enrol.astype(np.int64) * size + test
        given[(enrol < 0) | (test < 0)] = -1
        keys, first, groups = np.unique(given, return_index=True, return_inverse=True)
        self._refuse_unequal(first, groups)
        straight, turned = (np.int64(size) * a + b for a, b in _both(trials))
        places, matched = _looked_up(keys, straight)
        back, reverse = _looked_up(keys, turned)
        rows = first[np.where(matched, places, back)] if keys.size else places
        if not (scored := matched | reverse).all():
            missing = np.flatnonzero(~scored)
            raise UserError(
                f"{self.path} has no score for {missing.size} of {len(trials)} trials (first: "
                f"{_shown(trials, int(missing[0]))}).",
                "Score the whole list, with the names as the list has them.",
            )
        if count := int((reverse & ~matched).sum()):
            log.info("%s has %d trials with their sides the other way round.", self.path, count)
        self._refuse_others(given, np.concatenate([straight, turned]))
        if self.labels is not None:
            trial_labels.refuse_spoof(self.labels, str(self.path))
            if (self.labels[rows] != trials.labels).any():
                raise UserError(f"{self.path} and the list disagree about labels.", "Is it another list?")
        return np.asarray(self.scores[rows])

    def _in_list(self, trials: Trials) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Both sides as numbers of the list's utterances, -1 for those that it lacks."""
        numbers = {name: place for place, name in enumerate(trials.utterances)}
        if numbers and not any(name in numbers for name in self.read.names):
            plain = {bare(name): place for name, place in numbers.items()}
            names = {bare(name) for name in self.read.names}
            if len(plain) == len(numbers) and len(names) == len(self.read.names):  # they differ in audio suffixes alone
                codes = np.array([plain.get(bare(name), -1) for name in self.read.names], np.int64)
                return codes[self.read.enrol], codes[self.read.test]
        codes = np.array([numbers.get(name, -1) for name in self.read.names], np.int64)
        return codes[self.read.enrol], codes[self.read.test]

    def _refuse_unequal(self, first: NDArray[np.intp], groups: NDArray[np.intp]) -> None:
        """Raise for a pair with two scores; of names that the list lacks, the pairs are looked at one by one."""
        if first.size == groups.size:
            return
        twice = self.scores != self.scores[first[groups]]
        pairs = (
            np.stack([self.read.enrol, self.read.test]) != np.stack([self.read.enrol, self.read.test])[:, first[groups]]
        )
        if (unequal := np.flatnonzero(twice & ~pairs.any(axis=0))).size:
            pair = (self.read.names[side[unequal[0]]] for side in (self.read.enrol, self.read.test))
            raise UserError(
                f"{self.path} scores {printable(' '.join(pair))} twice, and differently.",
                "Keep one score of each trial.",
            )

    def _refuse_others(self, given: NDArray[np.int64], wanted: NDArray[np.int64]) -> None:
        strange = (given < 0) | ~np.isin(given, wanted)
        if not strange.any():
            return
        pairs = np.stack([self.read.enrol[strange], self.read.test[strange]])
        count = np.unique(pairs, axis=1).shape[1]
        raise UserError(f"{self.path} scores {count} pairs that are no trial of the list.", "Is it another list?")


def read(path: str | Path, trials: Trials | None = None, format: str = "") -> Scores:  # noqa: A002
    """Read a file of scores; the layout is found from all lines, and from the names of `trials` where several fit.

    `format` names it: one of `score_layouts.LAYOUTS`, or `table`. Raises `UserError` that names the file.
    """
    path = Path(path)
    first = columns.first_line(path)
    if not first:
        raise UserError(f"{path} is no file of scores: there are no scores in it.", score_layouts.ADVICE)
    headed = score_tables.header(first) if format in ("", "table") else None
    if headed is not None:
        table = score_tables.read(path, *headed)
    elif format == "table":
        raise UserError(f"{path} has no header with the names of scores.", score_layouts.ADVICE)
    else:
        table = score_layouts.arranged(_columns(path), () if trials is None else trials.utterances, format)
    bad = np.flatnonzero(np.isnan(table.scores))
    if bad.size:
        raise UserError(f"{path}: the score of trial {bad[0] + 1} is nan.", "Scores are numbers.")
    return Scores(table, path)


def _columns(path: Path) -> columns.Columns:
    try:
        return columns.read(path)
    except columns.NoColumns as error:
        raise UserError(f"{path} is no file of scores: {error.problem}", score_layouts.ADVICE) from error


def _both(trials: Trials) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...]:
    enrol, test = trials.enrol.astype(np.int64), trials.test.astype(np.int64)
    return (enrol, test), (test, enrol)


def _looked_up(keys: NDArray[np.int64], wanted: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Positions of wanted keys among sorted ones, and a mask of those that are there."""
    places = np.minimum(np.searchsorted(keys, wanted), max(keys.size - 1, 0))
    return places, keys[places] == wanted if keys.size else np.zeros(wanted.size, np.bool_)


def _shown(trials: Trials, place: int) -> str:
    return printable(" ".join(trials.utterances[side[place]] for side in (trials.enrol, trials.test)))


def linked(trials: Trials) -> NDArray[np.int32]:
    """A number [U] per utterance, the same for utterances that target trials link: they have the same speaker.

    Where a list does not tell speakers this is as near as it comes: a speaker whose utterances are in no chain of
    target trials counts as several.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    size, same = len(trials.utterances), trials.labels == 1
    ones = np.ones(int(same.sum()), np.int8)
    graph = csr_array((ones, (trials.enrol[same], trials.test[same])), shape=(size, size))
    return np.asarray(connected_components(graph, directed=False)[1], np.int32)
