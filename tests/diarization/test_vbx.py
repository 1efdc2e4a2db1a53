"""VBx: exact forward-backward, and labels that get better."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np

from voxboard.diarization import Diarization
from voxboard.diarization.clustering import in_order
from voxboard.diarization.vbx import _forward_backward, vbx
from voxboard.scoring.plda import Plda, fit


def speech(turns: list[int], each: int, size: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray, Plda]:
    """Embeddings of a conversation, their speakers, and a PLDA of other speakers of the same kind."""
    generator = np.random.default_rng(seed)
    others = np.repeat(generator.standard_normal((200, size)) * 1.5, 8, axis=0)
    others = others + generator.standard_normal(others.shape)
    plda = fit(others, np.repeat(np.arange(200), 8), length_norm=False)
    truth = np.repeat(turns, each)
    voices = generator.standard_normal((max(turns) + 1, size)) * 1.5
    return voices[truth] + generator.standard_normal((len(truth), size)), truth, plda


def test_forward_backward_is_the_sum_over_all_paths() -> None:
    generator = np.random.default_rng(0)
    scores, shares, loop = generator.standard_normal((4, 3)), np.array([0.5, 0.3, 0.2]), 0.6
    move = loop * np.eye(3) + (1 - loop) * shares
    total, gamma = 0.0, np.zeros((4, 3))
    for path in product(range(3), repeat=4):
        weight = shares[path[0]] * np.exp(sum(scores[t, s] for t, s in enumerate(path)))
        weight *= np.prod([move[a, b] for a, b in pairwise(path)])
        total += weight
        gamma[range(4), path] += weight
    found, likelihood, fresh = _forward_backward(scores, shares, loop)
    assert np.allclose(found, gamma / total)
    assert np.isclose(likelihood, np.log(total))
    assert np.isclose(fresh.sum(), 1)


def test_wrong_labels_are_put_right_and_surplus_speakers_fade() -> None:
    rows, truth, plda = speech([0, 1, 0, 2, 1, 0], 30)
    generator = np.random.default_rng(1)
    noisy = np.where(generator.random(len(truth)) < 0.25, generator.integers(5, size=len(truth)), truth)
    settings = Diarization(resegmentation="vbx", fa=1.0, fb=2.0)
    found = in_order(vbx(rows, noisy, plda, settings))
    assert np.mean(found != in_order(truth)) < 0.03 < np.mean(noisy != truth)
    assert found.max() == 2
    assert np.array_equal(found, in_order(vbx(rows, noisy, plda, settings)))


def test_long_sequences_and_single_windows_stay_finite() -> None:
    rows, truth, plda = speech([0, 1], 2000)
    settings = Diarization(resegmentation="vbx")
    assert np.array_equal(np.unique(vbx(rows, truth, plda, settings)), [0, 1])
    assert vbx(rows[:1], np.array([0]), plda, settings).tolist() == [0]
