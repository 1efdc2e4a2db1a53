from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxboard.data import splits
from voxboard.data.corpus import Corpus, CorpusInfo
from voxboard.data.splits import Person
from voxboard.errors import UserError


def crowd(count: int, utterances: int = 5, singles: int = 0) -> list[Person]:
    """Persons of alternating gender, of whom the last `singles` have one utterance."""
    return [
        Person(f"s{place:03d}", 1 if place >= count - singles else utterances, ("female", "male")[place % 2])
        for place in range(count)
    ]


@given(
    count=st.integers(4, 300),
    share=st.floats(0.01, 0.5),
    repeated=st.integers(1, 300),
    seed=st.integers(0, 99),
)
def test_held_out_speakers_are_about_the_share_and_can_make_target_trials(count, share, repeated, seed):
    persons = crowd(count, singles=max(0, count - repeated))
    held = splits.hold_out(persons, share, seed)
    assert held <= {person.name for person in persons}
    assert len(held) <= max(2, round(share * count), 2)
    there = sum(person.utterances > 1 for person in persons)
    assert sum(person.utterances > 1 for person in persons if person.name in held) >= min(2, there)
    assert held == splits.hold_out(random.Random(seed).sample(persons, count), share, seed)


def test_hold_out_is_balanced_by_gender_capped_and_follows_the_seed():
    persons = crowd(200)
    held = splits.hold_out(persons, 0.1)
    assert Counter(person.gender for person in persons if person.name in held) == {"female": 10, "male": 10}
    assert splits.hold_out(persons, 0.1, 1) != held
    assert len(splits.hold_out(crowd(5994), 0.1)) == 120


def test_in_librispeech_mini_the_two_repeated_speakers_are_held_out():
    held = splits.hold_out(crowd(160, singles=158))
    assert {"s000", "s001"} <= held
    assert len(held) == 16


@pytest.mark.parametrize("persons", [crowd(3), crowd(50, singles=50), []])
def test_too_few_speakers_to_hold_any_out(persons):
    with pytest.raises(UserError, match="--split test"):
        splits.hold_out(persons)


def test_three_way_gives_every_speaker_one_split():
    assigned = splits.three_way(crowd(200))
    assert Counter(assigned.values()) == {"train": 144, "test": 40, "valid": 16}
    assert Counter(splits.three_way(crowd(6)).values()) == {"train": 2, "valid": 2, "test": 2}
    with pytest.raises(UserError, match="5 speakers are too few"):
        splits.three_way(crowd(5))


def vctk_like(seed: int = 0) -> list[Person]:
    """108 persons with ages, accents and amounts as uneven as VCTK's."""
    draw = random.Random(seed)
    accents = ["English"] * 33 + ["American"] * 22 + ["Scottish"] * 19 + ["Irish"] * 9 + ["Canadian"] * 8
    accents += ["NorthernIrish"] * 6 + ["SouthAfrican"] * 4 + ["Indian"] * 3 + ["Australian"] * 2
    accents += ["NewZealand", "Welsh"]
    return [
        Person(f"p{225 + place}", draw.randint(250, 500), draw.choice(["female", "male"]), accent, draw.randint(18, 38))
        for place, accent in enumerate(accents)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_vctk_is_split_two_thirds_and_two_sixths_with_rare_speakers_in_training(seed):
    persons = vctk_like(seed)
    assigned = splits.vctk(persons)
    counts = Counter(assigned.values())
    assert len(persons) == len(assigned) == 108
    assert counts["train"] in range(66, 79)
    assert abs(counts["valid"] - counts["test"]) <= 1
    assert {assigned[person.name] for person in persons if person.accent in ("NewZealand", "Welsh")} == {"train"}
    assert assigned == splits.vctk(persons)


def test_vctk_agrees_with_the_algorithm_written_out_in_pandas():
    pd = pytest.importorskip("pandas")
    from sklearn.model_selection import train_test_split

    persons = vctk_like()
    frame = pd.DataFrame([(p.name, p.age, p.gender, p.accent, p.utterances) for p in persons], columns=list("nagcu"))
    ages, amounts = pd.cut(frame.a, 3, labels=False), pd.cut(frame.u, 2, labels=False)
    frame["key"] = ages.astype(str) + frame.g + frame.c + amounts.astype(str)
    alone = frame.groupby("key").n.transform("size") == 1
    train, rest = train_test_split(frame[~alone], test_size=0.4, stratify=frame[~alone].key, random_state=42)
    left = rest.groupby("key").n.transform("size") == 1
    valid, test = train_test_split(rest[~left], test_size=0.5, stratify=rest[~left].key, random_state=42)
    lone = list(rest[left].n)
    random.Random(42).shuffle(lone)
    assigned = splits.vctk(persons)
    assert {n for n, split in assigned.items() if split == "train"} == {*train.n, *frame[alone].n}
    assert {n for n, split in assigned.items() if split == "valid"} == {*valid.n, *lone[: len(lone) // 2]}
    assert {n for n, split in assigned.items() if split == "test"} == {*test.n, *lone[len(lone) // 2 :]}


def test_a_part_of_vctk_or_one_without_metadata_is_still_split():
    assert Counter(splits.vctk(vctk_like()[:20]).values()) == {"train": 14, "test": 4, "valid": 2}
    unknown = [Person(person.name, person.utterances) for person in vctk_like()]
    assert set(Counter(splits.vctk(unknown).values())) == {"train", "valid", "test"}


def test_the_speakers_of_given_lists_are_their_splits():
    persons = crowd(30)
    assigned = splits.assign(persons, {"s000": "test", "s001": "test", "gone": "test"})
    assert sorted(name for name, split in assigned.items() if split == "test") == ["s000", "s001"]
    assert Counter(assigned.values()) == {"train": 25, "valid": 3, "test": 2}
    assigned = splits.assign(persons, {"s000": "valid", "s001": "valid"})
    assert [name for name, split in assigned.items() if split == "valid"] == ["s000", "s001"]
    assert "test" in assigned.values()
    assigned = splits.assign(persons, {"s000": "valid", "s001": "test"})
    assert Counter(assigned.values()) == {"train": 28, "valid": 1, "test": 1}
    assert splits.assign(persons, {}) == splits.three_way(persons)


def test_a_list_that_names_everybody_leaves_nobody_to_train_on():
    persons = crowd(30)
    with pytest.raises(UserError, match=r"name 30 of 30 speakers.*--filter_trials"):
        splits.assign(persons, {person.name: "test" for person in persons})


def test_a_corpus_whose_splits_share_a_speaker_is_refused(tmp_path, cut_of, speak):
    cuts = [cut_of(speak(tmp_path / f"{name}.wav")) for name in "ab"]
    corpus = Corpus.write(tmp_path, CorpusInfo("Mine"), {"train": cuts[:1], "test": cuts[1:]}, tmp_path)
    with pytest.raises(UserError, match=r"1 speakers of Mine are in both the train and the test split \(e\.g\. s\)"):
        splits.check_disjoint(corpus)
    cuts[1].supervisions[0].speaker = "t"
    splits.check_disjoint(Corpus.write(tmp_path, CorpusInfo("Mine"), {"train": cuts[:1], "test": cuts[1:]}, tmp_path))
