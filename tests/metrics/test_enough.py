"""How many speakers and errors it takes."""

from __future__ import annotations

import pytest

from voxboard.metrics.enough import few_alarms, few_to_validate, shows_nothing, speakers_needed
from voxboard.metrics.exact import smallest_p


@pytest.mark.parametrize(("comparisons", "needed"), [(1, 6), (20, 10), (200, 13)])
def test_a_table_needs_speakers_to_show_anything(comparisons: int, needed: int) -> None:
    assert speakers_needed(comparisons) == needed
    assert smallest_p(needed) * comparisons < 0.05 <= smallest_p(needed - 1) * comparisons


def test_what_cannot_be_shown_is_said() -> None:
    assert shows_nothing(5, 1) == "5 speakers: too few speakers to tell anything apart; it takes 6."
    assert "takes 10 recordings" in shows_nothing(9, 20, by="recording")
    assert shows_nothing(10, 20) == shows_nothing(None, 20) == shows_nothing(3, 0) == ""


def test_a_cost_takes_ten_false_alarms() -> None:
    assert "cannot show minDCF(0.01): at the optimum there are 9" in few_alarms({"minDCF(0.01)": 9, "minDCF(0.05)": 10})
    assert few_alarms({"minDCF(0.01)": 10}) == ""


def test_a_validation_split_takes_six_speakers_with_two_utterances() -> None:
    few = few_to_validate(["a", "a", "b", "b", *"cdefghijklmnop"])
    assert few.startswith("Only 2 of 16 validation speakers have two utterances")
    assert few_to_validate([name for name in "abcdef" for _ in range(2)]) == ""
    assert few_to_validate([]) == ""
