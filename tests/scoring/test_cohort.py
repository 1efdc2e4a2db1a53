"""A cohort is one mean per training speaker, and which speakers are drawn depends on their names alone."""

from __future__ import annotations

import numpy as np
import pytest

from voxboard.scoring import cohort
from voxboard.scoring.rows import unit


def utterances(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    return draw.standard_normal((60, 6)) * draw.uniform(0.1, 9, (60, 1)), draw.permutation(np.repeat(list("cdabe"), 12))


def test_rows_are_normalised_means_of_normalised_embeddings() -> None:
    embeddings, speakers = utterances()
    found = cohort.mean_per_speaker(embeddings, speakers)
    assert found.speakers == tuple("abcde")
    for name, row in zip(found.speakers, found.matrix, strict=True):
        np.testing.assert_allclose(row, unit(unit(embeddings[speakers == name]).mean(axis=0)[None])[0], atol=1e-12)


def test_every_head_is_normalised_by_itself() -> None:
    embeddings, speakers = utterances()
    found = cohort.mean_per_speaker(embeddings, speakers, heads=2).matrix
    np.testing.assert_allclose(np.linalg.norm(found.reshape(5, 2, 3), axis=-1), 0.5**0.5, atol=1e-12)


def test_the_draw_depends_on_names_and_seed_only() -> None:
    assert cohort.draw("abcde", 3, seed=1) == cohort.draw("edcbaabc", 3, seed=1)
    drawn = {tuple(cohort.draw("abcde", 3, seed)) for seed in range(20)}
    assert len(drawn) > 3
    assert all(len(set(names)) == 3 for names in drawn)
    assert cohort.draw("cab", 0, seed=1) == ["a", "b", "c"]


def test_the_digest_is_of_the_utterances_in_any_order() -> None:
    embeddings, speakers = utterances()
    names = [f"u{n}" for n in range(60)]
    first = cohort.mean_per_speaker(embeddings, speakers, names)
    again = cohort.mean_per_speaker(embeddings[::-1], speakers[::-1], names[::-1])
    assert first.digest == again.digest != cohort.mean_per_speaker(embeddings[1:], speakers[1:], names[1:]).digest
    np.testing.assert_allclose(first.matrix, again.matrix, atol=1e-12)


def test_a_float32_matrix_stays_one_and_is_summed_in_float64() -> None:
    embeddings = np.tile(np.float32([[3.0, 4.0]]), (100_000, 1))  # more than a block
    found = cohort.mean_per_speaker(embeddings, np.zeros(100_000, int))
    assert found.matrix.dtype == np.float32
    np.testing.assert_allclose(found.matrix, [[0.6, 0.8]], rtol=1e-7)


def test_wrong_input_is_named() -> None:
    embeddings, speakers = utterances()
    with pytest.raises(ValueError, match="6 speakers cannot be drawn from 5"):
        cohort.draw("abcde", 6, seed=0)
    with pytest.raises(ValueError, match="60 embeddings but 59"):
        cohort.mean_per_speaker(embeddings, speakers[:59])
    embeddings[17] = np.nan
    with pytest.raises(ValueError, match="the first is row 17"):
        cohort.mean_per_speaker(embeddings, speakers)
    with pytest.raises(ValueError, match="cancel out"):
        cohort.mean_per_speaker(np.array([[1.0, 0.0], [-1.0, 0.0]]), ["a", "a"])
