"""Normalised scores equal the formulas computed trial by trial, however the work is cut up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxboard.metrics.detection import eer
from voxboard.scoring import normalization
from voxboard.scoring.cosine import cosine
from voxboard.scoring.normalization import as_norm, s_norm, statistics, t_norm, z_norm
from voxboard.scoring.rows import unit


@dataclass(frozen=True)
class Lists:
    """Random rows, a cohort and trials between some of the rows."""

    rows: np.ndarray
    cohort: np.ndarray
    enrol: np.ndarray
    test: np.ndarray

    @property
    def scores(self) -> np.ndarray:
        return np.einsum("ne,ne->n", self.rows[self.enrol], self.rows[self.test])

    @property
    def trials(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        return self.scores, self.rows, self.enrol, self.test, self.cohort


def lists(seed: int = 0, utterances: int = 40, cohort: int = 60, size: int = 8, heads: int = 1) -> Lists:
    draw = np.random.default_rng(seed)
    rows, others = draw.standard_normal((utterances, size)), draw.standard_normal((cohort, size))
    return Lists(unit(rows, heads), unit(others, heads), *draw.integers(0, utterances, (2, 100)))


def by_hand(found: Lists, side: np.ndarray, top_k: int, ddof: int) -> np.ndarray:
    """(score − mean) / deviation, the cohort scored anew for every trial."""
    values = []
    for score, row in zip(found.scores, side, strict=True):
        top = np.sort(found.cohort @ found.rows[row])[-top_k:]
        values.append((score - top.mean()) / top.std(ddof=ddof))
    return np.array(values)


@given(st.integers(0, 1000), st.integers(2, 60), st.sampled_from(["population", "sample"]), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_all_four_are_their_formulas(seed: int, top_k: int, std: Any, workers: int) -> None:
    found = lists(seed)
    ddof = int(std == "sample")
    enrol, test = (by_hand(found, side, top_k, ddof) for side in (found.enrol, found.test))
    options: Any = {"std": std, "workers": workers, "memory_mib": 0.01}
    np.testing.assert_allclose(as_norm(*found.trials, top_k=top_k, **options), (enrol + test) / 2, atol=1e-9)
    np.testing.assert_allclose(z_norm(*found.trials, top_k=top_k, **options), enrol, atol=1e-9)
    np.testing.assert_allclose(t_norm(*found.trials, top_k=top_k, **options), test, atol=1e-9)


def test_s_norm_is_as_norm_with_the_whole_cohort_and_the_mean_of_z_and_t_norm() -> None:
    found = lists()
    whole = s_norm(*found.trials)
    np.testing.assert_array_equal(whole, as_norm(*found.trials, top_k=len(found.cohort)))
    np.testing.assert_allclose(whole, (z_norm(*found.trials) + t_norm(*found.trials)) / 2, atol=1e-12)


def test_trials_are_normalised_one_by_one_and_both_sides_alike() -> None:
    found = lists()
    plain = as_norm(*found.trials, top_k=20)
    order = np.random.default_rng(1).permutation(len(plain))
    scores, rows, enrol, test, cohort = found.trials
    np.testing.assert_array_equal(
        as_norm(scores[order], rows, enrol[order], test[order], cohort, top_k=20), plain[order]
    )
    np.testing.assert_array_equal(as_norm(scores, rows, test, enrol, cohort, top_k=20), plain)
    shuffled = cohort[np.random.default_rng(2).permutation(len(cohort))]
    np.testing.assert_allclose(as_norm(scores, rows, enrol, test, shuffled, top_k=20), plain, atol=1e-9)


@pytest.mark.parametrize("clamp", [False, True])
def test_threads_change_no_bit_and_memory_only_the_rounding(clamp: bool) -> None:
    draw = np.random.default_rng(0)
    rows = unit(draw.standard_normal((1500, 32), dtype=np.float32), 4)
    cohort = unit(draw.standard_normal((300, 32), dtype=np.float32), 4)
    one = statistics(rows, cohort, 50, heads=4, clamp=clamp, workers=1)
    for workers in (2, 3, None):
        other = statistics(rows, cohort, 50, heads=4, clamp=clamp, workers=workers)
        assert one.mean.tobytes() == other.mean.tobytes()
        assert one.std.tobytes() == other.std.tobytes()
    small = statistics(rows, cohort, 50, heads=4, clamp=clamp, memory_mib=0.1)
    np.testing.assert_allclose(small.mean, one.mean, atol=1e-6)
    np.testing.assert_allclose(small.std, one.std, atol=1e-6)


def test_float32_rows_are_as_good_as_float64_to_five_digits() -> None:
    found = lists(size=192, cohort=500)
    single = as_norm(
        found.scores, found.rows.astype(np.float32), found.enrol, found.test, found.cohort.astype(np.float32), 100
    )
    np.testing.assert_allclose(single, as_norm(*found.trials, top_k=100), atol=1e-5)


@pytest.mark.parametrize("clamp", [False, True])
def test_cohort_scores_are_those_that_cosine_gives_to_trials(clamp: bool) -> None:
    found = lists(heads=2)
    both = np.concatenate([found.rows, found.cohort])
    scores = np.array([
        cosine(both, np.full(60, row), np.arange(40, 100), heads=2, clamp=clamp) for row in range(40)
    ])  # fmt: skip
    top = np.sort(scores.astype(np.float64), axis=1)[:, -10:]
    ours = statistics(found.rows, found.cohort, 10, heads=2, clamp=clamp)
    np.testing.assert_allclose(ours.mean, top.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(ours.std, top.std(axis=1), atol=1e-6)


def test_only_the_rows_asked_for_are_computed() -> None:
    found = lists()
    some = statistics(found.rows, found.cohort, rows=[3, 7])
    assert np.flatnonzero(np.isfinite(some.mean)).tolist() == [3, 7]
    rows = found.rows.copy()
    rows[5] = np.nan  # in no trial
    inside = (found.enrol != 5) & (found.test != 5)
    used = found.scores[inside], rows, found.enrol[inside], found.test[inside], found.cohort
    assert np.isfinite(as_norm(*used, top_k=9)).all()


def test_the_deviation_scales_all_scores_alike() -> None:
    found = lists()
    labels = np.arange(100) % 2
    population, sample = (as_norm(*found.trials, top_k=10, std=std) for std in ("population", "sample"))
    np.testing.assert_allclose(sample, population * np.sqrt(1 - 1 / 10), rtol=1e-9)
    assert eer(population, labels)[0] == eer(sample, labels)[0]


def test_utterances_that_score_high_with_everyone_are_brought_into_line() -> None:
    draw = np.random.default_rng(0)
    speakers, per_speaker, size = 30, 8, 16
    voices = draw.standard_normal((speakers + 200, size))
    channel = np.eye(size)[0] * 4
    loud = np.arange(speakers * per_speaker) % 2 == 0  # recordings that share a channel with half of the cohort
    rows = np.repeat(voices[:speakers], per_speaker, axis=0) + loud[:, None] * channel
    rows = unit(rows + 0.8 * draw.standard_normal(rows.shape))
    cohort = unit(voices[speakers:] + (np.arange(200) % 2 == 0)[:, None] * channel)
    enrol, test = draw.integers(0, len(rows), (2, 20_000))
    labels = (enrol // per_speaker == test // per_speaker).astype(int)
    scores = cosine(rows, enrol, test)
    assert eer(as_norm(scores, rows, enrol, test, cohort, 50), labels)[0] < 0.9 * eer(scores, labels)[0]


def test_no_trials_no_scores() -> None:
    found = lists()
    assert as_norm([], found.rows, [], [], found.cohort, top_k=5).shape == (0,)


def _changed(**changes: Any) -> dict[str, Any]:
    found = lists()
    names = ("scores", "embeddings", "enrol", "test", "cohort")
    return dict(zip(names, found.trials, strict=True)) | {"top_k": 10} | changes


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"top_k": 61}, "between 2 and the cohort's 60 rows, got 61"),
        ({"top_k": 1}, "between 2"),
        ({"std": "unbiased"}, "population or sample"),
        ({"cohort": np.tile(unit(np.arange(1.0, 9.0)[None]), (60, 1))}, "all the same"),
        ({"cohort": np.tile(unit(np.arange(1.0, 9.0)[None]).astype(np.float32), (60, 1)),
          "embeddings": lists().rows.astype(np.float32)}, "all the same"),
        ({"cohort": np.full((60, 8), np.nan)}, "the cohort are not finite"),
        ({"cohort": np.ones((60, 7))}, "8 columns but the cohort 7"),
        ({"embeddings": np.where(np.arange(40)[:, None] == lists().enrol[0], np.nan, lists().rows)}, "not finite"),
        ({"embeddings": np.where(np.eye(40, 8) > 0, np.inf, lists().rows)}, "not finite"),
        ({"scores": np.full(100, np.nan)}, "100 of 100 scores are NaN"),
        ({"scores": np.zeros(99)}, "99 scores but 100 trials"),
        ({"enrol": np.full(100, 40)}, "enrol must lie in 0 … 39"),
        ({"test": np.full(100, -1)}, "test must lie in 0 … 39"),
        ({"enrol": np.zeros(100)}, "row numbers"),
        ({"heads": 3}, "3 equal pieces"),
        ({"memory_mib": 0}, "positive"),
    ],
)  # fmt: skip
def test_wrong_input_is_named(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        normalization.as_norm(**_changed(**changes))
