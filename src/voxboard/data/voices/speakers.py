"""Speakers of the corpus Voices: variants of eSpeak NG, grouped so that no split hears another one's timbre.

A speaker is a variant × an accent × a vocal tract × a base pitch × a liveliness × a rate. Gender is the variant's (its
`gender` line, or its name and formants where it has none). The age group is drawn first and moves the rest: the young
speak higher, faster and with a shorter vocal tract, seniors lower and slower. Variants that imitate an age keep it and
change in rate only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from voxboard.data.corpus import SPLITS
from voxboard.errors import UserError

# One row per timbre: variants in a row differ by less than 0.45 nepers in the mean and deviation of their log-mel
# bands, and stay in one split. Left out: whispers, robots, heavy echo, and doubles of what is here.
FEMALE = (
    ("Alicia",),
    ("Andrea",),
    ("Annie",),
    ("anika",),
    ("aunty", "f4"),
    ("belinda", "linda"),
    ("f1",),
    ("f2", "f5"),
    ("f3",),
    ("grandma",),
    ("shelby",),
    ("steph", "steph2"),
)
MALE = (
    ("Alex", "croak", "john", "m2", "m6"),
    ("Andy", "AnxiousAndy"),
    ("Denis", "victor"),
    ("Diogo", "Hugo", "miguel"),
    ("Gene",),
    ("Jacky",),
    ("Lee",),
    ("Marco",),
    ("Mario", "Michael"),
    ("Mr serious", "norbert"),
    ("Nguyen", "m7"),
    ("Reed", "adam", "benjamin", "mike2"),
    ("Storm",),
    ("antonio", "pedro"),
    ("boris", "max"),
    ("david",),
    ("ed",),
    ("edward", "klatt3", "klatt4"),
    ("grandpa",),
    ("gustave",),
    ("iven", "iven3"),
    ("kaukovalta",),
    ("m1",),
    ("m3", "Mike"),
    ("m4", "m5"),
    ("m8",),
    ("marcelo",),
    ("pablo",),
    ("paul",),
    ("quincy",),
    ("rob", "robert"),
    ("sandro",),
    ("travis",),
    ("zac",),
)
FIXED_AGE = {"zac": "young", "aunty": "senior", "croak": "senior", "grandma": "senior", "grandpa": "senior"}

ACCENTS = {  # eSpeak's language → the accent's name
    "en": "British",
    "en-us": "American",
    "en-gb-scotland": "Scottish",
    "en-gb-x-rp": "Received Pronunciation",
    "en-gb-x-gbclan": "Lancastrian",
    "en-gb-x-gbcwmd": "West Midlands",
    "en-029": "Caribbean",
    "en-us-nyc": "New York",
}

MINIMUM = 6  # speakers: two in every split
_SHARE = {"valid": 0.125, "test": 0.25}  # of the speakers, and of the timbres of each gender
_CANDIDATES = 24  # draws among which the least similar to the speakers so far is taken


@dataclass(frozen=True)
class Age:
    """Effect of an age group on a voice, as (lowest, highest)."""

    semitones: tuple[float, float]  # against the variant's base pitch
    formants: tuple[float, float]  # factor on all formants: above 1 is a shorter vocal tract
    rate: tuple[float, float]  # words per minute


AGES = {
    "young": Age((1.0, 5.5), (1.04, 1.13), (182.0, 210.0)),
    "adult": Age((-2.5, 2.5), (0.95, 1.05), (154.0, 180.0)),
    "senior": Age((-5.5, -1.0), (0.89, 0.97), (126.0, 152.0)),
}


@dataclass(frozen=True)
class Speaker:
    """One synthetic person."""

    id: str  # v001
    split: str
    gender: str
    age: str
    variant: str
    language: str
    semitones: float  # base pitch against the variant's
    formants: float  # factor on all formants
    liveliness: float  # eSpeak's pitch range, 50 = the variant's
    rate: float  # words per minute

    @property
    def accent(self) -> str:
        return ACCENTS[self.language]


def draw_speakers(count: int, seed: int) -> list[Speaker]:
    """Draw speakers, women and men in turn, train then valid then test; no timbre is in two splits.

    Raises `UserError` for fewer than `MINIMUM` speakers.
    """
    if count < MINIMUM:
        raise UserError(f"{count} speakers are too few.", f"Voices needs {MINIMUM} or more: two in every split.")
    rng = np.random.default_rng([seed, 1])
    timbres = {"female": _divide(FEMALE, rng), "male": _divide(MALE, rng)}
    speakers: list[Speaker] = []
    for split, size in _sizes(count).items():
        for number in range(size):
            gender = ("female", "male")[number % 2]
            choice = timbres[gender][split]
            variant = choice[(number // 2) % len(choice)]
            name = f"v{len(speakers) + 1:03d}"
            same = [other for other in speakers if other.gender == gender and other.split == split]
            speakers.append(_least_similar(name, split, gender, variant, same, rng))
    return speakers


def _sizes(count: int) -> dict[str, int]:
    """Speakers per split; at least two, a woman and a man."""
    held_out = {split: max(2, round(share * count)) for split, share in _SHARE.items()}
    return {"train": count - sum(held_out.values()), **held_out}


def _divide(families: tuple[tuple[str, ...], ...], rng: np.random.Generator) -> dict[str, list[str]]:
    """Split timbres; within a split, first one variant of each, then the second ones, and so on."""
    order = [families[index] for index in rng.permutation(len(families))]
    valid, test = (max(1, round(share * len(order))) for share in _SHARE.values())
    parts = {"valid": order[:valid], "test": order[valid : valid + test], "train": order[valid + test :]}
    return {split: _in_turn(parts[split]) for split in SPLITS}


def _in_turn(families: list[tuple[str, ...]]) -> list[str]:
    longest = max(len(family) for family in families)
    return [family[turn] for turn in range(longest) for family in families if turn < len(family)]


def _least_similar(
    name: str, split: str, gender: str, variant: str, others: list[Speaker], rng: np.random.Generator
) -> Speaker:
    """Of several draws the one whose nearest neighbour is farthest, so that no two speakers are doubles."""
    drawn = [_draw(name, split, gender, variant, rng) for _ in range(_CANDIDATES)]
    return max(drawn, key=lambda speaker: min((distance(speaker, other) for other in others), default=0.0))


def _draw(name: str, split: str, gender: str, variant: str, rng: np.random.Generator) -> Speaker:
    age = str(rng.choice(["young", "adult", "senior"], p=[0.3, 0.45, 0.25]))
    age = FIXED_AGE.get(variant, age)
    tempo, body = AGES[age], AGES["adult" if variant in FIXED_AGE else age]  # such a variant has aged already
    return Speaker(
        id=name,
        split=split,
        gender=gender,
        age=age,
        variant=variant,
        language=str(rng.choice(list(ACCENTS))),
        semitones=round(rng.uniform(*body.semitones), 2),
        formants=round(rng.uniform(*body.formants), 3),
        liveliness=round(rng.uniform(25.0, 80.0), 1),
        rate=round(rng.uniform(*tempo.rate), 1),
    )


def distance(one: Speaker, other: Speaker) -> float:
    """Distance of two speakers, in steps of about a just clearly audible difference; another variant is 2."""
    steps = (
        2.0 * (one.variant != other.variant),
        (one.semitones - other.semitones) / 2.0,
        (one.formants - other.formants) / 0.04,
        (one.rate - other.rate) / 20.0,
        0.5 * (one.language != other.language),
    )
    return math.hypot(*steps)
