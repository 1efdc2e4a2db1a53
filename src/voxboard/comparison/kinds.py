"""The paired difference of every metric that follows from raw outputs, kind by kind."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxboard.comparison.raw import Paired, PairingOptions, Row, about, owners_of, quotient, sums, text, utterances
from voxboard.errors import UserError
from voxboard.imported import speakers as known_speakers
from voxboard.metrics import bootstrap
from voxboard.metrics.enough import few_to_fix

P_TARGETS = (0.01, 0.05)
_DETECTION = {
    "eer": "eer@interpolated",
    **{f"min_dcf_{p:g}": f"min_dcf@p={p:g}" for p in P_TARGETS},
    "act_dcf_0.01": "act_dcf@p=0.01",
    "cllr": "cllr@valid_calibration",
    **{"far": "far@valid_threshold", "frr": "frr@valid_threshold", "half_total": "hter@valid_threshold"},
}


def scores(before: Path, after: Path, options: PairingOptions) -> dict[str, Paired]:
    """EER, minDCF and, at each side's own operating point and calibration, FAR, FRR, their mean, actual DCF, Cllr."""
    from voxboard.imported import scores as files
    from voxboard.metrics.clusters import Clusters
    from voxboard.metrics.ranked import checked
    from voxboard.metrics.trial_estimates import TrialEstimates

    first, second = files.read(before), files.read(after)
    trials = (first if first.labels is not None else second).trials()
    speakers = owners_of((before, after), options)
    if speakers is None or (options.assumed and not speakers.keys() >= set(trials.utterances)):
        names, owners = np.unique(files.linked(trials), return_inverse=True)
    else:
        names, owners = np.unique(known_speakers.of_each(trials.utterances, speakers), return_inverse=True)
    clusters = Clusters.of(len(trials), owners[trials.enrol], owners[trials.test], names.astype(str).tolist())
    rows = []
    for side, (threshold, calibrate) in zip((first, second), _fixed((before, after), options), strict=True):
        values, targets = checked(side.of(trials), trials.labels)
        calibrated = None if calibrate is None else calibrate(values)
        estimates = TrialEstimates(values, targets, clusters, P_TARGETS, threshold, calibrated)
        rows.append(estimates.estimates(options.replicates))
    return {
        metric: Paired.of(
            rows[0][name].interval(clusters.size, options.level),
            rows[1][name].interval(clusters.size, options.level),
            options,
            unit="cost" if "dcf" in name or name == "cllr" else "fraction",
        )
        for name, metric in _DETECTION.items()
        if name in rows[0]
    }


def _fixed(
    paths: Sequence[Path], options: PairingOptions
) -> Sequence[tuple[float | None, Callable[[ArrayLike], NDArray[np.float64]] | None]]:
    """Each side's threshold and calibration; None for both sides where one of them has none."""
    from voxboard.scoring.calibration import Calibration

    fixed = [about(path).get("fixed") or {} for path in paths]
    fixed = [{} if few_to_fix(one.get("speakers")) else one for one in fixed]  # as evaluations do
    thresholds = [one.get("threshold", given) for one, given in zip(fixed, options.thresholds, strict=True)]
    calibrated = all(one.get("calibration") for one in fixed)
    maps = [Calibration.from_dict(one["calibration"]).apply if calibrated else None for one in fixed]
    return list(zip(thresholds if None not in thresholds else (None, None), maps, strict=True))


def predictions(before: Path, after: Path, options: PairingOptions) -> dict[str, Paired]:
    """Accuracy, balanced accuracy and macro-F1 of classes; RMSE, MAE and correlations of values."""
    first, second, owners = utterances(before, after, options, "truth")
    if isinstance(first[0]["prediction"], str):
        return _classes(first, second, owners, options)
    from voxboard.benchmarks.intensity import STATISTICS

    wanted = {name: (statistic, "prediction") for name, statistic in STATISTICS.items()}
    if "ridge" in first[0] and "ridge" in second[0]:
        wanted["rmse@ridge"] = (next(iter(STATISTICS.values())), "ridge")
    truth = np.array([row["truth"] for row in first], np.float64)
    rows = {}
    for name, (statistic, column) in wanted.items():
        correlation = name in ("pearson", "ccc")
        one, other = (np.array([row[column] for row in side], np.float64) for side in (first, second))
        if correlation and not all(np.ptp(values) for values in (truth, one, other)):
            continue  # nothing correlates with a constant
        before_value, after_value = (
            bootstrap.interval(statistic, truth, values, clusters=owners, **options.resampling())
            for values in (one, other)
        )
        kind = ("higher", "correlation") if correlation else ("lower", "dB")
        rows[name] = Paired.of(before_value, after_value, options, *kind)
    return rows


def _classes(
    first: Sequence[Row], second: Sequence[Row], owners: ArrayLike, options: PairingOptions
) -> dict[str, Paired]:
    from voxboard.benchmarks.attributes import mean_f1, mean_recall

    truth = np.array([row["truth"] for row in first])
    guesses = [np.array([row["prediction"] for row in side]) for side in (first, second)]
    classes = np.unique(np.concatenate([truth, *guesses]))
    true = truth[:, None] == classes
    taken = [guess[:, None] == classes for guess in guesses]
    recalls = [(true & side, true) for side in taken]
    f1s = [(true & side, true, side) for side in taken]
    hits = [(truth == guess, np.ones(len(truth))) for guess in guesses]
    return {
        "balanced_accuracy@macro": sums(mean_recall, recalls, owners, options, "higher"),
        "accuracy@top1": sums(quotient, hits, owners, options, "higher"),
        "macro_f1@all": sums(mean_f1, f1s, owners, options, "higher"),
    }


def answers(before: Path, after: Path, options: PairingOptions) -> dict[str, Paired]:
    """The share of right answers."""
    first, second, owners = utterances(before, after, options, "truth")
    hits = [(np.array([row["right"] for row in side]), np.ones(len(side))) for side in (first, second)]
    return {"accuracy@exact": sums(quotient, hits, owners, options, "higher")}


def texts(before: Path, after: Path, options: PairingOptions) -> dict[str, Paired]:
    """Word errors, also by kind, and character errors, per word and character of the references."""
    from voxboard.metrics import text as measures

    first, second, owners = utterances(before, after, options, "reference")
    words = np.array([row["words"] for row in first])
    rows = {}
    for kind in ("substitutions", "insertions", "deletions"):
        rows[kind] = [np.array([row[kind] for row in side]) for side in (first, second)]
    rows["wer"] = [np.sum([rows[kind][side] for kind in rows], axis=0) for side in (0, 1)]
    named = {f"{kind}@": [(errors, words) for errors in sides] for kind, sides in rows.items()}
    reports = [
        measures.score([row["reference"] for row in side], [row["hypothesis"] for row in side], unit="character")
        for side in (first, second)
    ]
    named["cer@"] = [(report.errors, report.words) for report in reports]
    return {name: sums(quotient, sides, owners, options) for name, sides in named.items()}


def ranks(before: Path, after: Path, options: PairingOptions) -> dict[str, Paired]:
    """Retrieval in both directions: mAP@10, recall at 1, 5 and 10, the median rank."""
    from voxboard.benchmarks.retrieval import DIRECTIONS, RECALLS, weighted_median

    first, second, owners = utterances(before, after, options)
    queries = [[query for row in side for query in row["queries"]] for side in (first, second)]
    if [(query["caption"], query["of"]) for query in queries[0]] != [(q["caption"], q["of"]) for q in queries[1]]:
        raise UserError(f"{before} and {after} are of other captions.", "Evaluate both on the same split.")
    # A caption of m utterances is m queries of weight 1/m, which speakers can be resampled with.
    whose = np.repeat(owners, [len(row["queries"]) for row in first])
    weights = np.array([1.0 / query["of"] for query in queries[0]])
    rows: dict[str, Paired] = {}
    for direction, sides, clusters, weight in (
        (DIRECTIONS[0], queries, whose, weights),
        (DIRECTIONS[1], (first, second), owners, np.ones(len(first))),
    ):
        rank = [np.array([row["rank"] for row in side], np.float64) for side in sides]
        precision = [np.array([row["precision"] for row in side]) for side in sides]
        shares = {f"map@10,{direction}": precision} | {
            f"recall@{k},{direction}": [(side <= k).astype(float) for side in rank] for k in RECALLS
        }
        for name, columns in shares.items():
            pairs = [(weight * column, weight) for column in columns]
            rows[name] = sums(quotient, pairs, clusters, options, "higher")
        one, other = (
            bootstrap.interval(weighted_median, side, weight, clusters=clusters, smooth=False, **options.resampling())
            for side in rank
        )
        rows[f"median_rank@{direction}"] = Paired.of(one, other, options, "lower", "rank")
    return rows


def recordings(before: Path, after: Path, options: PairingOptions) -> dict[str, Paired]:
    """Diarization error, its components, and the Jaccard error, by recording."""
    sides = [list(csv.DictReader(io.StringIO(text(path), newline=""))) for path in (before, after)]
    names = [[row["recording"] for row in side] for side in sides]
    if names[0] != names[1]:
        raise UserError(f"{before} and {after} are of other recordings.", "Evaluate both on the same corpus.")
    rows = {}
    for rate in ("der", "miss", "false_alarm", "confusion", "jer"):
        share = "speakers" if rate == "jer" else "seconds"
        columns = []
        for side in sides:
            below = np.array([float(row[share]) for row in side])
            rates = np.array([float(row[rate] or math.nan) for row in side])
            columns.append((np.where(below > 0, np.nan_to_num(rates) * below, 0.0), below))
        rows[f"{rate}@"] = sums(quotient, columns, names[0], options)
    return rows


READERS: Mapping[str, Callable[[Path, Path, PairingOptions], dict[str, Paired]]] = {
    "scores": scores,
    "predictions": predictions,
    "texts": texts,
    "recordings": recordings,
    "answers": answers,
    "ranks": ranks,
}
