"""Designs: sessions, groups, explicit counts, and labels that vary within a speaker."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trials.test_trials_build import regular, table
from voxboard.errors import UserError
from voxboard.trials import Trials, build_balanced, check
from voxboard.trials.build import build
from voxboard.trials.design import Design
from voxboard.trials.sampling import in_proportion

ROWS = st.lists(  # utterances: speaker, session that speakers share, gender by speaker
    st.tuples(st.integers(0, 5), st.sampled_from(["monday", "tuesday", "friday", ""])), min_size=2, max_size=60
)


def utterances(rows: list[tuple[int, str]]) -> pd.DataFrame:
    return pd.DataFrame(
        [(f"u{k:03d}", f"s{speaker}", "FM"[speaker % 2], day or None) for k, (speaker, day) in enumerate(rows)],
        columns=["utterance", "speaker", "gender", "session"],
    )


def met(trials: Trials, data: pd.DataFrame) -> Counter[tuple[bool, tuple[str, ...]]]:
    """Non-targets by whether both sides are of one session, and by speaker pair."""
    rows = data.set_index("utterance")
    sides = [
        (rows.loc[trials.utterances[one]], rows.loc[trials.utterances[other]])
        for one, other, label in zip(trials.enrol, trials.test, trials.labels, strict=True)
        if not label
    ]
    return Counter(
        (bool(one["session"] == other["session"]), tuple(sorted((one["speaker"], other["speaker"]))))
        for one, other in sides
    )


@given(ROWS, st.integers(2, 200), st.integers(0, 9))
def test_strata_by_a_label_that_varies_within_speakers_are_equal_over_speaker_pairs(
    rows: list[tuple[int, str]], wanted: int, seed: int
) -> None:
    data = utterances(rows)
    design = Design.of(wanted, strata=("session",))
    built = build(data, design, seed)
    found = check(built.trials, dict(zip(data["utterance"], data["speaker"], strict=True)))
    assert (found.self_trials, found.duplicates, found.label_errors) == (0, 0, 0)
    if not any(day for _, day in rows):
        assert built.balance.notes == ("session is not known for any speaker: the list is not balanced by it.",)
        return
    counts = met(built.trials, data)
    use: dict[int, Counter[str]] = {
        speaker: Counter(day for s, day in rows if s == speaker and day) for speaker, _ in rows
    }
    for stratum, same in zip(built.balance.strata[1:], (True, False), strict=True):
        room = {
            (f"s{one}", f"s{other}"): sum(
                use[one][a] * use[other][b] for a in use[one] for b in use[other] if (a == b) == same
            )
            for one, other in combinations(sorted(use), 2)
        }
        made = {pair: counts[same, pair] for pair in room}
        assert stratum.made == sum(made.values()) == min(stratum.asked, sum(room.values()))
        assert stratum.groups == sum(space > 0 for space in room.values())
        open_pairs = [made[pair] for pair in room if made[pair] < room[pair]]
        assert not open_pairs or max(made.values()) - min(open_pairs) <= 1


def test_a_label_that_varies_within_speakers_is_said_to() -> None:
    data = regular(8, 12).assign(device=["phone", "studio", "phone"] * 32)
    trials, balance = build_balanced(data, 400, strata=("gender", "device"))
    assert balance.notes == ("device varies within speakers: non-targets share it or not utterance by utterance.",)
    assert [stratum.made for stratum in balance.strata] == [200, 50, 50, 50, 50]
    assert set(np.unique(trials.matches["DEVICE_MATCH"][trials.labels == 1])) == {0.0, 1.0}
    use = np.bincount(np.concatenate([trials.enrol, trials.test]))
    assert use.max() - use.min() <= 6  # 8.3 on average, dealt evenly inside each device


def test_too_many_values_of_a_varying_label_are_refused() -> None:
    data = regular(200, 60, sessions=60)  # 12,000 sessions, each of one speaker
    with pytest.raises(UserError, match=r"session take 12,000 different values, too many to balance non-targets by"):
        build_balanced(data, 400, strata=("session",))


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 3)), min_size=1, max_size=6),
    st.integers(1, 60),
    st.floats(0, 1),
    st.booleans(),
)
def test_a_share_of_targets_from_one_session_is_met_or_its_lack_is_told(
    speakers: list[tuple[int, int]], wanted: int, share: float, equal: bool
) -> None:
    data = table({f"s{k}": ("F", count, sessions) for k, (count, sessions) in enumerate(speakers)})
    design = Design(wanted, 1, strata=(), target_sessions=share, rounding="ceil" if equal else "exact")
    built = build(data, design)
    alike, apart = built.balance.strata[:2]
    found = check(built.trials, sessions=dict(zip(data["utterance"], data["session"], strict=True)))
    assert (found.duplicates, found.self_trials) == (0, 0)
    assert (found.same_session_targets, found.targets) == (alike.made, alike.made + apart.made)
    each = -(-wanted // len(speakers)) * len(speakers)
    assert alike.asked + apart.asked == (each if equal else wanted)
    assert abs(alike.asked - share * (alike.asked + apart.asked)) < 1
    short = [stratum for stratum in (alike, apart) if stratum.made < stratum.asked]
    assert len(built.balance.problems()) >= len(short)
    assert all(stratum.exhausted for stratum in short)


def test_any_session_will_do_where_that_is_asked() -> None:
    data = regular(6, 40, sessions=2)
    _, apart = build_balanced(data, 600)
    _, either = build_balanced(data, 600, target_sessions="any")
    assert apart.same_session_targets == 0
    assert either.same_session_targets is not None
    assert 110 < either.same_session_targets < 190  # of 300: 19 of 39 others are of the same one
    assert either.problems() == []


def test_counts_per_speaker_and_per_stratum_are_met_and_nobody_makes_up_for_another() -> None:
    data = table({"a": ("F", 20, 4), "b": ("F", 20, 4), "c": ("M", 20, 4), "d": ("M", 3, 3)})
    balance = build(data, Design(targets_per_speaker=10, non_targets_per_stratum=40)).balance
    assert [(s.asked, s.made, s.least, s.most) for s in balance.strata] == [(40, 33, 3, 10), (40, 40, 20, 20),
                                                                           (40, 40, 10, 10)]  # fmt: skip
    assert balance.problems() == ["targets: 33 of 40 trials, as 1 of 4 speakers have no more."]


def test_matched_labels_are_shared_by_every_non_target() -> None:
    data = regular(12, 10).assign(nation=[f"n{k // 10 % 4}" for k in range(120)])
    built = build(data, Design(100, 100, strata=(), matched=("gender", "nation"), smallest_group=3))
    assert (built.trials.matches["NATION_MATCH"] == 1).all()
    assert built.balance.strata[1].name == "non-targets GENDER_MATCH=1, NATION_MATCH=1"
    assert built.balance.strata[1].groups == 12  # four groups of three
    with pytest.raises(UserError, match="nation varies within speakers, so it makes no groups"):
        build(data.assign(nation=["x", "y"] * 60), Design(matched=("nation",), strata=(), smallest_group=2))
    with pytest.raises(UserError, match="accent is not known for any speaker"):
        build(data, Design(matched=("accent",), strata=()))


def test_the_ceil_rule_gives_every_speaker_pair_the_same() -> None:
    balance = build(regular(7, 30), Design(50, 50, rounding="ceil")).balance
    assert [(s.asked, s.made, s.groups, s.least, s.most) for s in balance.strata] == [
        (56, 56, 7, 8, 8), (27, 27, 9, 3, 3), (36, 36, 12, 3, 3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"targets": 0, "non_targets": 0}, "A list without trials"),
        ({"targets": -1}, "targets is -1"),
        ({"target_sessions": 1.5}, "1.5 is no share"),
        ({"target_sessions": "diferent"}, "Did you mean different"),
        ({"rounding": "ciel"}, "Did you mean ceil"),
        ({"matched": ("gender",)}, "gender cannot both be matched and differ"),
    ],
)
def test_what_is_no_design_is_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        Design(**options)


MEMBERS = st.tuples(st.integers(0, 3), st.integers(0, 6))  # weight, capacity


@given(st.lists(st.tuples(st.integers(0, 20), st.lists(MEMBERS, min_size=1, max_size=5)), min_size=1, max_size=5))
def test_shares_sum_to_their_total_or_to_all_that_there_is(groups: list[tuple[int, list[tuple[int, int]]]]) -> None:
    group = np.repeat(np.arange(len(groups)), [len(members) for _, members in groups])
    weights, capacity = np.array([member for _, members in groups for member in members]).T
    totals = np.array([total for total, _ in groups])
    counts = in_proportion(totals, group, weights, capacity, np.random.default_rng(0))
    assert (counts >= 0).all()
    assert (counts <= capacity).all()
    for number, total in enumerate(totals):
        inside = group == number
        assert counts[inside].sum() == min(total, capacity[inside & (weights > 0)].sum())
    roomy = np.full(group.size, 99)
    counts = in_proportion(totals, group, weights, roomy, np.random.default_rng(0))
    for number, total in enumerate(totals):
        inside = group == number
        if weights[inside].sum():
            assert (np.abs(counts[inside] - total * weights[inside] / weights[inside].sum()) < 1 + 1e-9).all()
