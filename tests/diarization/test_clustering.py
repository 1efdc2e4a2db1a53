"""Clustering: the exact tree, the eigengap, and all that is degenerate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage

from voxboard.diarization import Diarization, spectral
from voxboard.diarization.agglomerative import tree
from voxboard.diarization.clustering import centered, cluster, in_order

BOTH = pytest.mark.parametrize("clustering", ["agglomerative", "spectral"])


def rows(counts: list[int], spread: float, size: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Normalised rows around one direction per speaker, shuffled, and their speakers."""
    generator = np.random.default_rng(seed)
    truth = generator.permutation(np.repeat(np.arange(len(counts)), counts))
    found = np.eye(size)[truth] + spread * generator.standard_normal((len(truth), size))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32), in_order(truth)


@given(st.integers(2, 40), st.integers(0, 1000))
def test_the_tree_is_scipys_average_linkage(count: int, seed: int) -> None:
    points = rows([count], 1.0, 8, seed)[0]
    grown, expected = tree(points), linkage(points.astype(np.float64), "average", "cosine")
    assert np.allclose(grown.heights, expected[:, 2], atol=1e-5)
    middle = float(expected[len(expected) // 2 : len(expected) // 2 + 2, 2].mean())
    if np.abs(expected[:, 2] - middle).min() > 1e-4:
        labels = in_order(fcluster(expected, middle, "distance").astype(np.intp))
        assert np.array_equal(in_order(grown.cut(middle, count)), labels)


@BOTH
def test_the_number_of_speakers_is_found(clustering: str) -> None:
    for counts in ([20, 15, 25], [30, 30], [30, 25, 20, 25]):
        points, truth = rows(counts, 0.08)
        assert np.array_equal(cluster(points, Diarization(clustering=clustering)), truth)


@BOTH
def test_one_speaker_is_one(clustering: str) -> None:
    points, _ = rows([60], 0.08)
    assert cluster(points, Diarization(clustering=clustering)).max() == 0


@BOTH
def test_a_known_number_is_given_and_an_estimate_is_bounded(clustering: str) -> None:
    points, truth = rows([30, 30, 30], 0.1)
    settings = Diarization(clustering=clustering)
    assert np.array_equal(cluster(points, settings, 3), truth)
    for count in (1, 2, 5):
        assert cluster(points, settings, count).max() + 1 == count
    bounded = Diarization(clustering=clustering, threshold=0.0, max_speakers=2)
    assert cluster(points, bounded).max() + 1 <= 2


@BOTH
@pytest.mark.parametrize("count", [1, 2, 5, 7])
def test_few_or_equal_rows_are_no_trouble(clustering: str, count: int) -> None:
    equal = np.full((count, 4), 0.5, np.float32)
    for center in (False, True):
        labels = cluster(equal, Diarization(clustering=clustering, center=center, threshold=1.0))
        assert labels.shape == (count,)
        assert labels.min() == 0
    assert cluster(equal, Diarization(clustering=clustering), 9).max() + 1 <= count


def test_many_windows_are_merged_before_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    points, truth = rows([90, 60, 75], 0.08)
    monkeypatch.setattr(spectral, "MOST", 60)
    assert np.array_equal(cluster(points, Diarization(clustering="spectral")), truth)


def test_large_graphs_have_the_same_eigenvectors_as_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    points, truth = rows([40, 30, 35], 0.2)
    monkeypatch.setattr(spectral, "DENSE", 10)
    labels = cluster(points, Diarization(clustering="spectral"))
    assert np.array_equal(labels, truth)
    assert np.array_equal(labels, cluster(points, Diarization(clustering="spectral")))


def test_what_founds_no_speaker_joins_the_nearest() -> None:
    points, truth = rows([20, 20], 0.05)
    founders = np.ones(40, np.bool_)
    founders[[3, 17]] = False
    odd = points.copy()
    odd[[3, 17], -1] += 2.0
    odd /= np.linalg.norm(odd, axis=1, keepdims=True)
    assert cluster(odd, Diarization()).max() > 1
    assert np.array_equal(cluster(odd, Diarization(), None, founders), truth)
    assert cluster(odd, Diarization(), 39, founders).max() + 1 == 39


def test_centring_takes_away_what_all_rows_share() -> None:
    points, truth = rows([20, 20], 0.05)
    shared = points + 20 * np.ones(16, np.float32)
    shared /= np.linalg.norm(shared, axis=1, keepdims=True)
    assert cluster(shared, Diarization(threshold=0.5)).max() == 0
    assert np.array_equal(cluster(shared, Diarization(threshold=1.0, center=True)), truth)
    assert np.allclose(np.linalg.norm(centered(shared), axis=1), 1, atol=1e-5)
