"""Lines of a few fields, as columns of numbers: millions of them are read piece by piece.

A column is its distinct words and, for every line, which of them stands there; and its numbers, where all are numbers.
"""

from __future__ import annotations

import csv
import io
import logging
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from voxboard import text_files
from voxboard.errors import UserError, printable

if TYPE_CHECKING:
    from pandas import DataFrame

log = logging.getLogger("voxboard")

WIDEST = 6
BLOCK = 1_000_000  # lines
SLOW = 5  # seconds of reading that are worth a word
CROWDED = 4_000_000  # distinct numbers beyond which a column of numbers is no column of names
_WORD_BYTES = 200  # of a distinct word, in a list and in a dictionary


@dataclass(frozen=True, eq=False)
class Column:
    """Distinct `words` in order of appearance, the `codes` [N] of them, and `numbers` [N] where all are numbers."""

    words: Sequence[str]
    codes: NDArray[np.int32]
    numbers: NDArray[np.float64] | None

    def at(self, row: int) -> str:
        return self.words[self.codes[row]] if self.codes.size else repr(self.numbers[row])  # type: ignore[index]


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns [2 … 6] of a file whose lines all have the same number of fields."""

    path: Path
    columns: tuple[Column, ...]
    size: int

    def line(self, row: int) -> str:
        """A line as it stood, for messages."""
        return printable(" ".join(column.at(row) for column in self.columns))[:80]


class NoColumns(UserError):
    """A file that is no table of a few fields a line."""


def first_line(path: Path) -> str:
    """The first line of a file that says something; empty where none does. Raises `UserError`."""
    return _surveyed(path)[0]


def count_lines(path: Path) -> int:
    """Count the lines of a file. Raises `UserError`."""
    return _surveyed(path)[1]


def read(path: Path) -> Columns:
    """Read a file of fields that are separated by white space, by tabs, or by commas.

    Raises `NoColumns` that names the line whose number of fields is another one, and `UserError` for what memory cannot
    hold.
    """
    first, count = _surveyed(path)
    width = len(_fields(first))
    if not 2 <= width <= WIDEST:
        shown = f"line 1, {printable(first[:80])!r}, has {width} fields." if first else "it is empty."
        raise NoColumns(shown, "Two to six are due.")
    if count * width * 12 > text_files.available() // 2:
        raise UserError(f"{path} has {count:,} lines, which the memory cannot take.", "Score a part of the list.")
    builders = [_Builder(path) for _ in range(width)]
    size, started = 0, time.perf_counter()
    for table in _tables(path, first, width):
        if (short := (table.isna() | (table == "")).any(axis=1).to_numpy()).any():
            row = size + int(np.flatnonzero(short)[0])
            raise _uneven(row, width)
        for place, builder in enumerate(builders):
            builder.add(table[place].to_numpy(object))
        size += len(table)
        if size == len(table):
            _forecast(path, count, size, time.perf_counter() - started)
    return Columns(path, tuple(builder.column() for builder in builders), size)


def _forecast(path: Path, count: int, size: int, seconds: float) -> None:
    rest = seconds * (count / size - 1)
    if rest > SLOW:
        log.info("%s has %s lines: reading them takes about %d s.", path, f"{count:,}", round(rest))


def _surveyed(path: Path) -> tuple[str, int]:
    """The first line that says something, and how many lines there are."""
    head, count, last = b"", 0, b"\n"
    with text_files.opened(path) as file:
        source = _narrow(file, path)
        while block := source.read(text_files.BLOCK):
            block = text_files.as_utf8(block, path)
            if not head.strip():
                head = block
            count += block.count(b"\n")
            last = block[-1:]
    first = next((line for line in head.splitlines() if line.strip()), b"")
    return first.decode("utf-8", "replace").strip("\r\n"), count + (last != b"\n")


def _separator(first: str) -> str:
    """Tabs only where they part other fields than white space does: names may hold blanks then."""
    tabs = first.count("\t")
    if tabs > 1 and tabs + 1 < len(first.replace("\t", " ").split(" ")):
        return "\t"
    return "," if "," in first and not re.search(r"[ \t]", first.strip()) else r"\s+"


def _fields(first: str) -> list[str]:
    separator = _separator(first)
    return re.split(r"[ \t]+", first.strip(" \t")) if separator == r"\s+" else first.split(separator)


def _tables(path: Path, first: str, width: int) -> Iterator[DataFrame]:
    import pandas as pd

    with text_files.opened(path) as file:
        options: dict[str, Any] = {"sep": _separator(first), "header": None, "names": list(range(width + 1))}
        options |= {"quoting": csv.QUOTE_NONE, "dtype": object, "na_filter": False, "chunksize": BLOCK}
        options["skipinitialspace"] = options["sep"] != "\t"
        try:
            for table in pd.read_csv(_narrow(file, path), encoding="utf-8-sig", **options):
                if (long := (~table[width].isna() & (table[width] != "")).to_numpy()).any():
                    raise _uneven(int(table.index[np.flatnonzero(long)[0]]), width)
                yield table.drop(columns=width)
        except UnicodeDecodeError as error:
            raise NoColumns("it is not UTF-8 text.", "Convert the file to UTF-8.") from error
        except ValueError as error:  # pandas' ParserError is one
            reason = " ".join(str(error).split())[:120]
            raise NoColumns(f"not every line has {width} fields ({reason}).", "Each line is one trial.") from error


def _narrow(file: IO[bytes], path: Path) -> IO[bytes]:
    """A file in UTF-8: one in UTF-16 is converted as a whole."""
    start = file.read(2)
    file.seek(0)
    return io.BytesIO(text_files.content(path)) if start in (b"\xff\xfe", b"\xfe\xff") else file


def _uneven(row: int, width: int) -> NoColumns:
    """The error for a row with fewer or more fields than the first; blank ones are not counted."""
    return NoColumns(f"trial {row + 1} has not {width} fields, as the first one has.", "Each line is one trial.")


class _Builder:
    """A column in the making."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.places: dict[str, int] = {}
        self.codes: list[NDArray[np.int32]] | None = []
        self.numbers: list[NDArray[np.float64]] | None = []
        self.most = text_files.available() // 4 // _WORD_BYTES

    def add(self, words: NDArray[np.object_]) -> None:
        import pandas as pd

        local, distinct = pd.factorize(words)
        if self.numbers is not None:
            values = numbers(distinct)
            self.numbers = None if values is None else [*self.numbers, values[local]]
        if self.codes is not None:
            places = self.places
            codes = np.fromiter((places.setdefault(word, len(places)) for word in distinct), np.int64, len(distinct))
            self.codes.append(codes[local].astype(np.int32))
            if len(places) > CROWDED and self.numbers is not None:
                self.codes, self.places = None, {}
            elif len(places) > self.most:
                raise UserError(
                    f"{self.path} has more than {self.most:,} distinct names, which the memory cannot take.",
                    "Score a part of the list.",
                )
        elif self.numbers is None:
            raise UserError(f"{self.path}: a column of numbers ends in other words.", "Check the last lines.")

    def column(self) -> Column:
        codes = np.concatenate(self.codes) if self.codes else np.empty(0, np.int32)
        return Column(list(self.places), codes, np.concatenate(self.numbers) if self.numbers else None)


def numbers(words: Any) -> NDArray[np.float64] | None:
    """Words as numbers [n], exactly; None where one is none. `1_000` is a name."""
    try:
        values = np.asarray(words, object).astype(np.float64)
    except (ValueError, TypeError):
        return None
    return None if any("_" in word for word in words) else values


def merged(
    sides: Sequence[Sequence[str]], codes: Sequence[NDArray[np.int32]]
) -> tuple[list[str], list[NDArray[np.int32]]]:
    """The names of both sides under one numbering."""
    places: dict[str, int] = {}
    numbered = []
    for words, own in zip(sides, codes, strict=True):
        merged_codes = np.array([places.setdefault(word, len(places)) for word in words], np.int32)
        numbered.append(merged_codes[own] if merged_codes.size else own)
    return list(places), numbered
