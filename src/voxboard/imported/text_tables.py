"""Transcripts in tables: with a header (CSV, TSV), and LJSpeech's lines of `id|text|normalised text` without one."""

from __future__ import annotations

import csv
import io
from typing import Any

from voxboard.errors import UserError
from voxboard.imported.text_source import Reading, Row, TextSource, columns, id_column, text_column

_SEPARATORS = ("\t", ",", ";", "|")
_NAMED = ("csv", "tsv")


def recognize(source: TextSource) -> Reading | None:
    """The reading of a table; None for any other text. Raises `UserError` for one whose header lacks id or text."""
    if separator := _header(source):
        ids = tuple(name for _, name, _ in _rows(source, separator))
        shown = {"\t": "tab"}.get(separator, separator)
        return Reading("csv", ids, f"line {source.lines[0][0]} is a header", f"its first line is a header ({shown})")
    reading = _bars(source)
    if reading and not any(len(name.split()) > 1 for name in reading.ids):
        return reading
    if source.suffix == "csv":
        raise UserError(
            f"{source.name} has no columns id and text.", f"Its first line is {source.lines[0][1].strip()[:80]!r}."
        )
    return None


def parse(source: TextSource, format_: str) -> list[Row]:
    """The utterances of a table that is read as csv or as ljspeech. Raises `UserError` with the line."""
    if format_ == "csv":
        separator = _header(source)
        if not separator:
            raise UserError(f"{source.name} has no columns id and text.", "Its first line must be a header.")
        return _rows(source, separator)
    return _ljspeech(source)


def _header(source: TextSource) -> str:
    """Separator of the header; empty where the first line is none."""
    first = source.lines[0][1]
    for separator in _SEPARATORS:
        names = _cells(first, separator)
        named = columns(names)
        if len(names) > 1 and named.ids and named.texts:
            return separator
        partly = len(names) > 1 and (named.ids or named.texts)
        if partly and source.suffix in _NAMED and all(name.strip().isidentifier() for name in names):
            raise UserError(f"{source.name} has no columns id and text.", f"Its header is {','.join(names)[:80]}.")
    return ""


def _cells(line: str, separator: str) -> list[str]:
    """The cells of a line; none of one that the parser refuses, as it is too long."""
    try:
        return next(csv.reader([line], **_dialect(separator)), [])
    except csv.Error:
        return []


def _dialect(separator: str) -> dict[str, Any]:
    """Only commas and semicolons come with quotation marks that mean something."""
    quoting = csv.QUOTE_MINIMAL if separator in ",;" else csv.QUOTE_NONE
    return {"delimiter": separator, "quoting": quoting}


def _rows(source: TextSource, separator: str) -> list[Row]:
    table = csv.reader(io.StringIO(source.text), **_dialect(separator), strict=True)
    header: list[str] = []
    rows: list[Row] = []
    try:
        for cells in table:
            if not any(cell.strip(" -:") for cell in cells):  # blank, or Markdown's line below a header
                continue
            if not header:
                header = _checked(cells, source)
                place = header.index(id_column(columns(header), source))
                text = header.index(text_column(columns(header), source))
            elif len(cells) != len(header):
                raise source.bad(table.line_num, "fields are missing or too many", "Repair the line.")
            else:
                rows.append((table.line_num, cells[place].strip(), cells[text]))
    except csv.Error as error:
        raise source.bad(table.line_num, f"not a row of the table ({error})", "Repair the quotation marks.") from error
    return rows


def _checked(header: list[str], source: TextSource) -> list[str]:
    names = [name.strip().lower() for name in header]
    if twice := next((name for name in names if name and names.count(name) > 1), None):
        raise UserError(f"{source.name} names the column {twice} twice.", "Rename or remove one of them.")
    return header


def bars_after_words(source: TextSource) -> Reading | None:
    """LJSpeech's reading of lines that have blanks before the first bar, which may be ids of other formats too."""
    reading = _bars(source)
    return reading if reading and any(len(name.split()) > 1 for name in reading.ids) else None


def _bars(source: TextSource) -> Reading | None:
    if len({line.count("|") for _, line in source.lines}) > 1 or "|" not in source.lines[0][1]:
        return None
    names = tuple(line.split("|", 1)[0].strip() for _, line in source.lines)
    if not all(names) or len(set(names)) < len(names):
        return None
    shown = f"line 1 is of utterance {names[0]}"
    return Reading("ljspeech", names, shown, "every line has the same number of bars")


def _ljspeech(source: TextSource) -> list[Row]:
    """The last column is the text, which two and three columns agree about; `path|speaker|text` too."""
    rows = []
    for number, line in source.lines:
        cells = line.split("|")
        if len(cells) < 2:
            raise source.bad(number, "no bar separates an id from its text", "A line is id|text|normalised text.")
        rows.append((number, cells[0].strip(), cells[-1]))
    return rows
