"""Normalised and calibrated scores beside those of the toolkits' recipes, on the same trials."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from tests.conformance.section import Row, Section, answer
from voxboard.metrics.detection import cllr, eer
from voxboard.scoring import calibration, normalization, plda
from voxboard.scoring.rows import unit

TEXT = """
*AS-norm* is ((s − µₑ) / σₑ + (s − µₜ) / σₜ) / 2, with the mean and deviation of the k highest scores of the enrolment
and of the test side with the cohort (Matějka et al., Interspeech 2017, AS-norm1); *S-norm* takes the whole cohort,
*Z-norm* and *T-norm* one side. σ is the population deviation unless `std="sample"` is asked for. The cohort is one mean
embedding per training speaker. *PLDA* scores are the exact log likelihood ratio of the two-covariance model.
*Calibration* is prior-weighted logistic regression (FoCal, BOSARIS). A number stands for a whole list: its mean
absolute score, its EER or its Cllr in bits.

WeSpeaker-style and SpeechBrain-recipe-style are short functions after what these toolkits' recipes do: they are no
importable functions there. FoCal-style minimises the published objective with a general optimiser.
"""
ENROL, TEST = np.random.default_rng(1).integers(0, 200, (2, 400))
LABELS = np.arange(400) % 4 == 0
Scores = np.ndarray


def section() -> Section:
    """AS-norm with both deviations and at the edges, PLDA, and calibration at two priors."""
    rows = [*_normalized(), _errors(), *_edges(), _plda(), *_calibrated()]
    return Section("Score normalisation and calibration", TEXT, rows, tolerance=1e-5)


@cache
def _lists() -> tuple[Scores, Scores, Scores]:
    """(scores [400], rows [200, 32], cohort [500, 32]), targets drawn towards each other."""
    draw = np.random.default_rng(0)
    rows = draw.standard_normal((200, 32))
    for enrol, test in zip(ENROL[LABELS], TEST[LABELS], strict=True):
        rows[test] += 0.5 * rows[enrol]
    rows, cohort = unit(rows), unit(draw.standard_normal((500, 32)))
    return np.einsum("ne,ne->n", rows[ENROL], rows[TEST]), rows, cohort


def _wespeaker(top_k: int) -> Scores:
    """Statistics of each side from its fully sorted score matrix, population deviation."""
    scores, rows, cohort = _lists()
    found = []
    for side in (ENROL, TEST):
        used, numbers = np.unique(side, return_inverse=True)
        top = np.sort(rows[used] @ cohort.T, axis=1)[:, ::-1][:, :top_k]
        found.append((scores - top.mean(axis=1)[numbers]) / top.std(axis=1)[numbers])
    return sum(found) / 2


@cache
def _speechbrain(top_k: int) -> Scores:
    """Both sides against the cohort anew at every trial: torch.topk, torch.std with its default divisor."""
    import torch

    scores, rows, cohort = _lists()
    similar = torch.nn.CosineSimilarity(dim=-1, eps=1e-6)
    found = []
    for score, enrol, test in zip(scores, ENROL, TEST, strict=True):
        sides = [similar(torch.from_numpy(rows[side])[None], torch.from_numpy(cohort)) for side in (enrol, test)]
        tops = [torch.topk(side, top_k).values for side in sides]
        found.append(float(sum((score - top.mean()) / top.std() for top in tops) / 2))
    return np.array(found)


def _ours(top_k: int, std: normalization.Std = "population") -> Scores:
    scores, rows, cohort = _lists()
    return normalization.as_norm(scores, rows, ENROL, TEST, cohort, top_k, std)


def _size(scores: Scores) -> float:
    return float(np.abs(scores).mean())


def _normalized() -> Iterator[Row]:
    reasons = {
        "population": "SpeechBrain divides by k − 1, WeSpeaker by k: all scores differ by √(1 − 1/k)",
        "sample": "WeSpeaker divides by k, SpeechBrain by k − 1: all scores differ by √(1 − 1/k)",
    }
    stds: tuple[normalization.Std, ...] = ("population", "sample")
    for std in stds:
        for top_k in (10, 300):
            peers = {
                "WeSpeaker-style": _size(_wespeaker(top_k)),
                "SpeechBrain-recipe-style": _size(_speechbrain(top_k)),
            }
            yield Row(f"AS-norm, top {top_k} of 500, {std}", _size(_ours(top_k, std)), peers, reasons[std])


def _errors() -> Row:
    peers = {
        "WeSpeaker-style": eer(_wespeaker(10), LABELS)[0],
        "SpeechBrain-recipe-style": eer(_speechbrain(10), LABELS)[0],
    }
    return Row("EER after AS-norm, top 10", eer(_ours(10), LABELS)[0], peers)


def _edges() -> Iterator[Row]:
    ways: dict[str, Callable[[int], Scores]] = {
        "WeSpeaker-style": _wespeaker,
        "SpeechBrain-recipe-style": _speechbrain,
    }
    yield Row(
        "AS-norm, top 600 of 500",
        answer(lambda: _size(_ours(600))),
        {name: answer(lambda way=way: _size(way(600))) for name, way in ways.items()},  # type: ignore[misc]
        "WeSpeaker takes the whole cohort without a word; topk refuses in its own way",
    )


def _plda() -> Row:
    """The same µ, B and W in both."""
    from tests.peers import Ndx, StatObject_SB, fast_PLDA_scoring

    draw = np.random.default_rng(0)
    names = np.repeat(np.arange(40), 5)
    rows = draw.standard_normal((40, 4))[names] + 0.7 * draw.standard_normal((200, 4))
    model = plda.fit(rows, names, length_norm=False)
    back = np.linalg.inv(model.projection @ model.basis)
    mean = model.mean + model.centre @ np.linalg.inv(model.projection)
    factor = back.T * np.sqrt(model.between)

    def segments(numbers: np.ndarray) -> StatObject_SB:
        ids, nothing = numbers.astype(str).astype("|O"), np.array([None] * len(numbers))
        return StatObject_SB(ids, ids, nothing, nothing, np.ones((len(ids), 1)), rows[numbers])

    models, tests = segments(np.arange(0, 10)), segments(np.arange(10, 30))
    ndx = Ndx(models=models.modelset, testsegs=tests.segset)
    theirs = fast_PLDA_scoring(models, tests, ndx, mean, factor, back.T @ back).scoremat
    ours = model.score(rows, np.repeat(np.arange(10), 20), np.tile(np.arange(10, 30), 10))
    return Row("PLDA ratios, 200 trials, the same µ, B and W", _size(ours), {"SpeechBrain": _size(theirs)})


def _calibrated() -> Iterator[Row]:
    scores, *_ = _lists()
    for prior in (0.5, 0.01):
        ours = calibration.fit(scores, LABELS, prior).apply(scores)
        peers = {"FoCal-style": cllr(_focal(scores, prior), LABELS)}
        yield Row(f"Cllr, calibrated at p = {prior:g}", cllr(ours, LABELS), peers)
    plain = _sklearn(scores)
    yield Row(
        "Cllr, calibrated at p = 0.5 of a list with 25 % targets",
        cllr(calibration.fit(scores, LABELS).apply(scores), LABELS),
        {"scikit-learn, as it comes": cllr(plain, LABELS)},
        "LogisticRegression's logits hold the list's own share of targets, and its default penalty flattens the slope",
    )


def _focal(scores: Scores, prior: float) -> Scores:
    from scipy.optimize import minimize

    logit = np.log(prior / (1 - prior))

    def cost(x: Scores) -> float:
        shifted = x[0] * scores + x[1] + logit
        misses, alarms = np.logaddexp(0, -shifted[LABELS]), np.logaddexp(0, shifted[~LABELS])
        return float(prior * misses.mean() + (1 - prior) * alarms.mean())

    x = minimize(cost, (1.0, 0.0), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-15, "maxiter": 5000}).x
    return x[0] * scores + x[1]


def _sklearn(scores: Scores) -> Scores:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit(scores[:, None], LABELS).decision_function(scores[:, None])
