"""Splits by speaker, so that no voice is in two of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voxboard.data.corpus import Corpus, speaker_of
from voxboard.errors import UserError, unknown

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

SEED = 42
VALID_SHARE = 0.1  # of the training speakers, where a corpus has no validation speakers
TEST_SHARE = 0.2  # of all speakers, where a corpus has no split at all
MOST_HELD_OUT = 120  # speakers; VoxCeleb's own test sets have 40 and 118
FEWEST = 2  # speakers of a split, and of its speakers those with two utterances: else there are no target trials
VCTK_SPEAKERS = 36  # below, the stratified split of the whole corpus has nothing to stratify


@dataclass(frozen=True, slots=True)
class Person:
    """A speaker and what splits are balanced by."""

    name: str
    utterances: int
    gender: str = ""
    accent: str = ""
    age: float | None = None


Splitter = Callable[[Sequence[Person], int], dict[str, str]]


def three_way(persons: Sequence[Person], seed: int = SEED) -> dict[str, str]:
    """Speaker → split for a corpus without one: 20 % test, 10 % of the others validation, balanced by gender.

    Raises `UserError` for fewer than six speakers, two per split.
    """
    if len(persons) < 3 * FEWEST:
        raise UserError(
            f"{len(persons)} speakers are too few to split into training, validation and test speakers.",
            "Pass --split test to use all of them for testing.",
        )
    test = hold_out(persons, TEST_SHARE, seed)
    rest = [person for person in persons if person.name not in test]
    valid = hold_out(rest, VALID_SHARE, seed)
    return {p.name: "test" if p.name in test else "valid" if p.name in valid else "train" for p in persons}


def hold_out(persons: Sequence[Person], share: float = VALID_SHARE, seed: int = SEED) -> set[str]:
    """The speakers to hold out: `share` of them, at most 120, balanced by gender, the same ones for the same seed.

    At least two of them have two utterances or more where that many exist, for a speaker with one utterance is in no
    target trial. Raises `UserError` when nobody has two.
    """
    repeated = [person for person in persons if person.utterances > 1]
    single = [person for person in persons if person.utterances == 1]
    if not repeated or len(persons) < 2 * FEWEST:
        raise UserError(
            f"No validation or test speakers can be held out of {len(persons)} speakers, "
            f"{len(repeated)} of whom have two utterances.",
            "Pass --split test to use all of them for testing.",
        )
    total = min(max(round(share * len(persons)), FEWEST), MOST_HELD_OUT)
    from_repeated = min(max(round(total * len(repeated) / len(persons)), FEWEST), len(repeated))
    from_single = min(total - from_repeated, len(single))
    return {p.name for p in _sample(repeated, from_repeated, seed) + _sample(single, from_single, seed)}


def vctk(persons: Sequence[Person], seed: int = SEED) -> dict[str, str]:
    """UniPool-SV's split of VCTK: 72 / 18 / 18 of 108 speakers, stratified by age, gender, accent and amount.

    Age is cut into 3 and the number of utterances into 2 bins of equal width; strata of one speaker are trained on;
    60 % of the others are as well, and the rest is halved the same way, its strata of one shuffled and halved.
    Another collection than the whole corpus is split by `three_way`.
    """
    from sklearn.model_selection import train_test_split

    strata = dict(zip(persons, _strata(persons), strict=True))
    common, single = _by_repetition(strata, persons)
    # scikit-learn asks for at least one speaker of every stratum on both sides.
    if len(persons) < VCTK_SPEAKERS or 0.4 * len(common) < len({strata[person] for person in common}):
        return three_way(persons, seed)
    train, rest = train_test_split(
        common, test_size=0.4, stratify=[str(strata[person]) for person in common], random_state=seed
    )
    common, lone = _by_repetition(strata, rest)
    valid, test = train_test_split(
        common, test_size=0.5, stratify=[str(strata[person]) for person in common], random_state=seed
    )
    random.Random(seed).shuffle(lone)
    half = len(lone) // 2
    named = {"train": [*train, *single], "valid": [*valid, *lone[:half]], "test": [*test, *lone[half:]]}
    return {person.name: split for split, group in named.items() for person in group}


def assign(
    persons: Sequence[Person], fixed: Mapping[str, str], splitter: Splitter = three_way, seed: int = SEED
) -> dict[str, str]:
    """Speaker → split: as `fixed` says, e.g. by a given trial list, and as the splitter says for the others.

    A split that has fixed speakers gets no others, so that a list stays the whole of what is validated or tested on.
    """
    if not fixed:
        return splitter(persons, seed)
    others = [person for person in persons if person.name not in fixed]
    named = {person.name: fixed[person.name] for person in persons if person.name in fixed}
    if len(others) < FEWEST:
        raise UserError(
            f"The trial lists name {len(named)} of {len(persons)} speakers: none are left to train on.",
            "Pass --split test to only test on this corpus, --filter_trials to keep the trials between held-out "
            "speakers, or no list to have one built.",
        )
    given = set(fixed.values())
    if given >= {"valid", "test"}:
        drawn = {person.name: "train" for person in others}
    elif given == {"test"}:
        valid = hold_out(others, VALID_SHARE, seed)
        drawn = {person.name: "valid" if person.name in valid else "train" for person in others}
    else:
        drawn = {name: "train" if split in given else split for name, split in splitter(others, seed).items()}
    return drawn | named


def named(persons: Sequence[Person], valid: Sequence[str], test: Sequence[str]) -> dict[str, str]:
    """Speaker → split, where the held-out speakers are named and all others are trained on.

    Raises `UserError` for a name that nobody has, one that is named for both, and when nobody is left.
    """
    names = [person.name for person in persons]
    for name in (*valid, *test):
        if name not in names:
            raise unknown("speaker", name, names)
    if both := sorted(set(valid) & set(test)):
        raise UserError(f"{both[0]} is both a validation and a test speaker.", "Name every speaker once.")
    if len(set(valid) | set(test)) == len(names):
        raise UserError(f"All {len(names)} speakers are held out: none are left to train on.", "Name fewer.")
    return dict.fromkeys(names, "train") | dict.fromkeys(valid, "valid") | dict.fromkeys(test, "test")


def check_disjoint(corpus: Corpus) -> None:
    """Raise `UserError` when a speaker is in two splits: such a corpus is not trained or tested on."""
    speakers = {split: {speaker_of(cut) for cut in corpus.cuts(split)} for split in corpus.splits}
    for first, second in (("train", "valid"), ("train", "test"), ("valid", "test")):
        shared = sorted(speakers.get(first, set()) & speakers.get(second, set()))
        if shared:
            raise UserError(
                f"{len(shared)} speakers of {corpus.name} are in both the {first} and the {second} split "
                f"(e.g. {', '.join(shared[:3])}).",
                "Prepare the corpus again with splits that share no speaker.",
            )


def _sample(persons: Sequence[Person], count: int, seed: int) -> list[Person]:
    """`count` persons, spread evenly over the genders: every k-th of an order that is shuffled within them."""
    if count <= 0:
        return []
    shuffled = sorted(persons, key=lambda person: person.name)
    random.Random(seed).shuffle(shuffled)
    ordered = sorted(shuffled, key=lambda person: person.gender)
    return [ordered[(2 * place + 1) * len(ordered) // (2 * count)] for place in range(count)]


def _strata(persons: Sequence[Person]) -> list[tuple[Hashable, ...]]:
    ages = _bins([person.age for person in persons], 3)
    amounts = _bins([person.utterances for person in persons], 2)
    return [
        (age, person.gender, person.accent, amount) for person, age, amount in zip(persons, ages, amounts, strict=True)
    ]


def _bins(values: Sequence[float | None], count: int) -> list[int]:
    """The bin of each value among `count` of equal width, -1 where it is unknown."""
    import pandas as pd

    series = pd.Series(list(values), dtype="float64")
    if series.isna().all():
        return [-1] * len(series)
    return [int(place) for place in pd.cut(series, count, labels=False).fillna(-1)]


def _by_repetition(strata: Mapping[Person, Hashable], persons: Iterable[Person]) -> tuple[list[Person], list[Person]]:
    """The persons whose stratum has company among them, and those who are alone in theirs."""
    group = list(persons)
    sizes = Counter(strata[person] for person in group)
    return [p for p in group if sizes[strata[p]] > 1], [p for p in group if sizes[strata[p]] == 1]
