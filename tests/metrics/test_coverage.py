"""What intervals and comparisons promise is what the last simulation found; the simulation itself runs."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.perf.coverage import CASES, LENGTHS, RESULT, SIZES, System, Trials, simulate, summary, table

RESULTS = json.loads(RESULT.read_text(encoding="utf-8"))
LISTS = RESULTS["lists"]
EQUAL = ("EER 5 %", "EER 1 %")
CELLS = [(case, length, size) for case in CASES for length in LENGTHS for size in SIZES]


def cell(case: str, length: str, size: int) -> dict[str, dict[str, float]]:
    return dict(RESULTS[f"{case}, {length}, {size}"])


def doubt(share: float, lists: int = LISTS) -> float:
    """Two standard errors of a share of lists."""
    return 2 * float((share * (1 - share) / lists) ** 0.5)


@pytest.mark.parametrize("case", EQUAL)
def test_intervals_of_eer_and_frr_hold_92_percent(case: str) -> None:
    for length in LENGTHS:
        for size in SIZES:
            rows = cell(case, length, size)
            assert min(rows["eer"]["t holds"], rows["frr"]["t holds"]) >= 0.92 - doubt(0.92), (length, size)
            assert max(rows["eer"]["t below"], rows["frr"]["t below"]) <= 0.06 + doubt(0.06), (length, size)


@pytest.mark.parametrize("case", EQUAL)
def test_equal_systems_are_seldom_called_different(case: str) -> None:
    for length in LENGTHS:
        for size in SIZES:
            rows = cell(case, length, size)
            assert max(rows[metric]["p < .05"] for metric in ("eer", "frr", "min_dcf_0.01")) <= 0.065, (length, size)
            assert max(row["p < .001"] for row in rows.values()) <= 0.003, (length, size)


def test_a_difference_that_is_there_is_found() -> None:
    for length in LENGTHS:
        assert cell("EER 10 and 5 %", length, 20)["eer"]["p < .05"] >= 0.58
        assert cell("EER 10 and 5 %", length, 40)["eer"]["p < .05"] >= 0.88


def test_every_case_was_simulated_and_is_shown() -> None:
    assert set(RESULTS) == {"lists", *(f"{case}, {length}, {size}" for case, length, size in CELLS)}
    assert LISTS >= 300
    assert all(f"**{case}**" in table(RESULTS) for case in CASES)


def test_the_model_has_the_error_rates_that_it_says() -> None:
    system = System(0.05)
    system = replace(system, target=0.0, other=0.0, pair=0.0, session=0.0)  # all trials are independent
    rng = np.random.default_rng(0)
    trials = Trials.drawn(rng, 50, 400, 400)
    (scores, _) = trials.scores(rng, [system, system], 50)
    same = trials.first == trials.second
    truth = system.truth()
    assert np.mean(scores[same] < system.threshold) == pytest.approx(truth["frr"], abs=0.005)
    assert np.mean(scores[~same] >= system.threshold) == pytest.approx(truth["far"], abs=0.005)


def test_a_cell_is_the_same_again() -> None:
    first, second = (summary(CASES["EER 5 %"], list(simulate(CASES["EER 5 %"], 6, "short", 3, 0))) for _ in range(2))
    assert first == second
    assert set(first) == {"eer", "far", "frr", "min_dcf_0.01"}
