"""The file formats of trial lists: how each is recognised, read and written.

Reading is strict: a line with too few or too many fields, or with an unknown label, is an error with its number.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from voxboard.errors import UserError

if TYPE_CHECKING:
    from voxboard.trials.table import Trials

Names = NDArray[np.object_]
# labels, both sides' names, match columns
Parsed = tuple[NDArray[Any], NDArray[Any], NDArray[Any], dict[str, NDArray[np.floating[Any]]]]
REQUIRED = ("LABEL", "SAMPLE1", "SAMPLE2")


@dataclass(frozen=True)
class Format:
    """One way of writing trials; `recognises` sees the first line that is not blank."""

    example: str
    recognises: Callable[[str], bool]
    parse: Callable[[bytes, Path], Parsed]
    render: Callable[[Trials], str]


@dataclass(frozen=True)
class _Columns:
    """Lines of three fields separated by white space: where the label stands and what it says."""

    label: int
    words: Mapping[str, int]

    def recognises(self, line: str) -> bool:
        fields = line.split()
        return len(fields) == 3 and fields[self.label] in self.words

    def parse(self, data: bytes, path: Path) -> Parsed:
        import pandas as pd

        try:
            # A fourth column shows lines that are too long; the parser itself refuses more than four.
            table = pd.read_csv(
                io.BytesIO(data), sep=r"\s+", header=None, names=[0, 1, 2, 3], dtype=object, na_filter=False,
                quoting=csv.QUOTE_NONE,
            )  # fmt: skip
        except (ValueError, UnicodeDecodeError) as error:  # pandas' ParserError is a ValueError
            raise self._blame(data, path) from error
        labels = table[self.label].map(self.words)
        if labels.isna().any() or (table[2] == "").any() or (table[3] != "").any():
            raise self._blame(data, path)
        first, second = (table[side].to_numpy() for side in (0, 1, 2) if side != self.label)
        return labels.to_numpy(np.int8), first, second, {}

    def _blame(self, data: bytes, path: Path) -> UserError:
        fields = ["utterance", "utterance"]
        fields.insert(self.label, "label")
        for number, line in enumerate(_lines(data, path), start=1):
            parts = line.split()
            if parts and (len(parts) != 3 or parts[self.label] not in self.words):
                return UserError(
                    f"{path}, line {number}: {line.strip()[:80]!r} is no trial.",
                    f"A line is {' '.join(fields)}, the label {' or '.join(self.words)}.",
                )
        return UserError(f"{path} cannot be read as a trial list.", "A line is three fields, separated by spaces.")

    def render(self, trials: Trials) -> str:
        for name in trials.utterances:
            if not name or len(name.split()) > 1 or name != name.strip():
                raise UserError(
                    f"{name!r} has white space, which separates fields in this format.", "Write a .csv file instead."
                )
        words = np.array(sorted(self.words, key=self.words.__getitem__)[:2], object)[trials.labels]
        columns = list(_sides(trials))
        columns.insert(self.label, words)
        return "".join(f"{a} {b} {c}\n" for a, b, c in zip(*columns, strict=True))


def _parse_unipool(data: bytes, path: Path) -> Parsed:
    import pandas as pd

    header = next(csv.reader(line for line in _lines(data, path) if line.strip()))
    if missing := [name for name in REQUIRED if name not in header]:
        raise UserError(f"{path} has no column {', '.join(missing)}.", f"The header begins {','.join(REQUIRED)}.")
    if len(set(header)) < len(header):
        raise UserError(f"{path} names a column twice in its header.", "Rename or remove one of them.")
    matches = [name for name in header if name not in REQUIRED]
    try:
        table = pd.read_csv(
            io.BytesIO(data), header=0, na_values=[""], keep_default_na=False, float_precision="round_trip",
            dtype={**dict.fromkeys(REQUIRED, object), **dict.fromkeys(matches, np.float64)},
        )  # fmt: skip
    except (ValueError, UnicodeDecodeError) as error:
        raise _blame_csv(data, path, header) from error
    labels = table["LABEL"].map({"0": 0, "1": 1})
    if (
        labels.isna().any()
        or table[["SAMPLE1", "SAMPLE2"]].isna().any(axis=None)
        or not _even(data, len(table), len(header))
    ):
        raise _blame_csv(data, path, header)
    first, second = table["SAMPLE1"].to_numpy(), table["SAMPLE2"].to_numpy()
    return labels.to_numpy(np.int8), first, second, {name: table[name].to_numpy() for name in matches}


def _even(data: bytes, rows: int, columns: int) -> bool:
    """Whether no line is too short (pandas fills up) or too long (it makes an index of the surplus)."""
    return b'"' in data or data.count(b",") == (rows + 1) * (columns - 1)


def _blame_csv(data: bytes, path: Path, header: list[str]) -> UserError:
    rows = csv.reader(_lines(data, path))
    label, *sides = (header.index(name) for name in REQUIRED)
    started = False
    for row in rows:
        if not row:
            continue
        if started and (problem := _problem(row, header, label, sides)):
            return UserError(f"{path}, line {rows.line_num}: {problem}.", f"The columns are {','.join(header)}.")
        started = True
    return UserError(f"{path} cannot be read as a trial list.", f"The columns are {','.join(header)}.")


def _problem(row: list[str], header: list[str], label: int, sides: list[int]) -> str | None:
    """What is wrong with one row of a CSV list."""
    if len(row) != len(header):
        return f"{len(row)} fields where the header has {len(header)}"
    if row[label] not in ("0", "1"):
        return f"the label is {row[label]!r}, not 0 or 1"
    if any(row[side] == "" for side in sides):
        return "an utterance is missing"
    for name, value in zip(header, row, strict=True):
        if name not in REQUIRED and value:
            try:
                float(value)
            except ValueError:
                return f"{name} is {value!r}, not a number"
    return None


def _render_unipool(trials: Trials) -> str:
    quoted = np.array([_quoted(name) for name in trials.utterances], object)
    columns = [trials.labels.astype(str), quoted[trials.enrol], quoted[trials.test]]
    columns += [_numbers(column) for column in trials.matches.values()]
    header = ",".join([*REQUIRED, *trials.matches])
    return "\n".join([header, *map(",".join, zip(*columns, strict=True)), ""])


def _numbers(column: NDArray[np.floating[Any]]) -> Names:
    """A match column as text: whole numbers without a point where all are whole, blanks for NaN."""
    values, places = np.unique(column, return_inverse=True)
    finite = values[~np.isnan(values)]
    whole = bool(np.all(np.isfinite(finite) & (finite == np.round(finite))))
    text = ["" if np.isnan(value) else str(int(value)) if whole else repr(value.item()) for value in values]
    return np.array(text, object)[places]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if not name or any(mark in name for mark in ',"\r\n') else name


def _sides(trials: Trials) -> tuple[Names, Names]:
    names = np.array([*trials.utterances, None], object)[:-1]
    return names[trials.enrol], names[trials.test]


def _lines(data: bytes, path: Path) -> list[str]:
    try:
        return data.decode().splitlines()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(f"{path}, line {line}: not UTF-8 text.", "Convert the file to UTF-8.") from error


_VOXCELEB = _Columns(0, {"0": 0, "1": 1})
_KALDI = _Columns(2, {"nontarget": 0, "target": 1})
FORMATS: Mapping[str, Format] = {
    "unipool": Format(
        "LABEL,SAMPLE1,SAMPLE2[,GENDER_MATCH…] with a header",
        lambda line: "," in line and "LABEL" in line.split(","),
        _parse_unipool,
        _render_unipool,
    ),
    "voxceleb": Format("1 path path", _VOXCELEB.recognises, _VOXCELEB.parse, _VOXCELEB.render),
    "kaldi": Format("utterance utterance target|nontarget", _KALDI.recognises, _KALDI.parse, _KALDI.render),
}
