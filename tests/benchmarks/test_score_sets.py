"""Which trials get numbers of their own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from voxboard.benchmarks.score_sets import match_strata, speaker_groups
from voxboard.trials import Trials


def _cuts(*rows: tuple[float, str | None, object]) -> list[Any]:
    return [
        SimpleNamespace(duration=seconds, supervisions=[SimpleNamespace(gender=gender, custom={"age": age})])
        for seconds, gender, age in rows
    ]


def _trials(pairs: list[tuple[int, int]], size: int, **matches: Any) -> Trials:
    enrol, test = zip(*pairs, strict=True)
    labels = [index % 2 for index in range(len(pairs))]
    return Trials([f"u{n}" for n in range(size)], enrol, test, labels, matches)


def test_a_group_holds_the_trials_both_of_whose_sides_belong() -> None:
    cuts = _cuts((3, "female", 23), (3, "female", "29"), (3, "male", 31), (3, None, None))
    found = {group.name: group for group in speaker_groups(_trials([(0, 1), (0, 2), (2, 3)], 4), cuts)}
    assert set(found) == {"gender=female", "gender=male", "age=20s", "age=30s"}
    assert found["gender=female"].inside.tolist() == found["age=20s"].inside.tolist() == [True, False, False]
    assert not found["gender=male"].inside.any()
    assert found["gender=female"].targets == 0


def test_a_label_that_all_share_divides_nothing() -> None:
    cuts = _cuts((3, "female", None), (3, "female", None))
    assert list(speaker_groups(_trials([(0, 1)], 2), cuts)) == []


def test_durations_are_grouped_by_the_shorter_side() -> None:
    cuts = _cuts((1.9, None, None), (2.0, None, None), (9.0, None, None))
    found = {p.name: p.inside.tolist() for p in speaker_groups(_trials([(0, 2), (1, 2), (2, 2)], 3), cuts)}
    assert found == {
        "duration=under 2 s": [True, False, False],
        "duration=2 to 4 s": [False, True, False],
        "duration=8 s and more": [False, False, True],
    }


def test_a_stratum_of_one_kind_is_measured_against_all_trials_of_the_other() -> None:
    crossed = np.array([0.0, 1.0, 1.0, 1.0])
    trials = _trials([(0, 1), (0, 2), (1, 2), (2, 3)], 4, GENDER_MATCH=crossed, SAME=np.ones(4))
    zero, one = match_strata(trials)
    assert zero.name == "GENDER_MATCH=0, against all targets"
    assert zero.inside.tolist() == [True, False, False, False]
    assert zero.measured.tolist() == [True, True, False, True]
    assert one.measured.tolist() == one.inside.tolist() == [False, True, True, True]
