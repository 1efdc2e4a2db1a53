"""Score normalisation at the size of VoxCeleb1-E: beside WeSpeaker's way, and beside the matrix product alone."""

from __future__ import annotations

import numpy as np
import pytest

from tests.perf.measure import added_mib, interleaved, report
from voxboard.scoring import normalization
from voxboard.scoring.cosine import cosine

pytestmark = pytest.mark.perf
UTTERANCES, TRIALS, COHORT, SIZE, TOP = 145_000, 580_000, 6_000, 256, 300


class Lists:
    """Random embeddings and trials; every utterance is in about eight trials, on either side."""

    def __init__(self, utterances: int, trials: int) -> None:
        draw = np.random.default_rng(0)
        self.embeddings = _unit(draw.standard_normal((utterances, SIZE), dtype=np.float32))
        self.cohort = _unit(draw.standard_normal((COHORT, SIZE), dtype=np.float32))
        self.enrol, self.test = draw.integers(0, utterances, (2, trials))
        self.scores = cosine(self.embeddings, self.enrol, self.test)

    def ours(self) -> np.ndarray:
        return normalization.as_norm(self.scores, self.embeddings, self.enrol, self.test, self.cohort, TOP)

    def wespeaker(self) -> np.ndarray:
        """Every side's whole score matrix is sorted; the statistics of enrolment and test are computed apart."""
        return sum(self._side(side) for side in (self.enrol, self.test)) / 2

    def _side(self, side: np.ndarray) -> np.ndarray:
        used, numbers = np.unique(side, return_inverse=True)
        scores = self.embeddings[used] @ self.cohort.T
        top = np.sort(scores, axis=1)[:, ::-1][:, :TOP]
        return (self.scores - top.mean(axis=1)[numbers]) / top.std(axis=1)[numbers]

    def product(self) -> None:
        """What no way can do without: every score of the utterances with the cohort, kept nowhere."""
        block = np.empty((512, COHORT), np.float32)
        for start in range(0, len(self.embeddings), 512):
            rows = self.embeddings[start : start + 512]
            np.matmul(rows, self.cohort.T, out=block[: len(rows)])


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_as_norm_of_voxceleb1_e_in_bounded_memory() -> None:
    lists = Lists(UTTERANCES, TRIALS)
    memory = {"ours": added_mib(lists.ours)}
    took = interleaved(1, ours=lists.ours, wespeaker=lists.wespeaker, product=lists.product)  # the peer takes 6.7 GiB
    report("AS-norm, 580,000 trials, 145,000 utterances, cohort 6,000", took, "≥ 4 × WeSpeaker, ≤ 1 GiB", memory)
    assert memory["ours"] <= 1024
    assert took["wespeaker"] / took["ours"] >= 4


def test_as_norm_equals_the_full_sort_and_keeps_its_lead_on_smaller_lists() -> None:
    lists = Lists(UTTERANCES // 8, TRIALS // 8)
    np.testing.assert_allclose(lists.ours(), lists.wespeaker(), atol=1e-3)
    took = interleaved(5, ours=lists.ours, wespeaker=lists.wespeaker, product=lists.product)
    report("AS-norm, 72,500 trials, 18,125 utterances, cohort 6,000", took, "≥ 2.5 × WeSpeaker")
    assert took["wespeaker"] / took["ours"] >= 2.5
