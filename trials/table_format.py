"""Trial lists with a header: UniPool-SV's CSV and NIST's key differ in names, words and separator only."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxboard.errors import UserError
from voxboard.trials.table import Trials

Names = NDArray[np.object_]
# labels, both sides' names, match columns
Parsed = tuple[NDArray[Any], NDArray[Any], NDArray[Any], dict[str, NDArray[np.floating[Any]]]]


@dataclass(frozen=True)
class Headed:
    """A table of trials: the columns of the label and of both sides, the label's words; all others are numbers.

    With tabs, nothing is quoted, and a file with commas is read too. `side` is the channel of the second name: a test
    segment of the other channel than `a` is another utterance, `NAME:b`.
    """

    label: str
    names: tuple[str, str]
    words: Mapping[str, int]
    separator: str
    side: str = ""

    @property
    def required(self) -> tuple[str, ...]:
        return (self.label, *self.names)

    def recognizes(self, line: str) -> bool:
        """True if a file's first line is this header; one that misses a name is, as it says so best."""
        fields = [field.strip('" ') for field in line.split(self._separator(line))]
        return len(fields) > 1 and self.label in fields

    def parse(self, data: bytes, path: Path) -> Parsed:
        import pandas as pd

        head = next(line for line in lines(data, path) if line.strip())
        separator = self._separator(head)
        header = next(csv.reader([head], **self._dialect(separator)))
        if missing := [name for name in self.required if name not in header]:
            raise UserError(
                f"{path} has no column {', '.join(missing)}.", f"The header has {', '.join(self.required)}."
            )
        if len(set(header)) < len(header):
            raise UserError(f"{path} names a column twice in its header.", "Rename or remove one of them.")
        try:
            table = pd.read_csv(
                io.BytesIO(data), header=0, sep=separator, na_values=[""], keep_default_na=False,
                float_precision="round_trip", quoting=self._dialect(separator).get("quoting", csv.QUOTE_MINIMAL),
                dtype={name: np.float64 if self._is_match(name) else object for name in header},
            )  # fmt: skip
        except (ValueError, UnicodeDecodeError) as error:
            raise self._blame(data, path, header, separator) from error
        labels = table[self.label].map(self.words)
        if (
            labels.isna().any()
            or table[list(self.names)].isna().any(axis=None)
            or not _even(data, len(table), len(header), separator)
        ):
            raise self._blame(data, path, header, separator)
        first, second = (table[name].to_numpy(object) for name in self.names)
        if self.side in header:
            second = _with_side(second, table[self.side].fillna("a").to_numpy(object))
        matches = {name: table[name].to_numpy() for name in header if self._is_match(name)}
        return labels.to_numpy(np.int8), first, second, matches

    def render(self, trials: Trials) -> str:
        names = [self._written(name) for name in trials.utterances]
        first, second = _gathered(names, trials)
        words = np.array(sorted(self.words, key=self.words.__getitem__), object)[trials.labels]
        # UniPool-SV puts the label first, NIST the names.
        columns = {self.label: words, self.names[0]: first, self.names[1]: second}
        if self.side:
            side = np.full(len(trials), "a", object)
            columns = {self.names[0]: first, self.names[1]: second, self.side: side, self.label: words}
        columns |= {name: _numbers(column) for name, column in trials.matches.items()}
        header = self.separator.join(columns)
        return "\n".join([header, *map(self.separator.join, zip(*columns.values(), strict=True)), ""])

    def _separator(self, line: str) -> str:
        return self.separator if self.separator in line else ","

    def _dialect(self, separator: str) -> dict[str, Any]:
        return {"delimiter": separator, **({"quoting": csv.QUOTE_NONE} if separator == "\t" else {})}

    def _is_match(self, name: str) -> bool:
        """True if a column holds numbers. NIST's own further columns are words (gender, Y or N) and are left out."""
        return name not in (*self.required, self.side) and (not self.side or name.endswith("_MATCH"))

    def _written(self, name: str) -> str:
        if self.separator == ",":
            return '"' + name.replace('"', '""') + '"' if not name or any(c in name for c in ',"\r\n') else name
        if not name or any(mark in name for mark in "\t\r\n") or name != name.strip('" '):
            raise UserError(
                f"{name!r} cannot stand in a table that is separated by tabs.", "Write a .csv file instead."
            )
        return name

    def _blame(self, data: bytes, path: Path, header: list[str], separator: str) -> UserError:
        rows = csv.reader(lines(data, path), **self._dialect(separator))
        started = False
        for row in rows:
            if not row:
                continue
            if started and (problem := self._problem(row, header)):
                return UserError(f"{path}, line {rows.line_num}: {problem}.", f"The columns are {','.join(header)}.")
            started = True
        return UserError(f"{path} cannot be read as a trial list.", f"The columns are {','.join(header)}.")

    def _problem(self, row: list[str], header: list[str]) -> str | None:
        """Problem of one row, if any."""
        if len(row) != len(header):
            return f"{len(row)} fields where the header has {len(header)}"
        cells = dict(zip(header, row, strict=True))
        if cells[self.label] not in self.words:
            return f"the label is {cells[self.label]!r}, not {' or '.join(self.words)}"
        if any(cells[name] == "" for name in self.names):
            return "an utterance is missing"
        for name, value in cells.items():
            if self._is_match(name) and value:
                try:
                    float(value)
                except ValueError:
                    return f"{name} is {value!r}, not a number"
        return None


def sides(trials: Trials) -> tuple[Names, Names]:
    """The names [N] of both sides."""
    return _gathered(trials.utterances, trials)


def lines(data: bytes, path: Path) -> list[str]:
    """A file's lines. Raises `UserError` with the line that is not UTF-8."""
    try:
        return data.decode().splitlines()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(f"{path}, line {line}: not UTF-8 text.", "Convert the file to UTF-8.") from error


def _gathered(names: Any, trials: Trials) -> tuple[Names, Names]:
    column = np.array([*names, None], object)[:-1]
    return column[trials.enrol], column[trials.test]


def _with_side(names: Names, channels: Names) -> Names:
    return np.array(
        [
            name if channel in ("a", "") else f"{name}:{channel}"
            for name, channel in zip(names, channels, strict=True)
        ] + [None], object
    )[:-1]  # fmt: skip


def _even(data: bytes, rows: int, columns: int, separator: str) -> bool:
    """True if no line is too short (pandas would fill it up) or too long (it would make an index of the surplus)."""
    quoted = separator == "," and b'"' in data
    return quoted or data.count(separator.encode()) == (rows + 1) * (columns - 1)


def _numbers(column: NDArray[np.floating[Any]]) -> Names:
    """A match column as text: whole numbers without a point where all are whole, blanks for NaN."""
    values, places = np.unique(column, return_inverse=True)
    finite = values[~np.isnan(values)]
    whole = bool(np.all(np.isfinite(finite) & (finite == np.round(finite))))
    text = ["" if np.isnan(value) else str(int(value)) if whole else repr(value.item()) for value in values]
    return np.array(text, object)[places]
