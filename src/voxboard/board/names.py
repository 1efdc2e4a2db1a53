"""How metric ids read on a board, and what they mean in one sentence."""

from __future__ import annotations

import re

_EXACT = {
    "eer@interpolated": "EER",
    "cllr@valid_calibration": "Cllr",
    "far@valid_threshold": "FAR*",
    "frr@valid_threshold": "FRR*",
    "hter@valid_threshold": "EER*",
}
_NAMES = {
    **{"eer": "EER", "min_dcf": "minDCF", "act_dcf": "actDCF", "cllr": "Cllr", "min_cllr": "minCllr"},
    **{"far": "FAR", "frr": "FRR", "hter": "HTER", "der": "DER", "jer": "JER", "wer": "WER", "cer": "CER"},
    **{"accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy", "macro_f1": "Macro-F1"},
    **{"rmse": "RMSE", "mae": "MAE", "pearson": "Pearson r", "ccc": "CCC"},
    **{"recall_at_k": "Recall", "map_at_k": "mAP"},
}
_MEANINGS = {
    "EER": "Equal error rate: where as many impostors are accepted as true speakers are rejected.",
    "minDCF": "Normalised detection cost at the best threshold; in brackets the prior of a target trial.",
    "actDCF": "Normalised detection cost of scores calibrated on the validation list, at Bayes' threshold.",
    "Cllr": "Cost of the scores read as log-likelihood ratios, in bits.",
    "minCllr": "Cllr after the best monotonous calibration.",
    "FAR*": "False acceptances on test at the threshold found on the validation list.",
    "FRR*": "False rejections on test at the threshold found on the validation list.",
    "EER*": "Mean of FAR* and FRR*.",
    "DER": "Diarization error rate: missed, false and confused speech per reference speech.",
    "JER": "Jaccard error rate: diarization error averaged over speakers.",
    "WER": "Word errors per reference word, over the whole corpus.",
    "CER": "Character errors per reference character, over the whole corpus.",
    "Accuracy": "Share of correct labels.",
    "Balanced accuracy": "Recall averaged over classes.",
    "Macro-F1": "F1 averaged over classes.",
    "RMSE": "Root mean squared error.",
    "MAE": "Mean absolute error.",
    "Pearson r": "Linear correlation.",
    "CCC": "Concordance correlation: correlation that also asks for the same scale.",
    "Recall": "Share of queries whose match is among the first k.",
    "mAP": "Mean average precision over the first k.",
}
_ORDER = tuple(_NAMES)


def label(metric: str) -> str:
    """`min_dcf@p=0.01` → "minDCF(0.01)", `der@collar=0.25` → "DER (collar=0.25)"; an unknown name stays."""
    if metric in _EXACT:
        return _EXACT[metric]
    name, _, parameters = metric.partition("@")
    if name not in _NAMES or not parameters:
        return _NAMES.get(metric, metric)
    if parameters.startswith("p=") and "," not in parameters:
        return f"{_NAMES[name]}({parameters.removeprefix('p=')})"
    return f"{_NAMES[name]} ({parameters})"


def meaning(shown: str) -> str:
    """The sentence for a label, empty for a metric that is not known here."""
    return _MEANINGS.get(shown) or _MEANINGS.get(shown.partition("(")[0].strip(), "")


def order(metric: str, main: str) -> tuple[bool, int, str]:
    """Sort key of columns: the main metric, then the known ones in their usual order, then the rest."""
    name = metric.partition("@")[0]
    return metric != main, _ORDER.index(name) if name in _ORDER else len(_ORDER), metric


def without_options(system: str) -> str:
    """`ecapa(channels=48)+mean` → `ecapa+mean`."""
    return re.sub(r"\([^()]*\)", "", system).strip() or system
