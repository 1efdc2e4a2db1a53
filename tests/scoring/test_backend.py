"""Back-ends learned from training speakers, on embeddings whose structure is known."""

from __future__ import annotations

import numpy as np
import pytest

from voxboard.metrics import detection
from voxboard.scoring import backend, plda
from voxboard.scoring.cosine import cosine
from voxboard.scoring.rows import unit

SIZE, SPEAKERS, EACH = 12, 60, 8
SHIFT = 30.0  # along all axes: what features of pretrained networks share


def _embeddings(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Speakers differ in the first six dimensions; sessions vary most in the last six."""
    draw = np.random.default_rng(seed)
    speakers = np.repeat(np.arange(SPEAKERS), EACH)
    voices = draw.standard_normal((SPEAKERS, SIZE)) * ([2.0] * 6 + [0.1] * 6)
    sessions = draw.standard_normal((len(speakers), SIZE)) * ([1.0] * 6 + [6.0] * 6)
    return voices[speakers] + sessions + SHIFT, speakers


TRAIN, OWNERS = _embeddings(0)
TEST, TESTED = _embeddings(1)
ENROL, OTHER = np.triu_indices(len(TEST), 1)
LABELS = (TESTED[ENROL] == TESTED[OTHER]).astype(int)


def _error(rows: np.ndarray) -> float:
    return detection.eer(cosine(rows, ENROL, OTHER), LABELS)[0]


def test_projections_lower_the_error_where_sessions_vary_most() -> None:
    centered = _error(backend.fit(TRAIN, OWNERS).rows(TEST))
    assert _error(backend.fit(TRAIN, OWNERS, lda=6).rows(TEST)) < centered / 2
    assert _error(backend.fit(TRAIN, OWNERS, wccn=True).rows(TEST)) < centered / 2


def test_centering_takes_the_speakers_mean_away_before_lengths() -> None:
    fitted = backend.fit(TRAIN, OWNERS)
    means = np.stack([TRAIN[speaker == OWNERS].mean(0) for speaker in range(SPEAKERS)])
    assert np.allclose(fitted.rows(TEST), unit(TEST - means.mean(0)))
    assert np.allclose(fitted.rows(TEST, heads=3), unit(TEST - means.mean(0), 3))


def test_wccn_makes_the_covariance_within_speakers_the_identity() -> None:
    fitted = backend.fit(TRAIN, OWNERS, wccn=True)
    assert fitted.projection is not None
    means = np.stack([TRAIN[speaker == OWNERS].mean(0) for speaker in range(SPEAKERS)])
    rest = (TRAIN - means[OWNERS]) @ fitted.projection
    assert np.allclose(rest.T @ rest / (len(rest) - SPEAKERS), np.eye(SIZE))


def test_plda_is_that_of_its_own_module() -> None:
    fitted = backend.fit(TRAIN, OWNERS, lda=6, plda=True)
    assert fitted.plda is not None
    scores = fitted.plda.score(TEST, ENROL, OTHER)
    assert np.array_equal(scores, plda.fit(TRAIN, OWNERS, lda=6).score(TEST, ENROL, OTHER))
    assert detection.eer(scores, LABELS)[0] < _error(backend.fit(TRAIN, OWNERS).rows(TEST)) - 0.05


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"lda": SPEAKERS}, "lda must lie"), ({"lda": 13}, "lda must lie"), ({"wccn": True}, "too few")],
)
def test_what_cannot_be_learned_is_refused(options: dict[str, int], reason: str) -> None:
    few = slice(0, 8) if "wccn" in options else slice(None)
    with pytest.raises(ValueError, match=reason):
        backend.fit(TRAIN[few], OWNERS[few], **options)
