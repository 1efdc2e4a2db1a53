"""Built lists: what is promised holds for any table, and what cannot be had is said."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxboard.errors import UserError
from voxboard.trials import Balance, Trials, build_balanced, check, table_of


def table(speakers: dict[str, tuple[str, int, int]]) -> pd.DataFrame:
    """Rows for speakers given as name → (gender, utterances, sessions)."""
    rows = [
        (f"{name}-{k:04d}", name, gender or None, f"{name}-{k % sessions}")
        for name, (gender, count, sessions) in speakers.items()
        for k in range(count)
    ]
    return pd.DataFrame(rows, columns=["utterance", "speaker", "gender", "session"])


def regular(speakers: int, utterances: int, sessions: int = 4) -> pd.DataFrame:
    return table({f"s{k:03d}": ("FM"[k % 2], utterances, sessions) for k in range(speakers)})


def pairs_by_speaker(trials: Trials, label: int, data: pd.DataFrame) -> Counter[tuple[str, str]]:
    speaker = dict(zip(data["utterance"], data["speaker"], strict=True))
    chosen = trials.labels == label
    names = trials.utterances
    return Counter(
        tuple(sorted((speaker[names[a]], speaker[names[b]])))
        for a, b in zip(trials.enrol[chosen], trials.test[chosen], strict=True)
    )


SPEAKERS = st.dictionaries(
    st.sampled_from([f"s{k}" for k in range(9)]),
    st.tuples(st.sampled_from(["F", "M", ""]), st.integers(1, 12), st.integers(1, 4)),
    min_size=1,
)


@given(SPEAKERS, st.integers(2, 400), st.integers(0, 99), st.floats(0.1, 0.9))
def test_any_table_gives_a_clean_list_that_says_what_it_lacks(
    speakers: dict[str, tuple[str, int, int]], wanted: int, seed: int, share: float
) -> None:
    data = table(speakers)
    trials, balance = build_balanced(data, wanted, target_share=share, seed=seed)
    speaker = dict(zip(data["utterance"], data["speaker"], strict=True))
    found = check(trials, speaker, dict(zip(data["utterance"], data["session"], strict=True)))
    assert (found.self_trials, found.duplicates, found.label_errors, found.unknown_utterances) == (0, 0, 0, 0)
    assert sum(stratum.asked for stratum in balance.strata) == wanted
    assert sum(stratum.made for stratum in balance.strata) == len(trials)
    assert balance.strata[0].asked == min(max(round(wanted * share), 1), wanted - 1)
    assert balance.same_session_targets == found.same_session_targets
    assert balance.problems() or len(trials) == wanted
    # Targets: as many as there are pairs of utterances, or as were asked for.
    capacity = {name: count * (count - 1) // 2 for name, (_, count, _) in speakers.items()}
    targets = pairs_by_speaker(trials, 1, data)
    assert trials.targets == min(balance.strata[0].asked, sum(capacity.values()))
    short = [targets[name, name] for name in speakers if targets[name, name] < capacity[name]]
    assert not short or max(targets.values(), default=0) - min(short) <= 1
    # Non-targets: in every stratum as many as there are pairs, equal over speaker pairs that have enough.
    others = pairs_by_speaker(trials, 0, data)
    known = sorted(name for name, (gender, _, _) in speakers.items() if gender)
    by_stratum: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
    for one, other in ((a, b) for a in known for b in known if a < b):
        room = speakers[one][1] * speakers[other][1]
        by_stratum[speakers[one][0] == speakers[other][0]].append((others[one, other], room))
    for stratum in balance.strata[1:]:
        if "GENDER_MATCH" in stratum.name:
            counts = by_stratum[stratum.name.endswith("=1")]
            assert stratum.made == min(stratum.asked, sum(room for _, room in counts))
            open_pairs = [count for count, room in counts if count < room]
            assert not open_pairs or max(count for count, _ in counts) - min(open_pairs) <= 1


def test_the_ancestors_setting_is_met_exactly() -> None:
    data = regular(18, 400, sessions=8)
    trials, balance = build_balanced(data, 16_000)
    assert balance.problems() == []
    assert (trials.targets, trials.non_targets) == (8000, 8000)
    assert check(trials).match_counts["GENDER_MATCH"] == {"0": (4000, 0), "1": (4000, 8000)}
    assert balance.same_session_targets == 0
    least, most = balance.utterance_use
    assert most - least <= 2
    for stratum in balance.strata:
        assert stratum.most - stratum.least <= 1
    per_pair = pairs_by_speaker(trials, 0, data)
    genders = dict(zip(data["speaker"], data["gender"], strict=True))
    for same in (True, False):
        counts = [n for (a, b), n in per_pair.items() if (genders[a] == genders[b]) == same]
        assert max(counts) - min(counts) <= 1


def test_several_strata_get_equal_shares() -> None:
    data = regular(20, 50)
    data["accent"] = [f"accent {int(name[1:]) % 3}" for name in data["speaker"]]
    trials, balance = build_balanced(data, 8001, strata=("gender", "accent"))
    assert [stratum.made for stratum in balance.strata] == [4000, 1001, 1000, 1000, 1000]
    combined = Counter(
        zip(
            trials.matches["GENDER_MATCH"][trials.labels == 0],
            trials.matches["ACCENT_MATCH"][trials.labels == 0],
            strict=True,
        )
    )
    assert sorted(combined.values()) == [1000, 1000, 1000, 1001]


def test_more_speaker_pairs_than_trials_are_sampled_evenly() -> None:
    data = regular(300, 3)
    trials, balance = build_balanced(data, 2000, seed=5)
    assert balance.strata[1].most == balance.strata[2].most == 1
    speaker = dict(zip(data["utterance"], data["speaker"], strict=True))
    exposure = Counter(name for pair in pairs_by_speaker(trials, 0, data) for name in pair)
    assert len(exposure) == 300
    assert max(exposure.values()) - min(exposure.values()) <= 4  # 6.7 on average; at random 1 to 15
    assert check(trials, speaker).duplicates == 0


def test_the_same_seed_and_table_give_the_same_list_in_any_row_order() -> None:
    data = regular(12, 10)
    one, _ = build_balanced(data, 500, seed=3)
    shuffled = data.sample(frac=1, random_state=1)
    assert build_balanced(shuffled, 500, seed=3)[0].digest() == one.digest()
    assert build_balanced(data, 500, seed=4)[0].digest() != one.digest()


def test_the_sampling_has_not_changed_unnoticed() -> None:
    # Another digest here means lists differ from those of earlier releases: raise build.VERSION and say so.
    trials, _ = build_balanced(regular(12, 10), 500, seed=3)
    assert trials.digest()[:16] == "859b9d4712e8ad29"


@pytest.mark.parametrize(("sessions", "wanted", "same"), [(10, 45, 0), (2, 25, 0), (2, 30, 5), (1, 45, 45), (3, 33, 0)])
def test_targets_prefer_two_sessions(sessions: int, wanted: int, same: int) -> None:
    # 10 utterances make 45 pairs; of two sessions of five 25 are across, of 4 + 3 + 3 utterances 33.
    data = table({"a": ("F", 10, sessions)})
    trials, balance = build_balanced(data, wanted + 1, strata=(), target_share=wanted / (wanted + 1))
    assert (trials.targets, balance.same_session_targets) == (wanted, same)


def test_one_long_session_does_not_hide_the_others() -> None:
    # 60 utterances of one session, 4 of another: 240 pairs across, a quota of 200 can avoid all others.
    data = pd.DataFrame(
        [(f"a{k:02d}", "a", "long" if k < 60 else "short") for k in range(64)],
        columns=["utterance", "speaker", "session"],
    )
    trials, balance = build_balanced(data, 250, strata=(), target_share=0.8)
    assert (trials.targets, balance.same_session_targets) == (200, 0)


def test_what_cannot_be_met_is_reported_and_not_made_up_for() -> None:
    women = table({f"s{k}": ("F", 5, 5) for k in range(6)})
    trials, balance = build_balanced(women, 200)
    assert [(stratum.name, stratum.asked, stratum.made) for stratum in balance.strata] == [
        ("targets", 100, 60),
        ("non-targets GENDER_MATCH=1", 50, 50),
        ("non-targets GENDER_MATCH=0", 50, 0),
    ]
    assert balance.problems() == [
        "targets: 60 of 100 trials, all that 6 speakers allow.",
        "non-targets GENDER_MATCH=0: 0 of 50 trials, as no pairs of speakers fit.",
    ]
    assert len(trials) == 110


def test_exhausted_pairs_are_reported() -> None:
    few = table({"a": ("F", 1, 1), "b": ("F", 1, 1), "c": ("F", 30, 3), "d": ("F", 30, 3)})
    _, balance = build_balanced(few, 200, target_share=0.2)
    assert balance.strata[1] == type(balance.strata[1])("non-targets GENDER_MATCH=1", 80, 80, 6, 1, 16, 1)
    assert "1 of 6 pairs of speakers gave all they have; the others gave more." in balance.problems()[1]


def test_unknown_labels_are_left_out_of_the_strata_and_said() -> None:
    data = table({"a": ("F", 9, 3), "b": ("M", 9, 3), "c": ("", 9, 3), "d": ("F", 9, 3)})
    trials, balance = build_balanced(data, 60)
    assert balance.notes == ("1 speakers without gender have no non-target trials.",)
    assert not any("c" in pair for pair in pairs_by_speaker(trials, 0, data))
    assert not np.isnan(trials.matches["GENDER_MATCH"]).any()  # a target shares its gender, known or not
    trials, balance = build_balanced(data.drop(columns=["gender", "session"]), 60)
    assert balance.notes == ("gender is not known for any speaker: the list is not balanced by it.",)
    assert (len(trials), dict(trials.matches), balance.same_session_targets) == (60, {}, None)


@pytest.mark.parametrize(
    ("change", "options", "problem"),
    [
        ({"speaker": None}, {}, "has rows without speaker"),
        ({"utterance": "x"}, {}, "names an utterance twice"),
        ({"gender": ["F", "M"] * 20}, {}, "has several values of gender"),
        ({}, {"trials": 1}, "are no list"),
        ({}, {"target_share": 1.0}, "are no list"),
        ({}, {"strata": ("gendr",)}, "Did you mean gender"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(change: dict[str, Any], options: dict[str, Any], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        build_balanced(regular(8, 5).assign(**change), **options)
    with pytest.raises(UserError, match="Unknown column 'speaker'"):
        build_balanced(pd.DataFrame({"utterance": ["a"], "speakers": ["b"]}))


def test_cuts_become_a_table_of_what_is_known() -> None:
    from lhotse import MonoCut, Recording, SupervisionSegment
    from lhotse.audio import AudioSource

    cuts = []
    for k in range(2):
        source = AudioSource("file", [0], f"/a/{k}.wav")
        recording = Recording(f"r{k}", [source], sampling_rate=16000, num_samples=16000, duration=1.0)
        custom = {"session": "7", "age": 31} if k else {"other": 1}
        supervision = SupervisionSegment(f"u{k}", f"r{k}", 0, 1, speaker=f"s{k}", gender="F", custom=custom)
        cuts.append(MonoCut(f"u{k}", 0, 1, 0, supervisions=[supervision], recording=recording))
    found = table_of(cuts)
    assert list(found.columns) == ["utterance", "speaker", "gender", "age", "session"]
    assert found.iloc[1].tolist() == ["u1", "s1", "F", "31", "7"]
    assert table_of(cuts, ["other"])["other"].iloc[0] == "1"
    assert found.iloc[0].isna().tolist() == [False, False, False, True, True]
    assert table_of([]).columns.tolist() == ["utterance", "speaker"]


@pytest.fixture
def librispeech_speakers(shared_data: Path) -> pd.DataFrame:
    """A table over all speakers of LibriSpeech: 20 utterances in 4 chapters each (the lists have no audio)."""
    lines = (shared_data / "librispeech-mini/LibriSpeech/SPEAKERS.TXT").read_text().splitlines()
    speakers = [[field.strip() for field in line.split("|")] for line in lines if not line.startswith(";")]
    return table({fields[0]: (fields[1], 20, 4) for fields in speakers})


def test_a_list_over_all_librispeech_speakers(librispeech_speakers: pd.DataFrame) -> None:
    trials, balance = build_balanced(librispeech_speakers, 40_000)
    assert balance.problems() == []
    assert [stratum.made for stratum in balance.strata] == [20_000, 10_000, 10_000]
    assert balance.utterance_use[1] <= 3
    assert isinstance(balance, Balance)
    assert check(trials).duplicates == 0
