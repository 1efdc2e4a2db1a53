"""Tuning: refuses what it cannot tune, and chooses the middle of what is best."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.diarization.sources import conversation, encoder
from voxboard.diarization import Diarization, tune
from voxboard.diarization.tuning import MOST, _best, _candidates
from voxboard.errors import UserError

TURNS = [("ann", 0.0, 2.0), ("cem", 2.0, 4.0)]


def test_the_middle_of_the_longest_best_run_is_taken() -> None:
    tried = [(0.1, 0.3), (0.2, 0.1), (0.3, 0.2), (0.4, 0.1), (0.5, 0.1), (0.6, 0.1), (0.7, 0.9)]
    assert _best(tried) == (0.5, 0.1)


def test_candidates_lie_between_merges() -> None:
    import numpy as np

    assert _candidates([np.array([0.2, 0.4]), np.array([1.0])], 0.5) == pytest.approx([0.1, 0.3, 0.7, 1.5])
    assert _candidates([np.zeros(0)], 0.5) == [0.5]
    assert len(_candidates([np.linspace(0.1, 1, 1000)], 0.5)) == MOST


def test_what_cannot_be_tuned_is_refused(tmp_path: Path) -> None:
    one = conversation(tmp_path, "dev", TURNS, 4.0)
    for settings in (
        Diarization(clustering="spectral"),
        Diarization(num_speakers=2),
        Diarization(oracle_speakers=True),
    ):
        with pytest.raises(UserError, match="threshold to tune"):
            tune(encoder(), [one], settings)
    for dev in ([], [replace(one, reference=None)]):
        with pytest.raises(UserError, match="have a reference"):
            tune(encoder(), dev, Diarization())
