"""What the default intervals promise is what the last simulation found; the simulation itself runs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.perf.coverage import DESIGNS, METHODS, RESULT, table, utterances

FOUND = json.loads(RESULT.read_text(encoding="utf-8"))
HARD = "goats"  # a handful of its speakers decide every number: the page says that no method covers enough


@pytest.mark.parametrize("design", [name for name in FOUND if name != HARD])
def test_default_intervals_cover_93_to_97_percent(design: str) -> None:
    lists, metrics = FOUND[design]["lists"], FOUND[design]["metrics"]
    assert lists >= 400
    doubt = 2 * (0.95 * 0.05 / lists) ** 0.5
    for metric, row in metrics.items():
        assert row["bca_t"]["coverage"] >= 0.93 - doubt, metric
        if metric != "far":  # covered too often: `bootstrap` says why
            assert row["bca_t"]["coverage"] <= 0.97 + doubt, metric


def test_every_design_was_simulated_and_is_shown() -> None:
    assert list(FOUND) == [*DESIGNS, "utterances"]
    assert all(f"| {name} |" in table(FOUND) for name in FOUND)


def test_designs_give_lists_that_differ_by_seed_only() -> None:
    design = DESIGNS["additive, unequal"]
    trials = [design.trials(np.random.default_rng(seed)) for seed in (0, 0, 1)]
    scores = [design.score(np.random.default_rng(5), one) for one in trials]
    assert np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0][:100], scores[2][:100])
    own = trials[0].first == trials[0].second
    assert scores[0][own].mean() > scores[0][~own].mean() + 3
    assert (trials[0].sessions[0] != trials[0].sessions[1])[own].all()


def test_utterance_metrics_get_every_method() -> None:
    truth, found = next(utterances(1, 0))
    assert set(found) == set(truth) == {"accuracy", "wer", "mse"}
    assert all(set(intervals) == set(METHODS) for intervals in found.values())
    assert found["wer"]["bca_t"].low < truth["wer"] * 2
