"""Tables of names and labels: CSV, or separated by tabs, semicolons or bars, with quotation marks meant or not.

Spreadsheets quote cells that hold a separator; Common Voice, LJSpeech and people who write a table by hand do not, so
that a quotation mark is one of the sentence. Which of the two a file means shows in its cells: every row has as many as
the header. No row is lost for the sake of the other reading.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voxboard.errors import UserError, printable

SEPARATORS = ",\t;|"
LARGEST = 4 << 30  # bytes of a table
CELL = 1 << 24  # characters of a cell
SHAPE = "It is to be a CSV file in UTF-8."


@dataclass(frozen=True)
class Table:
    """The names of the columns and the cells below them, as text without white space around; all rows are as long."""

    header: list[str]
    rows: list[list[str]]

    def dicts(self) -> list[dict[str, str]]:
        """The rows by column; columns without a name are left out."""
        places = [(place, name) for place, name in enumerate(self.header) if name]
        return [{name: row[place] for place, name in places} for row in self.rows]


def read(path: Path, separators: str = SEPARATORS, quoted: bool = True) -> Table:
    """Read a table, whose separator is that of `separators` which its first line has most of; BOM or not.

    Without `quoted`, quotation marks are always those of sentences. Raises `UserError` that names the file and line for
    one that cannot be read, has a column twice, or has a row with more cells than columns.
    """
    text = text_of(path)
    lines = _lines(text)
    if not lines:
        return Table([], [])
    separator = max(separators, key=lines[0][1].count)
    csv.field_size_limit(CELL)
    by_line = [(number, _cells(line, separator) if quoted else line.split(separator)) for number, line in lines]
    header = [name.strip() for name in by_line[0][1]]
    while header and not header[-1]:
        header.pop()
    _check_header(header, path)
    rows = _rows(text if quoted else "", by_line, separator, header, path)
    return Table(header, [[cell.strip() for cell in row] for row in rows if any(map(str.strip, row))])


def text_of(path: Path) -> str:
    """Return a text file's content. Raises `UserError` for one that is not there, is no UTF-8, or is a pipe."""
    if not path.is_file():
        raise UserError(f"{path} cannot be read: it is no regular file.", SHAPE)
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path} cannot be read: it is larger than {LARGEST >> 30} GB.", SHAPE)
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.", SHAPE) from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} cannot be read: {error}.", SHAPE) from error


def _lines(text: str) -> list[tuple[int, str]]:
    """Lines as editors number them, but for empty ones; `splitlines` also splits at characters that sentences hold."""
    ended = text.replace("\r\n", "\n")
    lines = ended.split("\n" if "\n" in ended else "\r")
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip()]


def _cells(line: str, separator: str) -> list[str]:
    """The cells of one line: without the quotation marks around whole cells, or as it stands where they do not pair."""
    if '"' not in line:
        return line.split(separator)
    try:
        return next(csv.reader([line], delimiter=separator, strict=True))
    except csv.Error:
        return line.split(separator)


def _check_header(header: Sequence[str], path: Path) -> None:
    for place, name in enumerate(header):
        if name and name in header[:place]:
            raise UserError(f"{path} has the column {printable(name)} twice.", "Rename one of them.")


def _rows(
    text: str, by_line: Sequence[tuple[int, list[str]]], separator: str, header: Sequence[str], path: Path
) -> list[list[str]]:
    """The rows below the header, all as long as that: a line each, or with line breaks inside of quoted cells."""
    width = len(header)
    lined = [_trimmed(row, width) for _, row in by_line[1:]]
    if all(len(row) == width for row in lined):
        return lined
    quoted = [_trimmed(row, width) for row in _quoted(text, separator)[1:]] if '"' in text else []
    if quoted and all(len(row) == width for row in quoted):
        return quoted
    for rows in (lined, quoted):
        if rows and all(len(row) <= width for row in rows):  # editors leave empty cells at the end out
            return [[*row, *[""] * (width - len(row))] for row in rows]
    number, row = next((number, row) for (number, _), row in zip(by_line[1:], lined, strict=True) if len(row) > width)
    raise UserError(
        f"{path}, line {number}, has {len(row)} cells where the header has {width}: "
        f"{printable(separator.join(row))[:80]}.",
        "Put cells that hold the separator into quotation marks, or correct the line.",
    )


def _quoted(text: str, separator: str) -> list[list[str]]:
    """All rows as spreadsheets write them; nothing where the quotation marks do not pair so."""
    try:
        return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True) if row]
    except csv.Error:
        return []


def _trimmed(row: list[str], width: int) -> list[str]:
    """A row without the empty cells beyond the header's, which separators at the end of a line make."""
    end = len(row)
    while end > width and not row[end - 1].strip():
        end -= 1
    return row[:end]
