"""Tables of trials or scores whose header names what each column is, in the words of several toolkits."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxboard import text_files
from voxboard.errors import UserError, printable
from voxboard.trials import trial_labels
from voxboard.trials.columns import merged

ROLES: Mapping[str, Sequence[str]] = {
    "enrol": ("sample1", "enrol", "enroll", "enrollment", "modelid", "model", "spk", "utt1", "file1"),
    "test": ("sample2", "test", "segmentid", "segment", "filename", "utt2", "file2"),
    "score": ("score", "scores", "llr", "sasv-score", "asv-score", "cosine", "similarity"),
    "label": ("label", "targettype", "target", "asv-label"),
    "side": ("side",),
}
_SEPARATORS = ("\t", ",", ";", None)


@dataclass(frozen=True, eq=False)
class NamedTable:
    """The rows of a table by column, all as text; names of columns in lower case."""

    path: Path
    columns: Mapping[str, Sequence[str]]
    size: int

    def role(self, role: str) -> Sequence[str] | None:
        """The column of a role; None where there is none."""
        return next((self.columns[name] for name in ROLES[role] if name in self.columns), None)

    def pairs(self) -> tuple[list[str], NDArray[np.int32], NDArray[np.int32]]:
        """Distinct names, and their numbers [N] on both sides; a segment's other channel than `a` is another name."""
        enrol, test, side = (self.role(role) for role in ("enrol", "test", "side"))
        assert enrol is not None
        assert test is not None
        if side is not None:
            both = zip(test, side, strict=True)
            test = [f"{name}:{channel}" if channel.lower() not in ("a", "") else name for name, channel in both]
        rows = np.arange(self.size, dtype=np.int32)
        names, (one, other) = merged([enrol, test], [rows, rows])
        if "" in names:
            raise UserError(f"{self.path}: an utterance is missing.", "Repair the table.")
        return names, one, other

    def labels(self) -> NDArray[np.int8] | None:
        """The labels [N]; None for a table without. Raises `UserError` for a word that is no label."""
        words = self.role("label")
        if words is None:
            return None
        try:
            values = {word: trial_labels.words_of([word])[0] for word in set(words)}
        except KeyError as error:
            raise UserError(
                f"{self.path}: a label is {printable(error.args[0])!r}, neither 0, 1, target nor nontarget.",
                "Repair the table.",
            ) from error
        return np.array([values[word] for word in words], np.int8)


def header(first: str, roles: Sequence[str]) -> tuple[str | None, list[str]] | None:
    """The separator (None: white space) and the names of a line that names some roles; None for any other."""
    for separator in _SEPARATORS:
        names = _names(first, separator)
        lowered = {name.strip().lower() for name in names}
        if len(names) > 2 and all(not lowered.isdisjoint(ROLES[role]) for role in roles):
            return separator, names
    return None


def _names(first: str, separator: str | None) -> list[str]:
    """The names of a header; none of a line that the parser refuses, as it is too long."""
    try:
        return first.split() if separator is None else next(csv.reader([first], delimiter=separator), [])
    except csv.Error:
        return []


def read(path: Path, separator: str | None, names: Sequence[str]) -> NamedTable:
    """The rows of a table. Raises `UserError` with the line that is no row, and for a column that comes twice."""
    lowered = [name.strip().lower() for name in names]
    if twice := next((name for name in lowered if lowered.count(name) > 1), None):
        raise UserError(f"{path} names the column {printable(twice)} twice.", "Rename or remove one of them.")
    rows = _rows(path, separator, len(names))
    if not rows:
        raise UserError(f"{path} holds a header and no trials.", "Pass a file with one trial per line.")
    return NamedTable(path, dict(zip(lowered, zip(*rows, strict=True), strict=True)), len(rows))


def _rows(path: Path, separator: str | None, width: int) -> list[list[str]]:
    text = text_files.text(path, plain_ends=separator is None)  # quoted names may hold line ends
    if separator is None:
        table = ((number, line.split()) for number, line in enumerate(text.split("\n"), start=1))
    else:
        quoted = separator != "\t" or '"' in text.lstrip().split("\n", 1)[0]
        dialect: dict[str, Any] = {"delimiter": separator, "strict": True}
        dialect["quoting"] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
        reader = csv.reader(io.StringIO(text, newline=""), **dialect)
        table = ((reader.line_num, cells) for cells in reader)
    rows: list[list[str]] = []
    try:
        for number, cells in table:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != width:
                raise UserError(
                    f"{path}, line {number}: {len(cells)} fields where the header has {width}.", "Repair it."
                )
            rows.append(cells)
    except csv.Error as error:
        raise UserError(f"{path} is no table of trials ({error}).", "Repair the quotation marks.") from error
    return rows[1:]
