"""PLDA scores are the likelihood ratios of its Gaussians, and its parameters are of maximum likelihood."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from voxboard.errors import UserError
from voxboard.metrics.detection import cllr, eer
from voxboard.scoring import plda
from voxboard.scoring.plda import Plda, fit


def sample(speakers: int, sizes: int | np.ndarray, size: int = 3, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Utterances of the two-covariance model: (rows, speakers, µ, B, W)."""
    draw = np.random.default_rng(seed)
    between, within = (factor @ factor.T for factor in draw.standard_normal((2, size, size)))
    mean = 3 * draw.standard_normal(size)
    names = np.repeat(np.arange(speakers), sizes)
    voices = draw.multivariate_normal(mean, between, speakers)
    rest = draw.multivariate_normal(np.zeros(size), within, len(names))
    return voices[names] + rest, names, mean, between, within


def parameters(model: Plda) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(µ, B, W) of a model without length normalisation, in the space of the embeddings."""
    back = np.linalg.inv(model.projection @ model.basis)
    mean = model.mean + model.centre @ np.linalg.inv(model.projection)
    return mean, back.T @ np.diag(model.between) @ back, back.T @ back


def test_scores_are_ratios_of_densities() -> None:
    rows, names, *_ = sample(40, 5)
    model = fit(rows, names, length_norm=False)
    mean, between, within = parameters(model)
    total = between + within
    joint = np.block([[total, between], [between, total]])
    enrol, test = np.random.default_rng(0).integers(0, len(rows), (2, 30))
    expected = [
        multivariate_normal.logpdf(np.append(rows[a], rows[b]), np.append(mean, mean), joint)
        - multivariate_normal.logpdf(rows[a], mean, total)
        - multivariate_normal.logpdf(rows[b], mean, total)
        for a, b in zip(enrol, test, strict=True)
    ]
    np.testing.assert_allclose(model.score(rows, enrol, test), expected, atol=1e-9)


def test_equal_numbers_of_utterances_have_a_closed_form() -> None:
    rows, names, *_ = sample(200, 6, seed=2)
    mean, between, within = parameters(fit(rows, names, length_norm=False, iterations=500, tolerance=0.0))
    means = rows.reshape(200, 6, 3).mean(axis=1)
    scatter = np.cov((rows - np.repeat(means, 6, axis=0)).T, bias=True) * 6 / 5
    assert np.linalg.eigvalsh(np.cov(means.T, bias=True) - scatter / 6)[0] > 0  # else B lies on the edge
    np.testing.assert_allclose(mean, means.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(within, scatter, atol=1e-4)
    np.testing.assert_allclose(between, np.cov(means.T, bias=True) - scatter / 6, atol=1e-4)


def test_known_covariances_are_found_again_from_unequal_numbers() -> None:
    sizes = np.random.default_rng(1).integers(1, 12, 4000)
    rows, names, mean, between, within = sample(4000, sizes)
    found = parameters(fit(rows, names, length_norm=False))
    for ours, truth in zip(found, (mean, between, within), strict=True):
        np.testing.assert_allclose(ours, truth, atol=0.07 * np.abs(truth).max())


def test_every_step_of_em_makes_the_data_more_likely() -> None:
    rows, names, *_ = sample(30, np.random.default_rng(1).integers(1, 9, 30), size=5)
    sums = plda._Sums.of(rows, names)
    state = np.zeros(5), np.eye(5), np.ones(5)
    likelihoods = []
    for _ in range(30):
        likelihoods.append(plda._log_likelihood(sums, *state))
        state = plda._step(sums, *state)
    assert (np.diff(likelihoods) > 0).all()
    mean, between, within = state[0], *(np.linalg.inv(state[1]).T @ m @ np.linalg.inv(state[1])
                                        for m in (np.diag(state[2]), np.eye(5)))  # fmt: skip
    by_hand = 0.0
    for name in range(30):
        mine = rows[names == name]
        joint = np.kron(np.ones((len(mine), len(mine))), between) + np.kron(np.eye(len(mine)), within)
        by_hand += multivariate_normal.logpdf(mine.ravel(), np.tile(mean, len(mine)), joint)
    assert plda._log_likelihood(sums, *state) == pytest.approx(by_hand, rel=1e-9)


def test_speechbrain_gives_the_same_ratios_from_the_same_parameters() -> None:
    from tests.peers import Ndx, StatObject_SB, fast_PLDA_scoring

    rows, names, *_ = sample(30, 4)
    model = fit(rows, names, length_norm=False)
    mean, between, within = parameters(model)

    def segments(numbers: list[int], prefix: str) -> StatObject_SB:
        ids = np.array([f"{prefix}{number}" for number in numbers], dtype="|O")
        nothing = np.array([None] * len(ids))
        return StatObject_SB(ids, ids, nothing, nothing, np.ones((len(ids), 1)), rows[numbers])

    models, tests = segments([0, 5, 9], "m"), segments([1, 50], "t")
    ndx = Ndx(models=models.modelset, testsegs=tests.segset)
    theirs = fast_PLDA_scoring(models, tests, ndx, mean, np.linalg.cholesky(between), within).scoremat
    ours = model.score(rows, [0, 0, 5, 5, 9, 9], [1, 50] * 3).reshape(3, 2)
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_it_beats_the_cosine_and_is_calibrated_on_other_speakers() -> None:
    draw = np.random.default_rng(0)
    size = 20
    scales = np.linspace(0.2, 3, size)  # noise of very different size per dimension
    voices, names = draw.standard_normal((400, size)), np.repeat(np.arange(400), 8)
    rows = (voices[names] + scales * draw.standard_normal((3200, size)) + 5).astype(np.float32)
    model = fit(rows[:1600], names[:1600], lda=15)
    enrol, test = draw.integers(1600, 3200, (2, 40_000))
    test[:4000] = enrol[:4000] // 8 * 8 + draw.integers(0, 8, 4000)
    kept = enrol != test
    enrol, test = enrol[kept], test[kept]
    labels = names[enrol] == names[test]
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    scores = model.score(rows, enrol, test)
    assert eer(scores, labels)[0] < 0.8 * eer((unit[enrol] * unit[test]).sum(axis=1), labels)[0]
    assert cllr(scores, labels) < 0.9


def test_scores_come_back_from_a_file(tmp_path: Path) -> None:
    rows, names, *_ = sample(30, 4)
    model = fit(rows, names, lda=2)
    model.save(tmp_path / "plda.safetensors")
    again = Plda.load(tmp_path / "plda.safetensors")
    assert again.score(rows, [0, 1], [2, 3]).tobytes() == model.score(rows, [0, 1], [2, 3]).tobytes()
    (tmp_path / "other").write_text("hello")
    for name in ("other", "absent"):
        with pytest.raises(UserError, match="no PLDA model"):
            Plda.load(tmp_path / name)


def test_trials_are_symmetric_and_scored_one_by_one() -> None:
    rows, names, *_ = sample(30, 4)
    model = fit(rows, names)
    enrol, test = np.random.default_rng(0).integers(0, 120, (2, 200))
    scores = model.score(rows, enrol, test)
    np.testing.assert_allclose(model.score(rows, test, enrol), scores, atol=1e-12)
    np.testing.assert_allclose(model.score(rows, enrol[::-1], test[::-1])[::-1], scores, atol=1e-12)


def test_wrong_input_is_named() -> None:
    rows, names, *_ = sample(30, 4)
    model = fit(rows, names)
    cases = [
        (lambda: fit(rows, names[:-1]), "120 embeddings but 119 speakers"),
        (lambda: fit(rows, np.zeros(120)), "two speakers"),
        (lambda: fit(rows, names, lda=4), "lda must lie between 1 and 3"),
        (lambda: fit(rows[:32], [*range(30), 0, 1]), "too few for 3 dimensions"),
        (lambda: fit(np.column_stack([rows, rows[:, 0]]), names), "do not vary in 1 of 4"),
        (lambda: fit(np.where(np.eye(120, 3) > 0, np.nan, rows), names), "not finite"),
        (lambda: model.score(rows[:, :2], [0], [1]), "embeddings of 3 numbers, got 2"),
        (lambda: model.score(rows, [0], [120]), "test must lie in"),
    ]
    for call, problem in cases:
        with pytest.raises(ValueError, match=problem):
            call()
