"""Trial lists without a header, told from all their columns.

1|0 path path                  voxceleb    VoxCeleb, VoxSRC
enrol test target|nontarget    kaldi       Kaldi, WeSpeaker, BOSARIS text
enrol test 1|0                 cn-celeb    CN-Celeb
enrol*test 1|0                 espnet      ESPnet-SPK
model utterance key class      sasv        ASVspoof 2019, SASV: the class may be spoof, which is refused by name
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voxboard.errors import UserError
from voxboard.trials import columns, trial_labels
from voxboard.trials.columns import Column, Columns
from voxboard.trials.named_columns import NamedTable

log = logging.getLogger("voxboard")

LONG = 1_000_000  # lines of a list that is not read again to find the line that is wrong
_CLASSES = {"target", "nontarget", "spoof"}


@dataclass(frozen=True, eq=False)
class Plain:
    """A list: the layout it is in, labels [N], and distinct names with their numbers [N] on both sides."""

    layout: str
    labels: NDArray[np.int8]
    names: list[str]
    enrol: NDArray[np.int32]
    test: NDArray[np.int32]


def read(path: Path) -> Plain | None:
    """Read a list; None for one that fits no layout and is short enough for a closer look at its lines.

    Raises `UserError` for one that has spoofed trials, or that is too long for that.
    """
    try:
        table = columns.read(path)
    except columns.NoColumns as error:
        if columns.count_lines(path) > LONG:
            raise UserError(f"{path} is no trial list: {error.problem}", "Each line is one trial.") from error
        return None
    fits = [fit for fit in _fits(table) if fit is not None]
    if not fits and table.size > LONG:
        raise UserError(f"{path} is no trial list (it starts with {table.line(0)!r}).", "Each line is one trial.")
    return _arranged(path, *_likeliest(table, fits)) if fits else None


def of_table(table: NamedTable) -> Plain:
    """The list of a table with a header. Raises `UserError` for spoofed trials and what is no label."""
    labels = table.labels()
    assert labels is not None
    trial_labels.refuse_spoof(labels, str(table.path))
    return Plain("table", labels, *table.pairs())


def _likeliest(table: Columns, fits: Sequence[Fit]) -> Fit:
    """Of lines that both begin and end with a label: labels in words, else the reading whose names are no numbers.

    Where that does not tell either, the first column is the label, which the log says.
    """
    worded = [fit for fit in fits if fit[2].numbers is None]
    named = [fit for fit in fits if all(side.numbers is None for side in fit[1])]
    for some in (fits, worded, named):
        if len(some) == 1:
            return some[0]
    log.warning("%s is read as %s, though it fits %s too.", table.path, fits[0][0], fits[1][0])
    return fits[0]


Fit = tuple[str, Sequence[Column], Column]  # layout, names of both sides (or of the pair), label


def _fits(table: Columns) -> list[Fit | None]:
    one = table.columns
    if len(one) == 2:
        paired = all(word.count("*") == 1 for word in one[0].words)
        return [("espnet", one[:1], one[1])] if paired and _binary(one[1]) else []
    if len(one) == 4:
        classes = {word.lower() for word in one[3].words} <= _CLASSES
        return [("sasv", one[:2], one[3])] if classes else []
    if len(one) != 3:
        return []
    first, last = one[0], one[2]
    return [
        ("voxceleb", one[1:], first) if _labels(first) else None,
        (("cn-celeb" if last.numbers is not None else "kaldi"), one[:2], last) if _labels(last) else None,
    ]


def _binary(column: Column) -> bool:
    return bool(column.codes.size) and trial_labels.is_binary(column)


def _labels(column: Column) -> bool:
    return trial_labels.of_column(column) is not None


def _arranged(path: Path, layout: str, sides: Sequence[Column], label: Column) -> Plain:
    import pandas as pd

    labels = trial_labels.of_column(label)
    assert labels is not None
    trial_labels.refuse_spoof(labels, str(path))
    if len(sides) == 1:
        pairs = [word.split("*") for word in sides[0].words]
        words = [[pair[side] for pair in pairs] for side in (0, 1)]
        codes = [sides[0].codes] * 2
    else:
        words, codes = [list(side.words) for side in sides], [side.codes for side in sides]
    names, numbered = columns.merged(words, codes)
    interleaved = np.empty(2 * labels.size, np.int32)
    interleaved[0::2], interleaved[1::2] = numbered
    order, places = pd.factorize(interleaved)  # by first appearance in the list
    numbers = np.asarray(order, np.int32)
    return Plain(layout, labels, [names[place] for place in places], numbers[0::2], numbers[1::2])
