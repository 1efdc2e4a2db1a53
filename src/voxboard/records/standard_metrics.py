"""The metrics that voxboard's own tasks share: labels, meanings, units and the order of a board's columns.

A benchmark makes its metrics from these, or declares others. A board asks them only for records that were written
before records described their metrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from voxboard.records.metric import Better, Metric

RATE = (0.0, 1.0)  # a value beyond is a percentage that lost its unit


@dataclass(frozen=True)
class MetricFamily:
    """Properties that metrics of one name share, whatever stands behind their @."""

    label: str
    meaning: str
    unit: str = "fraction"
    better: Better = "lower"
    bounds: tuple[float | None, ...] = ()
    decimals: int = 2


def _cost(label: str, meaning: str) -> MetricFamily:
    return MetricFamily(label, meaning, "cost", decimals=3)


def _share(label: str, meaning: str, bounds: tuple[float | None, ...] = RATE) -> MetricFamily:
    return MetricFamily(label, meaning, better="higher", bounds=bounds, decimals=1)


def _correlation(label: str, meaning: str) -> MetricFamily:
    return MetricFamily(label, meaning, "correlation", "higher", decimals=3)


_RECALL = "Share of queries with a right answer among the first k."
_MAP = "Mean average precision over the first k."
_BY_SYSTEM = "per reference speech; a part of the DER."

# In the order of a board's columns.
FAMILIES: Mapping[str, MetricFamily] = {
    "eer": MetricFamily(
        "EER", "Equal error rate: where as many impostors are accepted as true speakers are rejected.", bounds=RATE
    ),
    "min_dcf": _cost(
        "minDCF", "Normalised detection cost at the best threshold; in brackets the prior of a target trial."
    ),
    "act_dcf": _cost(
        "actDCF", "Normalised detection cost of scores calibrated on the validation list, at Bayes' threshold."
    ),
    "cllr": _cost("Cllr", "Cost of the scores read as log-likelihood ratios, in bits."),
    "min_cllr": _cost("minCllr", "Cllr after the best monotonous calibration."),
    "far": MetricFamily("FAR", "", bounds=RATE),
    "frr": MetricFamily("FRR", "", bounds=RATE),
    "hter": MetricFamily("HTER", "", bounds=RATE),
    "der": MetricFamily("DER", "Diarization error rate: missed, false and confused speech per reference speech."),
    "jer": MetricFamily("JER", "Jaccard error rate: diarization error averaged over speakers."),
    "miss": MetricFamily("Missed", f"Speech of a speaker that the system has not, {_BY_SYSTEM}"),
    "false_alarm": MetricFamily("False alarm", f"Speech that nobody speaks, or one voice too many, {_BY_SYSTEM}"),
    "confusion": MetricFamily("Confusion", f"Speech that is given to another speaker, {_BY_SYSTEM}"),
    "der_one_speaker": MetricFamily(
        "DER of one speaker", "The DER of calling everybody the same speaker: what a system must beat."
    ),
    "wer": MetricFamily(
        "WER",
        "Word errors per reference word, over the whole corpus; in brackets how texts are normalised, if they are.",
    ),
    "cer": MetricFamily("CER", "Character errors per reference character, over the whole corpus."),
    "substitutions": MetricFamily(
        "Substitutions", "Words that became other words, per reference word; a part of the WER."
    ),
    "deletions": MetricFamily("Deletions", "Words that are missing, per reference word; a part of the WER."),
    "insertions": MetricFamily("Insertions", "Words that nobody said, per reference word; a part of the WER."),
    "accuracy": _share("Accuracy", "Share of correct labels."),
    "balanced_accuracy": _share("Balanced accuracy", "Recall averaged over classes: of k classes, guessing gives 1/k."),
    "macro_f1": _share("Macro-F1", "F1 averaged over classes."),
    "rmse": MetricFamily("RMSE", "Root mean squared error.", "dB"),
    "mae": MetricFamily("MAE", "Mean absolute error.", "dB"),
    "pearson": _correlation("Pearson r", "Linear correlation."),
    "ccc": _correlation("CCC", "Concordance correlation: correlation that also asks for the same scale."),
    "map": _share("mAP", _MAP),
    "map_at_k": _share("mAP", _MAP, bounds=()),
    "recall": _share("Recall", _RECALL),
    "recall_at_k": _share("Recall", _RECALL, bounds=()),
    "median_rank": MetricFamily(
        "Median rank", "Half of the queries have their first right answer at this rank or before.", "rank", decimals=1
    ),
}
_RANKED = ("map", "map_at_k", "recall", "recall_at_k")  # their first parameter is how many results count
# Ids whose label is not their family's with the parameters behind it; an empty meaning is the family's.
_SINGLE = {
    "eer@interpolated": ("EER", ""),
    "cllr@valid_calibration": ("Cllr", ""),
    "far@valid_threshold": (
        "FAR*", "False acceptances on test at the threshold found on the validation list."
    ),
    "frr@valid_threshold": (
        "FRR*", "False rejections on test at the threshold found on the validation list."
    ),
    "hter@valid_threshold": ("EER*", "Mean of FAR* and FRR*."),
    "accuracy@top1": ("Accuracy", ""),
    "accuracy@exact": ("Accuracy", ""),
    "balanced_accuracy@macro": ("Balanced accuracy", ""),
    "balanced_accuracy@exact": ("Balanced accuracy", ""),
    "macro_f1@all": ("Macro-F1", ""),
    "rmse@ridge": (
        "RMSE (ridge)", "Error of a ridge regression on acoustic features, without any encoder."
    ),
    "rmse@measured": (
        "RMSE (measured)", "Error of measuring the waveform, which defines the target: zero."
    ),
}  # fmt: skip


def standard(id: str, **parameters: Any) -> Metric:  # noqa: A002
    """Return the metric of an id, with the parameters that fix its meaning; an unknown one has nothing but its id."""
    family = FAMILIES.get(family_of(id))
    if family is None:
        return Metric(id, parameters=parameters)
    label, meaning = _SINGLE.get(id) or (_label(id, family), "")
    own = (family.unit, family.better, family.bounds, family.decimals)
    return Metric(id, label, meaning or family.meaning, *own, parameters)


def metrics(parameters: Mapping[str, Mapping[str, Any]]) -> tuple[Metric, ...]:
    """Return standard metrics, by their ids, with the parameters of each."""
    return tuple(replace(standard(id_), parameters=own) for id_, own in parameters.items())


def family_of(id: str) -> str:  # noqa: A002
    """The name of a metric, without what tells it from others of that name."""
    return id.partition("@")[0].removesuffix("_rate")


def place(id: str) -> int:  # noqa: A002
    """The place of a metric among a board's columns; the same last one for all that are not standard."""
    return _PLACES.get(family_of(id), len(_PLACES))


_PLACES = {name: number for number, name in enumerate(FAMILIES)}


def _label(id_: str, family: MetricFamily) -> str:
    """`min_dcf@p=0.01` → "minDCF(0.01)", `recall@5,text-to-audio` → "Recall@5 (text to audio)"."""
    name, _, parameters = id_.partition("@")
    label = family.label
    if parameters.startswith("p=") and "," not in parameters:
        return f"{label}({parameters.removeprefix('p=')})"
    if family_of(name) in _RANKED and parameters:
        places, _, parameters = parameters.partition(",")
        label = f"{label}@{places}"
    rest = "" if parameters == "none" else parameters.replace("-to-", " to ").replace(",", ", ")
    return f"{label} ({rest})" if rest else label
