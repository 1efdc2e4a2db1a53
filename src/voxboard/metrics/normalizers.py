"""Text normalisers: each has a name, and a version that a protocol id can hold.

    none         the text as it is
    basic        Whisper's normaliser for any language: lower case, no brackets, symbols and marks become spaces
    basic-marks  the same, but marks stay: for scripts that write vowels with them (Devanagari, Tamil, Thai, Arabic)
    whisper-en   Whisper's for English: also contractions, numbers and currencies as digits, American spelling

`basic` parts a Hindi word at its vowel signs, so that different words become equal; `marks_lost` says where. It and
`whisper-en` are OpenAI's rules (Radford et al. 2022, appendix C) as transformers ships them, with OpenAI's table of
British spellings as whisper-normalizer ships it (its own classes add rules: kinda, sorta, dunno, cause). A normalised
text may be empty ("um, hmm"), and may turn words into others ("5 o'clock" → "50 clock"): it is part of the convention.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache, lru_cache

from voxboard.errors import unknown

Normalizer = Callable[[str], str]

NAMES = ("none", "basic", "basic-marks", "whisper-en")
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
def get(name: str) -> Normalizer:
    """The function of that name; repeated texts come from a bounded cache. Raises `UserError` for an unknown name."""
    if name == "none":
        return str
    if name == "basic":
        return lru_cache(CACHED_TEXTS)(_basic())
    if name == "basic-marks":
        return lru_cache(CACHED_TEXTS)(_with_marks)
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


def marks_lost(name: str, texts: Iterable[str]) -> str:
    """Return a sentence where a normaliser takes away marks that are part of words; empty where it does not."""
    if name in ("none", "basic-marks"):
        return ""
    changed, example = 0, ""
    for text in texts:
        if not text.isascii() and (word := _marked_word(text)):
            changed, example = changed + 1, example or word
    if not changed:
        return ""
    return (
        f"{name} takes vowel signs and other marks out of {changed} texts (first: {example} becomes "
        f"{get(name)(example)}): different words may become equal. --normalizer basic-marks keeps them."
    )


def _marked_word(text: str) -> str:
    """The first word with a mark that does not melt into its letter; empty where there is none."""
    composed = unicodedata.normalize("NFKC", text)
    if not any(unicodedata.category(character)[0] == "M" for character in composed):
        return ""
    return next(word for word in composed.split() if any(unicodedata.category(one)[0] == "M" for one in word))


def _with_marks(text: str) -> str:
    without = re.sub(r"\([^)]*\)", "", re.sub(r"[<\[][^>\]]*[>\]]", "", text.lower()))
    composed = unicodedata.normalize("NFKC", without)
    spaced = "".join(" " if unicodedata.category(one)[0] in "SP" else one for one in composed)
    return " ".join(spaced.lower().split())


def _basic() -> Normalizer:
    from transformers.models.whisper.english_normalizer import BasicTextNormalizer

    basic: Normalizer = BasicTextNormalizer()
    return basic


def _english() -> Normalizer:
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    english: Normalizer = EnglishTextNormalizer(_spellings())  # type: ignore[no-untyped-call]
    return english


@cache
def _spellings() -> dict[str, str]:
    """British to American spelling, 1,739 words."""
    from whisper_normalizer.english import EnglishSpellingNormalizer

    return dict(EnglishSpellingNormalizer().mapping)
