"""Scores of trials as text, in the layouts of the toolkits that write them.

    enrol test score            Kaldi
    enrol test score label      WeSpeaker (target or nontarget)
    enrol test label score      SpeechBrain (1 or 0)
    label enrol test score      voxboard's own (1 or 0)
    LABEL,SAMPLE1,SAMPLE2,…     a table with a header: UniPool-SV's list with one more column, SCORE

The layout is found from all lines, not from the first one; gzip from the first bytes.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from voxboard.errors import UserError

if TYPE_CHECKING:
    from pandas import DataFrame

    from voxboard.trials import Trials

LAYOUTS = "enrol test score · enrol test score target|nontarget · enrol test 1|0 score · 1|0 enrol test score"
_WORDS = {"0": 0, "1": 1, "nontarget": 0, "target": 1}
_HEADERS = {
    "enrol": ("sample1", "enrol", "enroll", "enrollment", "modelid"),
    "test": ("sample2", "test", "segmentid"),
    "score": ("score", "scores", "llr"),
    "label": ("label", "targettype"),
}


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores [N] of pairs of names [N], with labels [N] where the file has them."""

    enrol: NDArray[np.object_]
    test: NDArray[np.object_]
    scores: NDArray[np.float64]
    labels: NDArray[np.int8] | None
    path: Path

    def trials(self) -> Trials:
        """The list that the file itself tells. Raises `UserError` for a file without labels."""
        from voxboard.trials import Trials

        if self.labels is None:
            raise UserError(f"{self.path} has no labels.", "Name the list with --trials FILE.")
        return Trials.of(self.labels, self.enrol, self.test, name=self.path.name)

    def of(self, trials: Trials) -> NDArray[np.float64]:
        """The scores [N] in the order of a list.

        Raises `UserError` for a trial without a score, a score without a trial, two scores of one trial, and a label
        that the list contradicts.
        """
        import pandas as pd

        names = np.array(trials.utterances, object)
        wanted = pd.MultiIndex.from_arrays([names[trials.enrol], names[trials.test]])
        given = pd.MultiIndex.from_arrays([self.enrol, self.test])
        if given.has_duplicates:
            twice = given[given.duplicated()][0]
            raise UserError(f"{self.path} scores {_words(twice)} twice.", "Keep one score of each trial.")
        places = given.get_indexer(wanted)
        if (places < 0).any():
            missing = wanted[places < 0]
            raise UserError(
                f"{self.path} has no score for {len(missing)} of {len(trials)} trials (first: {_words(missing[0])}).",
                "Score the whole list, with the names as the list has them.",
            )
        if others := len(given) - len(wanted.unique()):
            raise UserError(f"{self.path} scores {others} pairs that are no trial of the list.", "Is it another list?")
        if self.labels is not None and (self.labels[places] != trials.labels).any():
            raise UserError(f"{self.path} and the list disagree about labels.", "Is it another list?")
        return np.asarray(self.scores[places])


def read(path: str | Path) -> Scores:
    """Reads a file of scores. Raises `UserError` that names the file, and the line where there is one."""
    from voxboard.trials.table import content

    path = Path(path)
    data = content(path)
    first = data.lstrip()[:4096].split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    headed = _headed(data, first, path)
    found = headed or _plain(data, path)
    bad = np.flatnonzero(~np.isfinite(found.scores))
    if bad.size:
        raise UserError(f"{path}: the score of trial {bad[0] + 1} is {found.scores[bad[0]]}.", "Scores are numbers.")
    return found


def _plain(data: bytes, path: Path) -> Scores:
    table = _table(data, path, sep=r"\s+", header=None, names=[0, 1, 2, 3, 4])
    if (table[4] != "").any() or (table[2] == "").any() or table.empty:
        raise _bad(table, path)
    columns = [table[place].to_numpy(object) for place in range(4)]
    if (columns[3] == "").all():
        return Scores(columns[0], columns[1], _numbers(columns[2], path), None, path)
    # (label, enrol, test, score) → where each stands
    layouts = {"own": (0, 1, 2, 3), "wespeaker": (3, 0, 1, 2), "speechbrain": (2, 0, 1, 3)}
    fitting = [places for places in layouts.values() if _is_label(columns[places[0]]) and _is_score(columns[places[3]])]
    if len(fitting) != 1:
        if fitting:
            raise UserError(f"{path} can be read in several ways.", f"Known layouts: {LAYOUTS}.")
        raise _bad(table, path)
    label, enrol, test, score = (columns[place] for place in fitting[0])
    return Scores(enrol, test, _numbers(score, path), np.array([_WORDS[word] for word in label], np.int8), path)


def _headed(data: bytes, first: str, path: Path) -> Scores | None:
    """A table with a header; None where the first line is none."""
    separator = "," if "," in first else r"\s+"
    names = first.replace('"', "").split("," if separator == "," else None)
    places = {
        role: next((name for name in names if name.strip().lower() in known), None) for role, known in _HEADERS.items()
    }
    if any(places[role] is None for role in ("enrol", "test", "score")):
        return None
    table = _table(data, path, sep=separator, header=0)
    found = {role: table[name].to_numpy(object) for role, name in places.items() if name}
    labels = None
    if "label" in found:
        if not _is_label(found["label"]):
            raise UserError(f"{path}: a label is neither 0, 1, target nor nontarget.", "Repair the file.")
        labels = np.array([_WORDS[word] for word in found["label"]], np.int8)
    return Scores(found["enrol"], found["test"], _numbers(found["score"], path), labels, path)


def _table(data: bytes, path: Path, **options: Any) -> DataFrame:
    import pandas as pd

    options["quoting"] = csv.QUOTE_MINIMAL if options["sep"] == "," else csv.QUOTE_NONE
    try:
        found: DataFrame = pd.read_csv(io.BytesIO(data), dtype=object, na_filter=False, **options)
    except (ValueError, UnicodeDecodeError) as error:  # pandas' ParserError is a ValueError
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"{path} is no file of scores ({reason}).", f"Known layouts: {LAYOUTS}.") from error
    return found.fillna("")


def _words(pair: Any) -> str:
    return " ".join(map(str, pair))


def _is_label(column: NDArray[np.object_]) -> bool:
    return set(np.unique(column.astype(str)).tolist()) <= set(_WORDS)


def _is_score(column: NDArray[np.object_]) -> bool:
    try:
        column.astype(np.float64)
    except ValueError:
        return False
    return True


def _numbers(column: NDArray[np.object_], path: Path) -> NDArray[np.float64]:
    try:
        return column.astype(np.float64)
    except ValueError:
        at = next(place for place, word in enumerate(column) if not _is_score(column[place : place + 1]))
        raise UserError(
            f"{path}: the score of trial {at + 1} is {column[at]!r}.", f"Known layouts: {LAYOUTS}."
        ) from None


def _bad(table: DataFrame, path: Path) -> UserError:
    shown = " ".join(str(word) for word in table.iloc[0]).strip() if len(table) else "nothing"
    return UserError(f"{path} is no file of scores (it starts with {shown[:80]!r}).", f"Known layouts: {LAYOUTS}.")


def linked(trials: Trials) -> NDArray[np.int32]:
    """A number [U] per utterance, the same for utterances that target trials link: they have the same speaker.

    Where a list does not tell speakers this is as near as it comes: a speaker whose utterances are in no chain of
    target trials counts as several.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    size, same = len(trials.utterances), trials.labels == 1
    ones = np.ones(int(same.sum()), np.int8)
    graph = csr_array((ones, (trials.enrol[same], trials.test[same])), shape=(size, size))
    return np.asarray(connected_components(graph, directed=False)[1], np.int32)
