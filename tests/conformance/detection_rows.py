"""EER and detection costs beside scikit-learn, SpeechBrain, torchmetrics, WeSpeaker, Kaldi and NIST."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import det_curve, roc_curve
from torchmetrics.functional.classification import binary_eer

from tests.conformance.section import Answer, Row, Section, answer
from tests.peers import EER, minDCF
from voxboard.metrics import detection

TEXT = """
A score equal to the threshold is accepted; equal scores move together; accept-all and reject-all are operating points.
**EER**: `interpolated` (the default) is where FAR and FRR cross between two neighbouring points of that ROC; `rocch`
where they cross on its convex hull, never more; `nearest` the mean of both where they are closest, as SpeechBrain and
UniPool-SV have it. **minDCF** is the lowest cost of all thresholds over the cost of the better of accept-all and
reject-all (NIST); `raw` leaves the division out. **actDCF** decides at the Bayes threshold ln((1 − p) / p).
Kaldi, NIST and WeSpeaker stand here as short functions of their definitions, the others as themselves.
"""

Array = np.ndarray
Peer = Callable[[Array, Array], float]


def sklearn_eer(scores: Array, labels: Array) -> float:
    """The usual recipe: the root of 1 − x = TPR(x) on the interpolated ROC."""
    far, hits, _ = roc_curve(labels, scores, drop_intermediate=False)
    return brentq(lambda x: 1 - x - interp1d(far, hits)(x), 0.0, 1.0)


def speechbrain_eer(scores: Array, labels: Array) -> float:
    """SpeechBrain's own function."""
    return EER(*_sides(scores, labels))[0]


def torchmetrics_eer(scores: Array, labels: Array) -> float:
    """torchmetrics' own function."""
    return float(binary_eer(torch.as_tensor(scores), torch.as_tensor(labels)))


def wespeaker_rates(scores: Array, labels: Array, stable: bool = True) -> tuple[Array, Array]:
    """(FAR, FRR) after each trial in ascending order of the scores, ties one by one; its own sort is not stable."""
    targets = labels[np.argsort(scores, kind="stable" if stable else None)] == 1
    return 1 - np.cumsum(~targets) / np.sum(~targets), np.cumsum(targets) / np.sum(targets)


def wespeaker_eer(scores: Array, labels: Array) -> float:
    """Interpolated between the last point with FRR < FAR and the first with FRR ≥ FAR."""
    far, frr = wespeaker_rates(scores, labels)
    after, before = np.flatnonzero(frr >= far)[0], np.flatnonzero(frr < far)[-1]
    gaps = far[before] - frr[before], frr[after] - far[after]
    return frr[before] + gaps[0] / sum(gaps) * (frr[after] - frr[before])


def kaldi_eer(scores: Array, labels: Array) -> float:
    """compute-eer: the share of targets below the first that beats the non-target of the same rank from the top."""
    targets, others = np.sort(scores[labels == 1]), np.sort(scores[labels == 0])
    place = 0
    while place + 1 < targets.size:
        rival = max(others.size - 1 - int(others.size * place / targets.size), 0)
        if others[rival] < targets[place]:
            break
        place += 1
    return place / targets.size


def isotonic_eer(scores: Array, labels: Array) -> float:
    """The EER of the convex hull by scikit-learn's isotonic regression (pool adjacent violators)."""
    fitted = IsotonicRegression().fit_transform(scores, labels)
    values = np.unique(fitted)
    far = [np.mean(fitted[labels == 0] >= value) for value in values] + [0.0]
    frr = [np.mean(fitted[labels == 1] < value) for value in values] + [1.0]
    after = int(np.argmax(np.array(frr) >= far))
    before = after - 1
    share = (far[before] - frr[before]) / (far[before] - frr[before] + frr[after] - far[after])
    return frr[before] + share * (frr[after] - frr[before])


def sklearn_min_dcf(scores: Array, labels: Array, p: float = 0.01) -> float:
    """The lowest cost on scikit-learn's DET curve, normalised."""
    far, frr, _ = det_curve(labels, scores)
    return float(np.min(p * frr + (1 - p) * far) / min(p, 1 - p))


def speechbrain_min_dcf(scores: Array, labels: Array, p: float = 0.01) -> float:
    """SpeechBrain's own function: not normalised."""
    return float(minDCF(*_sides(scores, labels), p_target=p)[0])


def wespeaker_min_dcf(scores: Array, labels: Array, p: float = 0.01) -> float:
    """The lowest cost after each trial, normalised."""
    far, frr = wespeaker_rates(scores, labels)
    return float(np.min(p * frr + (1 - p) * far) / min(p, 1 - p))


def nist_min_dcf(scores: Array, labels: Array, p: float = 0.01) -> float:
    """Every threshold tried, none left out, normalised."""
    thresholds = [*np.unique(scores), np.inf]
    costs = [p * np.mean(scores[labels == 1] < t) + (1 - p) * np.mean(scores[labels == 0] >= t) for t in thresholds]
    costs.append(p)  # reject-all, where a score is +inf
    return float(min(costs) / min(p, 1 - p))


def nist_act_dcf(scores: Array, labels: Array, p: float = 0.01) -> float:
    """The cost at the Bayes threshold, normalised."""
    accepted = scores >= np.log((1 - p) / p)
    misses, alarms = np.mean(~accepted[labels == 1]), np.mean(accepted[labels == 0])
    return float((p * misses + (1 - p) * alarms) / min(p, 1 - p))


def _sides(scores: Array, labels: Array) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.as_tensor(scores[labels == 1]), torch.as_tensor(scores[labels == 0])


EER_PEERS: Mapping[str, Peer] = {
    "scikit-learn + brentq": sklearn_eer,
    "SpeechBrain": speechbrain_eer,
    "torchmetrics": torchmetrics_eer,
    "WeSpeaker-style": wespeaker_eer,
    "Kaldi-style": kaldi_eer,
}
COST_PEERS: Mapping[str, Peer] = {
    "scikit-learn + brentq": sklearn_min_dcf,
    "SpeechBrain": speechbrain_min_dcf,
    "WeSpeaker-style": wespeaker_min_dcf,
    "NIST-style": nist_min_dcf,
}


def gaussian(targets: int, others: int, decimals: int | None = None, seed: int = 0) -> tuple[Array, Array]:
    """Scores of two normal distributions 3.5 apart, over 12 as cosines have them, rounded if wanted; labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([1, 0], [targets, others])
    scores = (rng.normal(size=labels.size) + 3.5 * labels) / 12
    order = rng.permutation(labels.size)
    return (scores if decimals is None else np.round(scores, decimals))[order], labels[order]


def _trials(targets: Sequence[float], others: Sequence[float]) -> tuple[Array, Array]:
    return np.array([*targets, *others], float), np.repeat([1, 0], [len(targets), len(others)])


ONE_BY_ONE = "WeSpeaker moves through ties one by one, in the order of the file"
NEAREST = "SpeechBrain and torchmetrics give the mean at the nearest point, not the crossing"
KALDI = "Kaldi gives the share of targets below one threshold"
ACCEPTED = "no check of the input"
INFINITE = "an order is all that is needed; scikit-learn refuses infinite scores"
SIGMOID = "torchmetrics puts scores outside [0, 1] through a float32 sigmoid, which ties them"
NO_START = "WeSpeaker has no point that accepts all"

inf, nan = np.inf, np.nan
CASES: Mapping[str, tuple[tuple[Array, Array], str]] = {
    "200 targets, 300 non-targets, no ties": (gaussian(200, 300), ""),
    "the same, two decimals": (gaussian(200, 300, 2), NEAREST),
    "the same, one decimal": (gaussian(200, 300, 1), f"{NEAREST}; {ONE_BY_ONE}; {KALDI}"),
    "the same plus 10⁶": ((gaussian(200, 300)[0] + 1e6, gaussian(200, 300)[1]), SIGMOID),
    "40 targets, 360 non-targets": (gaussian(40, 360), ""),
    "targets .9 .6 .2; non-targets .8 .5 .3 .1 .05": (_trials([0.9, 0.6, 0.2], [0.8, 0.5, 0.3, 0.1, 0.05]), NEAREST),
    "targets .7 .2; non-target .6": (
        _trials([0.7, 0.2], [0.6]),
        "SpeechBrain and torchmetrics take the mean of FAR and FRR where neither is near the other",
    ),
    "a tie at the crossing: targets .9 .5; non-targets .5 .4 .1": (
        _trials([0.9, 0.5], [0.5, 0.4, 0.1]),
        f"{NEAREST}; {ONE_BY_ONE}; {KALDI}",
    ),
    "all scores equal": (_trials([0.5] * 2, [0.5] * 3), f"{ONE_BY_ONE}: it would be 0 the other way round"),
    "inverted: targets .1 .2; non-targets .8 .9": (_trials([0.1, 0.2], [0.8, 0.9]), f"{KALDI}, never all of them"),
    "separated": (_trials([0.8, 0.9], [0.1, 0.2]), ""),
    "one of each, right": (_trials([0.9], [0.1]), NO_START),
    "one of each, tied": (_trials([0.5], [0.5]), f"{NO_START}; {KALDI}, never all of them"),
    "one of each, wrong": (_trials([0.1], [0.9]), f"{NO_START}; {KALDI}, never all of them"),
    "a target at +∞": (_trials([inf, 0.2, 0.7], [0.4, 0.3, 0.1]), INFINITE),
    "a target and a non-target at −∞": (_trials([-inf, 0.8, 0.7], [0.4, 0.3, -inf]), INFINITE),
    "logits": (_trials([40, 41, 38.5, 39.5], [39, 38, 40.5, 37]), SIGMOID),
    "a target is NaN": (_trials([0.9, nan], [0.5, 0.1, 0.2]), f"{ACCEPTED}: NaN is ordered as it happens"),
    "no trials": (_trials([], []), f"{ACCEPTED}: another error, by accident"),
    "no non-targets": (_trials([0.9, 0.5], []), f"{ACCEPTED}: a rate over nothing, or an error by accident"),
    "no targets": (_trials([], [0.5, 0.1]), f"{ACCEPTED}: a rate over nothing, or an error by accident"),
}


def section() -> Section:
    """The EER of every case, the other two definitions, and the costs."""
    rows = [*_eer_rows(), *_definition_rows(), *_cost_rows()]
    return Section("EER and detection costs", TEXT, rows, tolerance=2e-6)


def _eer_rows() -> list[Row]:
    ours: Peer = lambda scores, labels: detection.eer(scores, labels)[0]  # noqa: E731
    return [
        Row(f"EER: {case}", _answers({"ours": ours}, trials)["ours"], _answers(EER_PEERS, trials), reason)
        for case, (trials, reason) in CASES.items()
    ]


def _definition_rows() -> list[Row]:
    """`nearest` and `rocch` beside those who have no other definition."""
    nearest = {name: EER_PEERS[name] for name in ("SpeechBrain", "torchmetrics")}
    hull = {"scikit-learn's PAV": isotonic_eer}
    chosen = [*list(CASES)[:3], *list(CASES)[4:6], *list(CASES)[7:9]]
    return [
        Row(f"{method} EER: {case}", detection.eer(*CASES[case][0], method=method)[0], _answers(peers, CASES[case][0]))
        for method, peers in (("nearest", nearest), ("rocch", hull))
        for case in chosen
    ]


def _cost_rows() -> list[Row]:
    found = []
    for case in list(CASES)[:3] + list(CASES)[4:6] + list(CASES)[8:11] + list(CASES)[14:15]:
        trials, _ = CASES[case]
        peers = {name: peer for name, peer in COST_PEERS.items() if name != "SpeechBrain"}
        reason = ONE_BY_ONE if "decimal" in case else INFINITE if "∞" in case else ""
        found.append(Row(f"minDCF(0.01): {case}", detection.min_dcf(*trials)[0], _answers(peers, trials), reason))
    for case in list(CASES)[:2]:
        raw = detection.min_dcf(*CASES[case][0], normalized=False)[0]
        peers = {"SpeechBrain": speechbrain_min_dcf}
        found.append(Row(f"raw minDCF(0.01): {case}", raw, _answers(peers, CASES[case][0])))
    scores, labels = gaussian(200, 300)
    calibrated = (42 * scores - 6.125, labels)  # 3.5 x − 3.5² / 2: the ln likelihood ratio of x = 12 · score
    actual = detection.act_dcf(*calibrated)
    found.append(Row("actDCF(0.01): the first, calibrated", actual, _answers({"NIST-style": nist_act_dcf}, calibrated)))
    return found


def _answers(peers: Mapping[str, Peer], trials: tuple[Array, Array]) -> dict[str, Answer]:
    """What each peer makes of the trials; what they warn of is part of what the table shows."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return {name: answer(lambda peer=peer: peer(*trials)) for name, peer in peers.items()}
