"""Text normalisers: each has a name, and a version that a protocol id can hold.

    none         the text as it is
    basic        Whisper's normaliser for any language: lower case, no brackets, symbols and marks become spaces
    whisper-en   Whisper's for English: also contractions, numbers and currencies as digits, American spelling

Both are OpenAI's rules (Radford et al. 2022, appendix C) as transformers ships them, with OpenAI's table of British
spellings as whisper-normalizer ships it (its own classes add rules: kinda, sorta, dunno, cause). A normalised text may
be empty ("um, hmm"), and may turn words into others ("5 o'clock" → "50 clock"): that is part of the convention.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache, lru_cache

from voxboard.errors import unknown

Normaliser = Callable[[str], str]

NAMES = ("none", "basic", "whisper-en")
CACHED_TEXTS = 65_536  # about 20 MiB of sentences: the English rules take longer than the comparison

# A change of any rule shows in one of these.
PROBES = (
    "Mr. O'Neill can't, won't and y'all shouldn't've gone; I'ma say she'd been there, it's got to be.",
    "um, uh … hmm [noise] (laughs) <unk> Größe, œuvre, naïve Łódź, 東京, ﬁne, हिन्दी",
    "twenty-one and a half, nineteen eighty four, one oh one, the twenty-second, minus 3.5 percent, double o seven",
    "£5 million, two dollars and fifty cents, $1,234.50, €20bn, 10:30 p.m., 5 o'clock, one hundred and five thousand",
    "Colour, organise, centre, mum; tab\tnewline\nno-break\u00a0space '   s  ",
)


def names() -> list[str]:
    """Every normaliser's name."""
    return list(NAMES)


@cache
def get(name: str) -> Normaliser:
    """The function of that name; repeated texts come from a bounded cache. Raises `UserError` for an unknown name."""
    if name == "none":
        return str
    if name == "basic":
        return lru_cache(CACHED_TEXTS)(_basic())
    if name == "whisper-en":
        return lru_cache(CACHED_TEXTS)(_english())
    raise unknown("text normaliser", name, NAMES)


@cache
def version(name: str) -> str:
    """`name@digest` for protocol ids, the digest being that of what the normaliser makes of fixed probes.

    The rules come from other packages: their version numbers change without the rules, and would part rows of a board
    that are comparable; the texts change exactly when the rules do. Raises `UserError` for an unknown name.
    """
    made = [get(name)(probe) for probe in PROBES]
    table = sorted(_spellings().items()) if name == "whisper-en" else []
    return f"{name}@{hashlib.sha256(json.dumps([made, table]).encode()).hexdigest()[:8]}"


def _basic() -> Normaliser:
    from transformers.models.whisper.english_normalizer import BasicTextNormalizer

    basic: Normaliser = BasicTextNormalizer()
    return basic


def _english() -> Normaliser:
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    english: Normaliser = EnglishTextNormalizer(_spellings())  # type: ignore[no-untyped-call]
    return english


@cache
def _spellings() -> dict[str, str]:
    """British to American spelling, 1,739 words."""
    from whisper_normalizer.english import EnglishSpellingNormalizer

    return dict(EnglishSpellingNormalizer().mapping)
