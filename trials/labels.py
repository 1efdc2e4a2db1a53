"""Labels as numbers: what every utterance's speaker, session or gender is, in four bytes each."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pandas import Series

# What a person has and an utterance cannot change; any other label (session, age, device …) may vary within a speaker.
OF_SPEAKERS = ("gender", "accent", "region", "nationality")


@dataclass(frozen=True, eq=False)
class Coded:
    """One label of U utterances: `codes` [U] number `values`, −1 where it is not known."""

    codes: NDArray[np.int32]
    values: Sequence[str]

    @classmethod
    def of(cls, labels: Mapping[str, str], names: Sequence[str]) -> Coded:
        """The labels of these utterances, numbered in the order of their text."""
        column = [labels.get(name) for name in names]
        values = sorted({label for label in column if label is not None})
        numbers = {value: number for number, value in enumerate(values)}
        return cls(np.array([-1 if label is None else numbers[label] for label in column], np.int32), values)

    @classmethod
    def of_column(cls, column: Series[Any]) -> Coded:
        """A table's column, numbered as values first appear; an empty text is not known, like a missing value."""
        import pandas as pd

        if isinstance(column.dtype, pd.CategoricalDtype):  # as it stands it is numbered already
            codes, values = np.asarray(column.cat.codes), column.cat.categories.to_numpy(object)
        elif pd.api.types.is_numeric_dtype(column.dtype):
            codes, values = pd.factorize(column.to_numpy())
        else:
            codes, values = _by_runs(column.to_numpy(object))
        if _clean(values):
            return cls(np.asarray(codes, np.int32), list(values))
        # 1 and "1" are one label, whatever the column's type; blanks are none.
        numbers: dict[str, int] = {"": -1}
        merged = [numbers.setdefault(_text(value), len(numbers) - 1) for value in values]
        codes = np.array([*merged, -1], np.int32)[np.asarray(codes)]  # the last for what is missing
        return cls(codes, [value for value in numbers if value])

    def __getitem__(self, chosen: NDArray[Any]) -> Coded:
        """The label of some utterances."""
        return Coded(self.codes[chosen], self.values)

    @property
    def known(self) -> NDArray[np.bool_]:
        """[U] where there is a label."""
        return self.codes >= 0


def _by_runs(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Like `pandas.factorize`; rows that repeat the one before cost a comparison instead of a look-up.

    A million rows sorted by speaker have a few thousand runs of speakers, and as many of every label of a speaker.
    """
    import pandas as pd

    changes = np.ones(values.size, bool)
    with contextlib.suppress(TypeError):  # pandas.NA is neither equal nor unequal to anything
        changes[1:] = values[1:] != values[:-1]
    heads = np.flatnonzero(changes)
    codes, distinct = pd.factorize(values[heads])
    return np.repeat(codes, np.diff(heads, append=values.size)), np.asarray(distinct, object)


def _clean(values: NDArray[Any]) -> bool:
    """True if all values are texts without white space around them, which is how tables mostly are."""
    try:
        return all(values) and list(map(str.strip, values)) == list(values)
    except TypeError:
        return False


def _text(value: Any) -> str:
    """A value as a list writes it: whole numbers without a point, as they are when nothing in a column is missing."""
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else str(int(value)) if float(value).is_integer() else str(value)
    return str(value).strip()
