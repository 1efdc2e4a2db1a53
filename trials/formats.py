"""The file formats of trial lists: how each is recognised, read and written.

Reading is strict: a line with too few or too many fields, or with an unknown label, is an error with its number. Kaldi
and WeSpeaker write the same three columns, so a file does not say which of them it is of; both names write it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxboard.errors import UserError, unknown
from voxboard.trials.table import Trials
from voxboard.trials.table_format import Headed, Parsed, lines, sides


@dataclass(frozen=True)
class Format:
    """One way of writing trials; `recognises` sees the first line that is not blank."""

    example: str
    recognizes: Callable[[str], bool]
    parse: Callable[[bytes, Path], Parsed]
    render: Callable[[Trials], str]


@dataclass(frozen=True)
class _Columns:
    """Lines of three fields separated by white space: where the label stands and what it says."""

    label: int
    words: Mapping[str, int]

    def recognizes(self, line: str) -> bool:
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
        for number, line in enumerate(lines(data, path), start=1):
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
        columns = list(sides(trials))
        columns.insert(self.label, words)
        return "".join(f"{a} {b} {c}\n" for a, b, c in zip(*columns, strict=True))


_VOXCELEB = _Columns(0, {"0": 0, "1": 1})
_KALDI = _Columns(2, {"nontarget": 0, "target": 1})
_UNIPOOL = Headed("LABEL", ("SAMPLE1", "SAMPLE2"), {"0": 0, "1": 1}, ",")
_NIST = Headed("targettype", ("modelid", "segmentid"), {"nontarget": 0, "target": 1}, "\t", side="side")
FORMATS: Mapping[str, Format] = {
    "unipool": Format(
        "LABEL,SAMPLE1,SAMPLE2[,GENDER_MATCH…] with a header", _UNIPOOL.recognizes, _UNIPOOL.parse, _UNIPOOL.render
    ),
    "nist": Format("modelid segmentid side targettype […] with a header", _NIST.recognizes, _NIST.parse, _NIST.render),
    "voxceleb": Format("1 path path", _VOXCELEB.recognizes, _VOXCELEB.parse, _VOXCELEB.render),
    "kaldi": Format("utterance utterance target|nontarget", _KALDI.recognizes, _KALDI.parse, _KALDI.render),
}
ALIASES: Mapping[str, str] = {"wespeaker": "kaldi"}  # enrol test target|nontarget: the same columns
SUFFIXES: Mapping[str, str] = {".csv": "unipool", ".tsv": "nist"}


def named(name: str) -> str:
    """The format of a name. Raises `UserError` with the nearest names."""
    full = ALIASES.get(name, name)
    if full not in FORMATS:
        raise unknown("trial format", name, {*FORMATS, *ALIASES})
    return full
