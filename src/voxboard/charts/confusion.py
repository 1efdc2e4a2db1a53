"""Confusion matrices, ready to be drawn: every true class's row in percent, and the pairs that are mixed up most."""

from __future__ import annotations

from dataclasses import dataclass

from voxboard.charts.numbers import count, number, plain
from voxboard.records import Confusion

LARGEST = 24  # classes that a picture has room for; of more only the worst pairs are told
SHADES = 10
_PAIRS = 12


@dataclass(frozen=True)
class MatrixField:
    """One cell: how often a true class was taken for a class."""

    times: int
    share: float  # of the true class's utterances
    text: str  # percent, without decimals; "<1" and ">99" where that would hide one
    shade: int  # 0 (never) to 10 (always)
    hint: str  # "female taken for male: 12 of 210 (5.7 %)"
    right: bool


@dataclass(frozen=True)
class MatrixLine:
    """One true class."""

    name: str
    total: int
    fields: tuple[MatrixField, ...]


@dataclass(frozen=True)
class LabelPair:
    """A mistake that is made often."""

    true: str
    taken: str
    times: int
    text: str  # "12 of 210 (5.7 %)"


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix, drawn by `lines` where it is small enough, else told by its worst `pairs`."""

    classes: tuple[str, ...]
    lines: tuple[MatrixLine, ...]
    pairs: tuple[LabelPair, ...]

    @property
    def drawn(self) -> bool:
        return len(self.classes) <= LARGEST


def matrix(confusion: Confusion | None) -> Matrix | None:
    """The matrix of a record; None without one, or with nothing in it."""
    if confusion is None or not any(map(sum, confusion.counts)):
        return None
    names = tuple(map(plain, confusion.classes))
    lines = (
        tuple(_line(names, place, row) for place, row in enumerate(confusion.counts)) if len(names) <= LARGEST else ()
    )
    return Matrix(names, lines, _pairs(names, confusion.counts))


def _line(names: tuple[str, ...], place: int, row: tuple[int, ...]) -> MatrixLine:
    total = sum(row)
    return MatrixLine(
        names[place], total, tuple(_field(names, place, taken, row[taken], total) for taken in range(len(row)))
    )


def _field(names: tuple[str, ...], true: int, taken: int, times: int, total: int) -> MatrixField:
    share = times / total if total else 0.0
    text = "" if not times else "<1" if share < 0.01 else ">99" if 0.99 < share < 1 else number(100 * share, 0)
    shade = 0 if not times else max(1, round(SHADES * share))
    hint = f"{names[true]} taken for {names[taken]}: {_of(times, total)}"
    return MatrixField(times, share, text, shade, hint, true == taken)


def _pairs(names: tuple[str, ...], counts: tuple[tuple[int, ...], ...]) -> tuple[LabelPair, ...]:
    """The mistakes that are made most often, ties in the order of the classes."""
    wrong = [
        (-times, true, taken)
        for true, row in enumerate(counts)
        for taken, times in enumerate(row)
        if times and true != taken
    ]
    return tuple(
        LabelPair(names[true], names[taken], -times, _of(-times, sum(counts[true])))
        for times, true, taken in sorted(wrong)[:_PAIRS]
    )


def _of(times: int, total: int) -> str:
    share = f" ({number(100 * times / total, 1)} %)" if total else ""
    return f"{count(times)} of {count(total)}{share}"
