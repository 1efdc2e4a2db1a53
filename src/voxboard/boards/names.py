"""How metric ids read on a board, and what they mean in one sentence."""

from __future__ import annotations

_EXACT = {
    "eer@interpolated": "EER",
    "cllr@valid_calibration": "Cllr",
    "far@valid_threshold": "FAR*",
    "frr@valid_threshold": "FRR*",
    "hter@valid_threshold": "EER*",
    "accuracy@top1": "Accuracy",
    "accuracy@exact": "Accuracy",
    "balanced_accuracy@macro": "Balanced accuracy",
    "balanced_accuracy@exact": "Balanced accuracy",
    "macro_f1@all": "Macro-F1",
    "rmse@ridge": "RMSE (ridge)",
    "rmse@measured": "RMSE (measured)",
}
_NAMES = {
    **{"eer": "EER", "min_dcf": "minDCF", "act_dcf": "actDCF", "cllr": "Cllr", "min_cllr": "minCllr"},
    **{"far": "FAR", "frr": "FRR", "hter": "HTER"},
    **{"der": "DER", "jer": "JER", "miss": "Missed", "false_alarm": "False alarm", "confusion": "Confusion"},
    **{"der_one_speaker": "DER of one speaker"},
    **{"wer": "WER", "cer": "CER", "substitutions": "Substitutions", "deletions": "Deletions"},
    **{"insertions": "Insertions"},
    **{"accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy", "macro_f1": "Macro-F1"},
    **{"rmse": "RMSE", "mae": "MAE", "pearson": "Pearson r", "ccc": "CCC"},
    **{"map": "mAP", "map_at_k": "mAP", "recall": "Recall", "recall_at_k": "Recall", "median_rank": "Median rank"},
}
_RANKED = ("map", "map_at_k", "recall", "recall_at_k")  # their first parameter is how many results count
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
    "Missed": "Speech of a speaker that the system has not, per reference speech; a part of the DER.",
    "False alarm": "Speech that nobody speaks, or one voice too many, per reference speech; a part of the DER.",
    "Confusion": "Speech that is given to another speaker, per reference speech; a part of the DER.",
    "DER of one speaker": "The DER of calling everybody the same speaker: what a system must beat.",
    "JER": "Jaccard error rate: diarization error averaged over speakers.",
    "WER": "Word errors per reference word, over the whole corpus; in brackets how texts are normalised, if they are.",
    "CER": "Character errors per reference character, over the whole corpus.",
    "Substitutions": "Words that became other words, per reference word; a part of the WER.",
    "Deletions": "Words that are missing, per reference word; a part of the WER.",
    "Insertions": "Words that nobody said, per reference word; a part of the WER.",
    "Accuracy": "Share of correct labels.",
    "Balanced accuracy": "Recall averaged over classes: of k classes, guessing gives 1/k.",
    "Macro-F1": "F1 averaged over classes.",
    "RMSE": "Root mean squared error.",
    "RMSE (ridge)": "Error of a ridge regression on acoustic features, without any encoder.",
    "RMSE (measured)": "Error of measuring the waveform, which defines the target: zero.",
    "MAE": "Mean absolute error.",
    "Pearson r": "Linear correlation.",
    "CCC": "Concordance correlation: correlation that also asks for the same scale.",
    "Recall": "Share of queries with a right answer among the first k.",
    "mAP": "Mean average precision over the first k.",
    "Median rank": "Half of the queries have their first right answer at this rank or before.",
}
_ORDER = tuple(_NAMES)
TASKS = {
    "verification": "Do two utterances have the same speaker?",
    "identification": "Which of the speakers of training is it?",
    "attributes": "Gender, age group, emotion, accent … of speakers that training never heard.",
    "diarization": "Who speaks when in a recording of several speakers?",
    "transcription": "What is said?",
    "intensity": "How loud is an utterance?",
    "retrieval": "Which caption describes an utterance, and which utterance does a caption describe?",
    "questions": "What does a chat model answer that hears an encoder's frames?",
}


def label(metric: str) -> str:
    """`min_dcf@p=0.01` → "minDCF(0.01)", `recall@5,text-to-audio` → "Recall@5 (text to audio)"; unknown names stay."""
    if metric in _EXACT:
        return _EXACT[metric]
    name, _, parameters = metric.partition("@")
    name = name.removesuffix("_rate")
    if name not in _NAMES or not parameters:
        return _NAMES.get(name, metric) if not parameters else metric
    shown = _NAMES[name]
    if parameters.startswith("p=") and "," not in parameters:
        return f"{shown}({parameters.removeprefix('p=')})"
    if name in _RANKED:
        places, _, parameters = parameters.partition(",")
        shown = f"{shown}@{places}"
    told = "" if parameters == "none" else parameters.replace("-to-", " to ").replace(",", ", ")
    return f"{shown} ({told})" if told else shown


def meaning(shown: str) -> str:
    """The sentence for a label, empty for a metric that is not known here."""
    name = shown.partition("(")[0].strip()
    return _MEANINGS.get(shown) or _MEANINGS.get(name) or _MEANINGS.get(name.partition("@")[0], "")


def order(metric: str, main: str) -> tuple[bool, int, str]:
    """Sort key of columns: the main metric, then the known ones in their usual order, then the rest."""
    name = metric.partition("@")[0].removesuffix("_rate")
    return metric != main, _ORDER.index(name) if name in _ORDER else len(_ORDER), metric
