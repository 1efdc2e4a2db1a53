"""Raw outputs of two systems on the same items: the paired difference of every metric that follows from them.

    scores-*        eer@interpolated, min_dcf@p=…, and at each side's own threshold far, frr, hter@valid_threshold
    predictions-*   accuracy@top1, balanced_accuracy@macro, macro_f1@all, or of values rmse, mae, pearson, ccc
    texts-*         wer@…, substitutions@…, insertions@…, deletions@…, cer@…
    recordings-*    der@…, miss@…, false_alarm@…, confusion@…, jer@…
    answers-*       accuracy@exact

A metric id that ends in `@` stands for all that begin so: the file does not tell the rest of its name.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxboard.errors import UserError
from voxboard.imported import speakers as known_speakers
from voxboard.metrics import bootstrap
from voxboard.metrics.bootstrap import Interval

KINDS = ("scores", "predictions", "texts", "recordings", "answers")
P_TARGETS = (0.01, 0.05)
Thresholds = tuple[float | None, float | None]


@dataclass(frozen=True)
class Paired:
    """A metric of both sides, and its difference: the second less the first."""

    before: float
    after: float
    difference: Interval
    better: str = "lower"


@dataclass(frozen=True)
class Options:
    """What a pairing needs beside the two files."""

    speakers: Mapping[str, str] | None = None  # utterance → speaker; None = not known
    assumed: bool = False  # they are of the corpus that a record names: a list may call its utterances otherwise
    thresholds: Thresholds = (None, None)  # each side's operating point
    replicates: int = 1000
    seed: int = 0
    level: float = 0.95

    def resampling(self) -> dict[str, Any]:
        return {"replicates": self.replicates, "seed": self.seed, "level": self.level}


def is_raw(path: Path) -> bool:
    """Whether an evaluation wrote this file as raw outputs that can be paired."""
    return path.is_file() and path.name.partition("-")[0] in KINDS and path.suffix in (".gz", ".jsonl", ".csv")


def kind_of(path: Path) -> str:
    """What a file holds: by its name as evaluations write it, else by suffix. Raises `UserError` for JSON lines
    without a known name."""
    prefix = path.name.partition("-")[0]
    if prefix in KINDS:
        return prefix
    suffix = Path(path.name.removesuffix(".gz")).suffix
    if suffix == ".jsonl":
        raise UserError(f"What {path} holds cannot be told from its name.", f"Begin it with {', '.join(KINDS)} and -.")
    return "scores"


def paired(before: Path, after: Path, options: Options) -> dict[str, Paired]:
    """The difference of every metric of two files of one kind. Raises `UserError` when they are of other items."""
    kind = kind_of(before)
    if kind != kind_of(after):
        raise UserError(f"{before} holds {kind}, {after} holds {kind_of(after)}.", "Compare outputs of one task.")
    try:
        return _READERS[kind](before, after, options)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{before} and {after} cannot be compared: {error}.", "Evaluate both again.") from error


def _scores(before: Path, after: Path, options: Options) -> dict[str, Paired]:
    from voxboard.imported import scores
    from voxboard.metrics.clusters import Clusters
    from voxboard.metrics.ranked import checked
    from voxboard.metrics.trial_estimates import TrialEstimates

    first, second = scores.read(before), scores.read(after)
    trials = (first if first.labels is not None else second).trials()
    known = options.speakers
    if known is None or (options.assumed and not known.keys() >= set(trials.utterances)):
        owners: NDArray[Any] = scores.linked(trials)
    else:
        owners = np.unique(known_speakers.of_each(trials.utterances, known), return_inverse=True)[1]
    clusters = Clusters.of(len(trials), owners[trials.enrol], owners[trials.test])
    both = None not in options.thresholds
    found = []
    for side, threshold in zip((first, second), options.thresholds, strict=True):
        values, targets = checked(side.of(trials), trials.labels)
        estimates = TrialEstimates(values, targets, clusters, P_TARGETS, threshold if both else None)
        found.append(estimates.estimates(options.replicates, options.seed))
    names = {"eer": "eer@interpolated", **{f"min_dcf_{p:g}": f"min_dcf@p={p:g}" for p in P_TARGETS}}
    names |= {"far": "far@valid_threshold", "frr": "frr@valid_threshold", "half_total": "hter@valid_threshold"}
    return {
        names[name]: Paired(one.value, other.value, (other - one).interval(clusters.size, options.level))
        for name, one, other in ((name, found[0][name], found[1][name]) for name in found[0])
    }


def _predictions(before: Path, after: Path, options: Options) -> dict[str, Paired]:
    first, second, owners = _utterances(before, after, options, "truth")
    if isinstance(first[0]["prediction"], str):
        return _classes(first, second, owners, options)
    from voxboard.benchmarks.intensity import STATISTICS

    truth = np.array([row["truth"] for row in first], np.float64)
    columns = {"": "prediction", **({"ridge": "ridge"} if "ridge" in first[0] and "ridge" in second[0] else {})}
    found = {}
    for suffix, column in columns.items():
        one, other = (np.array([row[column] for row in rows], np.float64) for rows in (first, second))
        for name, statistic in STATISTICS.items() if not suffix else [("rmse@ridge", STATISTICS["rmse"])]:
            difference = bootstrap.interval(
                statistic, truth, other, clusters=owners, against=(truth, one), **options.resampling()
            )
            better = "higher" if name in ("pearson", "ccc") else "lower"
            found[name] = Paired(statistic(truth, one), statistic(truth, other), difference, better)
    return found


def _classes(
    first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]], owners: ArrayLike, options: Options
) -> dict[str, Paired]:
    from voxboard.benchmarks.attributes import mean_f1, mean_recall

    truth = np.array([row["truth"] for row in first])
    guesses = [np.array([row["prediction"] for row in rows]) for rows in (first, second)]
    classes = np.unique(np.concatenate([truth, *guesses]))
    true = truth[:, None] == classes
    taken = [guess[:, None] == classes for guess in guesses]
    recalls = [(true & side, true) for side in taken]
    f1s = [(true & side, true, side) for side in taken]
    hits = [(truth == guess, np.ones(len(truth))) for guess in guesses]
    return {
        "balanced_accuracy@macro": _sums(mean_recall, recalls, owners, options, "higher"),
        "accuracy@top1": _sums(_quotient, hits, owners, options, "higher"),
        "macro_f1@all": _sums(mean_f1, f1s, owners, options, "higher"),
    }


def _answers(before: Path, after: Path, options: Options) -> dict[str, Paired]:
    first, second, owners = _utterances(before, after, options, "truth")
    hits = [(np.array([row["right"] for row in rows]), np.ones(len(rows))) for rows in (first, second)]
    return {"accuracy@exact": _sums(_quotient, hits, owners, options, "higher")}


def _texts(before: Path, after: Path, options: Options) -> dict[str, Paired]:
    from voxboard.metrics import text

    first, second, owners = _utterances(before, after, options, "reference")
    words = np.array([row["words"] for row in first])
    found = {}
    for kind in ("substitutions", "insertions", "deletions"):
        errors = [np.array([row[kind] for row in rows]) for rows in (first, second)]
        found[kind] = errors
    found["wer"] = [np.sum([found[kind][side] for kind in found], axis=0) for side in (0, 1)]
    named = {f"{kind}@": [(errors, words) for errors in sides] for kind, sides in found.items()}
    reports = [
        text.score([row["reference"] for row in rows], [row["hypothesis"] for row in rows], unit="character")
        for rows in (first, second)
    ]
    named["cer@"] = [(report.errors, report.words) for report in reports]
    return {name: _sums(_quotient, sides, owners, options) for name, sides in named.items()}


def _recordings(before: Path, after: Path, options: Options) -> dict[str, Paired]:
    sides = []
    for path in (before, after):
        with path.open(encoding="utf-8", newline="") as file:
            sides.append(list(csv.DictReader(file)))
    names = [[row["recording"] for row in rows] for rows in sides]
    if names[0] != names[1]:
        raise UserError(f"{before} and {after} are of other recordings.", "Evaluate both on the same corpus.")
    found = {}
    for rate in ("der", "miss", "false_alarm", "confusion", "jer"):
        share = "speakers" if rate == "jer" else "seconds"
        columns = []
        for rows in sides:
            below = np.array([float(row[share]) for row in rows])
            rates = np.array([float(row[rate] or math.nan) for row in rows])
            columns.append((np.where(below > 0, np.nan_to_num(rates) * below, 0.0), below))
        found[f"{rate}@"] = _sums(_quotient, columns, names[0], options)
    return found


_READERS: Mapping[str, Callable[[Path, Path, Options], dict[str, Paired]]] = {
    "scores": _scores,
    "predictions": _predictions,
    "texts": _texts,
    "recordings": _recordings,
    "answers": _answers,
}


def _utterances(
    before: Path, after: Path, options: Options, same: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], NDArray[np.str_]]:
    """The rows of two files in one order, and whose they are; what `same` names must not differ."""
    if options.speakers is None:
        raise UserError(f"Who speaks in {before} is not known here.", "Pass --speakers FILE or --speakers CORPUS.")
    tables = [{row["id"]: row for row in _rows(path)} for path in (before, after)]
    names = sorted(tables[0])
    if names != sorted(tables[1]) or any(tables[0][name][same] != tables[1][name][same] for name in names):
        raise UserError(f"{before} and {after} are of other utterances.", "Evaluate both on the same split.")
    first, second = ([table[name] for name in names] for table in tables)
    return first, second, known_speakers.of_each(names, options.speakers)


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.strip()]
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}.", "Evaluate again.") from error


def _quotient(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(above / below)


def _sums(
    statistic: Callable[..., NDArray[np.float64]],
    sides: Sequence[Sequence[NDArray[Any]]],
    owners: ArrayLike,
    options: Options,
    better: str = "lower",
) -> Paired:
    """A metric that follows from sums of columns; `sides` holds those of both."""
    first, second = sides
    difference = bootstrap.sums(statistic, *second, clusters=owners, against=first, **options.resampling())
    with np.errstate(divide="ignore", invalid="ignore"):
        before, after = (
            float(statistic(*(column.sum(axis=0, keepdims=True, dtype=np.float64) for column in side))[0])
            for side in sides
        )
    return Paired(before, after, difference, better)
