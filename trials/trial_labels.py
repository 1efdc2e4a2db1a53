"""Labels of trials, in the words that lists and score files use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from voxboard.errors import UserError
from voxboard.trials.columns import Column

SPOOF = 2
WORDS: Mapping[str, int] = {
    **dict.fromkeys(("1", "target", "tgt", "tar", "true", "positive", "same"), 1),
    **dict.fromkeys(("0", "nontarget", "non-target", "imp", "impostor", "non", "false", "negative", "different"), 0),
    "spoof": SPOOF,
}


def of_column(column: Column) -> NDArray[np.int8] | None:
    """Labels [N] of a column in which every word is one: 1, 0, or 2 for a spoofed trial; None for any other."""
    if not column.codes.size:
        return None
    values = [_value(word) for word in column.words]
    if None in values:
        return None
    return np.array(values, np.int8)[column.codes]


def is_binary(column: Column) -> bool:
    """True if a column holds the numbers 0 and 1 alone: labels, or scores that are decisions."""
    return column.numbers is not None and bool(np.isin(column.numbers, (0.0, 1.0)).all())


def refuse_spoof(labels: NDArray[np.int8], name: str) -> None:
    """Raise `UserError` that names the third class where there is one."""
    if count := int((labels == SPOOF).sum()):
        raise UserError(
            f"{name} has {count} trials of a third class, spoof, beside targets and non-targets.",
            "Verification takes two classes: leave the spoofed trials out; all three are the task of SASV (a-DCF).",
        )


def words_of(values: Sequence[str]) -> list[int]:
    """Labels of words. Raises `KeyError` for one that is none."""
    words = [_value(word) for word in values]
    if None in words:
        raise KeyError(values[words.index(None)])
    return [value for value in words if value is not None]


def is_label(word: str) -> bool:
    """True if a word may be read as a label."""
    return _value(word) is not None


def _value(word: str) -> int | None:
    if word.lower() in WORDS:
        return WORDS[word.lower()]
    try:
        number = float(word)
    except ValueError:
        return None
    return int(number) if number in (0.0, 1.0) else None
