"""Layouts of score files: the columns of the toolkits that write them.

    enrol test score                         kaldi             Kaldi, 3D-Speaker, BOSARIS text
    score enrol test                         voxsrc            VoxSRC
    enrol test score target|nontarget        wespeaker         WeSpeaker; with a third class, sasv
    enrol test 1|0 score                     speechbrain       SpeechBrain
    1|0 enrol test score                     voxboard          voxboard
    score 1|0 enrol test                     voxceleb_trainer  voxceleb_trainer; with commas in older versions
    enrol*test score, enrol*test score label   espnet          ESPnet-SPK

All columns decide, never the first line alone; a file that fits several layouts is refused unless the list's names or
`format` tell them apart.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voxboard.errors import UserError, unknown
from voxboard.trials import trial_labels
from voxboard.trials.columns import Column, Columns, merged

ADVICE = "Layouts that are read: enrol test score · score enrol test · enrol test score target|nontarget · "
ADVICE += "enrol test 1|0 score · 1|0 enrol test score · score 1|0 enrol test · a table with a header."
LAYOUTS: Mapping[str, Sequence[str]] = {
    "kaldi": ("enrol", "test", "score"),
    "voxsrc": ("score", "enrol", "test"),
    "wespeaker": ("enrol", "test", "score", "label"),
    "speechbrain": ("enrol", "test", "label", "score"),
    "voxboard": ("label", "enrol", "test", "score"),
    "voxceleb_trainer": ("score", "label", "enrol", "test"),
    "espnet": ("pair", "score", "label"),
}


@dataclass(frozen=True, eq=False)
class Read:
    """Pairs of `names` by number [N] on either side, their scores [N], and their labels [N] where the file has them."""

    layout: str
    names: list[str]
    enrol: NDArray[np.int32]
    test: NDArray[np.int32]
    scores: NDArray[np.float64]
    labels: NDArray[np.int8] | None


@dataclass(frozen=True, eq=False)
class _Fit:
    """A layout that fits, and the column of each role."""

    layout: str
    roles: Mapping[str, Column]

    def names(self) -> set[str]:
        return {word for role in ("enrol", "test") if role in self.roles for word in self.roles[role].words}


def arranged(columns: Columns, names: Collection[str] = (), format: str = "") -> Read:  # noqa: A002
    """The scores of a file without header, `known` being the names of the list that was scored.

    Raises `UserError` where no layout fits or several do.
    """
    fits = [fit for name in _asked(format) if (fit := _fit(columns, name)) is not None]
    if not fits:
        raise _nothing(columns, format)
    fit = fits[0] if format else _only(columns, fits, set(names))
    if not format and fit.layout in ("kaldi", "voxsrc") and trial_labels.is_binary(fit.roles["score"]):
        raise UserError(
            f"{columns.path} may be a list of labels, or scores that are all 0 or 1 ({columns.line(0)!r}).",
            f"Say that they are scores with --format {fit.layout}, or pass the file with the scores.",
        )
    return _read(columns, fit)


def _asked(format_: str) -> Sequence[str]:
    if format_ and format_ not in LAYOUTS:
        raise unknown("format of scores", format_, (*LAYOUTS, "table"))
    return [format_] if format_ else list(LAYOUTS)


def _fit(columns: Columns, layout: str) -> _Fit | None:
    names = LAYOUTS[layout]
    if layout == "espnet" and len(columns.columns) == 2:
        names = names[:2]
    if len(names) != len(columns.columns):
        return None
    roles = dict(zip(names, columns.columns, strict=True))
    if roles["score"].numbers is None or not all(roles[role].codes.size for role in roles if role != "score"):
        return None
    if "label" in roles and trial_labels.of_column(roles["label"]) is None:
        return None
    if "pair" in roles and any(word.count("*") != 1 for word in roles["pair"].words):
        return None
    return _Fit(layout, roles)


def _only(columns: Columns, fits: list[_Fit], names: set[str]) -> _Fit:
    """The one layout of several whose names the list knows, else the one whose names are no numbers."""
    if len(fits) > 1 and (in_list := [fit for fit in fits if names and fit.names() <= names]):
        fits = in_list
    if len(fits) > 1:
        worded = [fit for fit in fits if all(_is_named(fit.roles.get(role)) for role in ("enrol", "test"))]
        fits = worded or fits
    if len(fits) > 1:
        ways = " or ".join(f"{fit.layout} ({' '.join(LAYOUTS[fit.layout])})" for fit in fits)
        raise UserError(
            f"{columns.path} can be read in several ways: {ways}.",
            f"Say which with --format {fits[0].layout} or --format {fits[-1].layout}.",
        )
    return fits[0]


def _is_named(column: Column | None) -> bool:
    return column is None or column.numbers is None


def _read(columns: Columns, fit: _Fit) -> Read:
    scores = fit.roles["score"].numbers
    assert scores is not None
    label = fit.roles.get("label")
    labels = None if label is None else trial_labels.of_column(label)
    spoofed = labels is not None and bool((labels == trial_labels.SPOOF).any())
    layout = "sasv" if spoofed and fit.layout == "wespeaker" else fit.layout
    if "pair" in fit.roles:
        pairs = [word.split("*") for word in fit.roles["pair"].words]
        sides = [[pair[side] for pair in pairs] for side in (0, 1)]
        codes = [fit.roles["pair"].codes] * 2
    else:
        sides = [list(fit.roles[role].words) for role in ("enrol", "test")]
        codes = [fit.roles[role].codes for role in ("enrol", "test")]
    names, (enrol, test) = merged(sides, codes)
    return Read(layout, names, enrol, test, scores, labels)


def _nothing(columns: Columns, format_: str) -> UserError:
    """The error for columns that fit no layout: a single bad score is named."""
    path: Path = columns.path
    last = columns.columns[-1]
    if len(columns.columns) == 3 and last.numbers is None:
        for row in range(columns.size):
            try:
                float(last.at(row))
            except ValueError:
                if row or any(_numeric(word) for word in last.words[:1000]):
                    return UserError(f"{path}: the score of trial {row + 1} is {last.at(row)!r}.", ADVICE)
                break
    asked = f" in the layout {format_}" if format_ else ""
    comma = columns.size and last.at(0).count(",") == 1 and _numeric(last.at(0).replace(",", "."))
    advice = "Write numbers with a decimal point." if comma else ADVICE
    return UserError(f"{path} is no file of scores{asked} (it starts with {columns.line(0)!r}).", advice)


def _numeric(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
