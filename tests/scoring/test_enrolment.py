"""A model of several utterances is their mean direction, and is scored like an utterance."""

from __future__ import annotations

import numpy as np
import pytest

from voxboard.metrics.detection import eer
from voxboard.scoring.cosine import cosine
from voxboard.scoring.enrolment import enrol
from voxboard.scoring.normalization import as_norm
from voxboard.scoring.rows import unit

IDS = ["u0", "u1", "u2", "u3"]
ROWS = {name: row for row, name in enumerate(IDS)}
EMBEDDINGS = np.random.default_rng(0).standard_normal((4, 8)) * [[1], [10], [0.1], [3]]


def test_every_utterance_counts_alike_whatever_its_length() -> None:
    found = enrol(EMBEDDINGS, {"m1": ["u0", "u1", "u2"], "m2": ["u3"]}, ROWS)
    assert found.ids == ("m1", "m2")
    np.testing.assert_allclose(found.matrix[0], unit(unit(EMBEDDINGS[:3]).mean(axis=0)[None])[0], atol=1e-12)
    np.testing.assert_allclose(found.matrix[1], unit(EMBEDDINGS[3:])[0], atol=1e-12)


def test_models_stand_beside_utterances_in_trials() -> None:
    rows = unit(EMBEDDINGS)
    names, both = enrol(rows, {"m1": ["u0", "u1"]}, ROWS).beside(IDS, rows)
    assert names == {"m1": 0, "u0": 1, "u1": 2, "u2": 3, "u3": 4}
    score = cosine(both, np.array([names["m1"]]), np.array([names["u3"]]))[0]
    pair = unit(rows[:2].sum(axis=0)[None])[0]
    assert score == pytest.approx(pair @ rows[3], abs=1e-6)
    cohort = unit(np.random.default_rng(1).standard_normal((20, 8)))
    normalized = as_norm([score], both, [0], [4], cohort, top_k=5)[0]
    top = [np.sort(cohort @ row)[-5:] for row in (pair, rows[3])]
    assert normalized == pytest.approx(np.mean([(score - t.mean()) / t.std() for t in top]), abs=1e-4)
    with pytest.raises(ValueError, match="models and utterances, the first is 'u0'"):
        enrol(rows, {"u0": ["u1"]}, ROWS).beside(IDS, rows)


def test_more_enrolment_utterances_make_fewer_errors() -> None:
    draw = np.random.default_rng(0)
    speakers, size = 60, 16
    voices = draw.standard_normal((speakers, size))
    utterances = np.repeat(voices, 9, axis=0) + 1.5 * draw.standard_normal((speakers * 9, size))
    names = {f"{speaker}-{number}": 9 * speaker + number for speaker in range(speakers) for number in range(9)}
    rates = []
    for count in (1, 8):
        models = enrol(utterances, {str(s): [f"{s}-{n}" for n in range(count)] for s in range(speakers)}, names)
        tests = unit(utterances[8::9])
        both = np.concatenate([models.matrix, tests])
        first, second = np.divmod(np.arange(speakers**2), speakers)
        rates.append(eer(cosine(both, first, speakers + second), first == second)[0])
    assert rates[1] < 0.7 * rates[0]


def test_wrong_input_is_named() -> None:
    with pytest.raises(ValueError, match="the first is 'u9'"):
        enrol(EMBEDDINGS, {"m": ["u0", "u9"]}, ROWS)
    with pytest.raises(ValueError, match="the model 'm2' has no utterance"):
        enrol(EMBEDDINGS, {"m1": ["u0"], "m2": []}, ROWS)
    with pytest.raises(ValueError, match="no models"):
        enrol(EMBEDDINGS, {}, ROWS)
