"""Score files with a header: NIST SRE, ASVspoof 5, UniPool-SV's list with a column SCORE, and the like.

modelid segmentid side LLR                       nist; the other channel than `a` is another utterance, NAME:b
spk filename cm-score asv-score sasv-score       asvspoof5; the last that has numbers counts
LABEL,SAMPLE1,SAMPLE2,…,SCORE                    table
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from voxboard import text_files
from voxboard.errors import UserError, printable
from voxboard.imported.score_layouts import ADVICE, Read
from voxboard.trials import trial_labels
from voxboard.trials.columns import merged, numbers

_ROLES = {
    "enrol": ("sample1", "enrol", "enroll", "enrollment", "modelid", "model", "spk", "utt1", "file1"),
    "test": ("sample2", "test", "segmentid", "segment", "filename", "utt2", "file2"),
    "score": ("score", "scores", "llr", "sasv-score", "asv-score", "cosine", "similarity"),
    "label": ("label", "targettype", "target", "asv-label"),
    "side": ("side",),
}
_SEPARATORS = ("\t", ",", ";", None)


def header(first: str) -> tuple[str | None, list[str]] | None:
    """The separator (None: white space) and names of a first line that is a header of scores; None for any other."""
    for separator in _SEPARATORS:
        names = first.split() if separator is None else _cells(first, separator)
        roles = [_role(names, role) for role in ("enrol", "test", "score")]
        if len(names) > 2 and all(roles):
            return separator, names
    return None


def read(path: Path, separator: str | None, names: Sequence[str]) -> Read:
    """The scores of a table. Raises `UserError` with the line that is no row, and for a column that comes twice."""
    lowered = [name.strip().lower() for name in names]
    if twice := next((name for name in lowered if lowered.count(name) > 1), None):
        raise UserError(f"{path} names the column {printable(twice)} twice.", "Rename or remove one of them.")
    rows = _rows(path, separator, len(names))
    if not rows:
        raise UserError(f"{path} holds a header and no scores.", "Pass a file with one trial per line.")
    columns = dict(zip(lowered, zip(*rows, strict=True), strict=True))
    picked = {role: next((columns[key] for key in keys if key in columns), None) for role, keys in _ROLES.items()}
    enrol, test, side = picked["enrol"], picked["test"], picked["side"]
    assert enrol is not None
    assert test is not None
    if side is not None:
        test = tuple(
            f"{name}:{one}" if one.lower() not in ("a", "") else name for name, one in zip(test, side, strict=True)
        )
    known, codes = merged([enrol, test], [np.arange(len(rows), dtype=np.int32)] * 2)
    layout = "asvspoof5" if "sasv-score" in columns else "nist" if "llr" in columns else "table"
    return Read(layout, known, codes[0], codes[1], _scores(columns, path), _labels(picked["label"], path))


def _role(names: Sequence[str], role: str) -> str | None:
    lowered = [name.strip().lower() for name in names]
    return next((name for name in _ROLES[role] if name in lowered), None)


def _cells(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator), [])


def _rows(path: Path, separator: str | None, width: int) -> list[list[str]]:
    text = text_files.text(path)
    if separator is None:
        table = ((number, line.split()) for number, line in enumerate(text.split("\n"), start=1))
    else:
        quoting = csv.QUOTE_NONE if separator == "\t" and '"' not in text.split("\n", 1)[0] else csv.QUOTE_MINIMAL
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, quoting=quoting, strict=True)
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
        raise UserError(f"{path} is no table of scores ({error}).", "Repair the quotation marks.") from error
    return rows[1:]


def _scores(columns: dict[str, tuple[str, ...]], path: Path) -> np.ndarray:
    """The first column of scores whose cells are not all `-`, as a system without that score writes them."""
    named = [name for name in _ROLES["score"] if name in columns]
    name = next((name for name in named if set(columns[name]) != {"-"}), named[0])
    values = numbers(np.array(columns[name], object))
    if values is None:
        at = next(at for at, word in enumerate(columns[name]) if numbers(np.array([word], object)) is None)
        raise UserError(f"{path}: the score of trial {at + 1} is {columns[name][at]!r}.", ADVICE)
    return values


def _labels(words: tuple[str, ...] | None, path: Path) -> np.ndarray | None:
    if words is None:
        return None
    try:
        values = {word: trial_labels.words_of([word])[0] for word in set(words)}
    except KeyError as error:
        raise UserError(
            f"{path}: a label is {error.args[0]!r}, neither 0, 1, target nor nontarget.", "Repair the file."
        ) from error
    return np.array([values[word] for word in words], np.int8)
