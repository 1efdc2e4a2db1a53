"""Score files with a header: NIST SRE, ASVspoof 5, UniPool-SV's list with a column SCORE, and the like.

modelid segmentid side LLR                       nist; the other channel than `a` is another utterance, NAME:b
spk filename cm-score asv-score sasv-score       asvspoof5; of these scores the last that has numbers counts
LABEL,SAMPLE1,SAMPLE2,…,SCORE                    table
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voxboard.errors import UserError, printable
from voxboard.imported.score_layouts import ADVICE, Read
from voxboard.trials import named_columns
from voxboard.trials.columns import numbers
from voxboard.trials.named_columns import NamedTable

NEEDED = ("enrol", "test", "score")


def header(first: str) -> tuple[str | None, list[str]] | None:
    """The separator and names of a first line that is a header of scores; None for any other."""
    return named_columns.header(first, NEEDED)


def read(path: Path, separator: str | None, names: Sequence[str]) -> Read:
    """The scores of a table. Raises `UserError` with the line that is no row, and for a column that comes twice."""
    table = named_columns.read(path, separator, names)
    layout = "asvspoof5" if "sasv-score" in table.columns else "nist" if "llr" in table.columns else "table"
    labels, enrol, test = table.pairs()
    return Read(layout, labels, enrol, test, _scores(table), table.labels())


def _scores(table: NamedTable) -> NDArray[np.float64]:
    """The first column of scores whose cells are not all `-`, as a system without that score writes them."""
    named = [name for name in named_columns.ROLES["score"] if name in table.columns]
    words = table.columns[next((name for name in named if set(table.columns[name]) != {"-"}), named[0])]
    values = numbers(np.array(words, object))
    if values is None:
        at = next(at for at, word in enumerate(words) if numbers(np.array([word], object)) is None)
        raise UserError(f"{table.path}: the score of trial {at + 1} is {printable(words[at])!r}.", ADVICE)
    return values
