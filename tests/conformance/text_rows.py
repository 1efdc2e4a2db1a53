"""Word and character error rates beside jiwer, torchmetrics, SpeechBrain and kaldialign."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import jiwer
import kaldialign
import numpy as np
from torchmetrics.functional.text import char_error_rate, word_error_rate
from whisper_normalizer.english import EnglishTextNormalizer

from tests.conformance.section import Row, Section, answer
from tests.peers import ErrorRateStats
from voxboard.metrics import text

TEXT = """
All substitutions, insertions and deletions over all words (characters) of the references. Any white space parts words.
Spaces are characters, except at the ends of a text. An empty reference counts, its hypothesis's words being insertions;
without any reference word the rate is 0 for no errors and infinite otherwise. Fractions. `whisper-en` is Whisper's
normaliser of English; in its rows jiwer is given the texts that the package whisper-normalizer makes. `basic` is
Whisper's for any language: it makes spaces of marks, so that vowel signs of Devanagari, Tamil or Thai part their words
and two different Hindi words may become equal, which is logged; `basic-marks` does the same but keeps the marks.
`Rules(costs="nist")` aligns by sclite's costs (4 for a substitution, 3 for the others), whose errors may be more than
the fewest: `x y z a b` against `a b q w e` has 6 instead of 5.
"""

Texts = Sequence[str]
NO_RATE = (
    "a rate over no words: jiwer gives the number of errors, SpeechBrain hides them, kaldialign leaves the division to "
    "its caller"
)


def section() -> Section:
    """Corpora, then the inputs where the peers part."""
    return Section("Word and character error rates", TEXT, [*_words(), *_characters(), *_normalized()], tolerance=1e-7)


def _words() -> list[Row]:
    references, hypotheses = pairs(500)
    return [
        word_row("500 pairs of 2 to 40 words, 8 % errors", references, hypotheses),
        word_row("corpus, not mean: `a b c d e f g h` · `a` against itself · `b`", ["a b c d e f g h", "a"],
                 ["a b c d e f g h", "b"]),
        word_row("`Hello, world!` against `hello world`", ["Hello, world!"], ["hello world"]),
        word_row("an empty hypothesis", ["a b c"], [""]),
        word_row("`a b c` and an empty text against `a b c` and `d`", ["a b c", ""], ["a b c", "d"]),
        word_row("an empty text against an empty one", [""], [""],
                 "0 errors in 0 words: torchmetrics divides 0 by 0, kaldialign leaves the division to its caller"),
        word_row("an empty text against `a b`", [""], ["a b"], NO_RATE),
        *(
            word_row(f"`a b c` against the same with {name}s", ["a b c"], [f"a{space}b{space}c"],
                     "jiwer splits at spaces only: one word against three")
            for name, space in (("tab", "\t"), ("newline", "\n"), ("no-break space", "\u00a0"))
        ),
        word_row("double spaces and spaces at the ends", ["a  b", " c d "], ["a b", "c d"]),
    ]  # fmt: skip


def _characters() -> list[Row]:
    references, hypotheses = pairs(25)
    return [
        character_row("CER, 25 pairs", references, hypotheses),
        character_row("CER, `a` against `b c d`", ["a"], ["b c d"]),
        character_row("CER, `ab` against `ab` with spaces at its ends", ["ab"], ["  ab "],
                      "torchmetrics counts the spaces at the ends"),
        character_row("CER, `a b` against `a  b`", ["a b"], ["a  b"],
                      "SpeechBrain is given words, and puts one space between them"),
        character_row("CER, an empty text against `ab`", [""], ["ab"],
                      "a rate over no characters: jiwer gives the number of errors, SpeechBrain hides them"),
    ]  # fmt: skip


def _normalized() -> list[Row]:
    english = EnglishTextNormalizer()
    cases = {
        "It's the colour of twenty-one theatres": ("it is the color of 21 theaters", ""),
        "at 5 o'clock": ("at 50 clock", ""),
        "um uh hmm": ("", ""),
        "kinda late": ("kind of late", "whisper-normalizer adds rules to OpenAI's (kinda, sorta, dunno, cause)"),
    }
    return [
        Row(
            f"`whisper-en`, `{reference}` against {f'`{hypothesis}`' if hypothesis else 'an empty text'}",
            text.wer([reference], [hypothesis], "whisper-en"),
            {"jiwer": answer(partial(jiwer.wer, english(reference), english(hypothesis)))},
            reason,
        )
        for reference, (hypothesis, reason) in cases.items()
    ]


def word_row(case: str, references: Texts, hypotheses: Texts, reason: str = "") -> Row:
    """A word error rate by everyone."""
    peers: dict[str, Callable[[Texts, Texts], float]] = {
        "jiwer": lambda true, found: jiwer.wer(list(true), list(found)),
        "torchmetrics": lambda true, found: word_error_rate(list(found), list(true)),
        "SpeechBrain": speechbrain_rate,
        "kaldialign": kaldialign_rate,
    }
    found = {name: answer(partial(peer, references, hypotheses)) for name, peer in peers.items()}
    return Row(case, text.wer(references, hypotheses), found, reason)


def character_row(case: str, references: Texts, hypotheses: Texts, reason: str = "") -> Row:
    """A character error rate by all who have one."""
    peers: dict[str, Callable[[Texts, Texts], float]] = {
        "jiwer": lambda true, found: jiwer.cer(list(true), list(found)),
        "torchmetrics": lambda true, found: char_error_rate(list(found), list(true)),
        "SpeechBrain": partial(speechbrain_rate, characters=True),
    }
    found = {name: answer(partial(peer, references, hypotheses)) for name, peer in peers.items()}
    return Row(case, text.cer(references, hypotheses), found, reason)


def speechbrain_rate(references: Texts, hypotheses: Texts, characters: bool = False) -> float:
    """SpeechBrain's rate, a percentage there, from words split at white space."""
    stats = ErrorRateStats(split_tokens=characters)
    ids = [str(number) for number in range(len(references))]
    stats.append(ids, [each.split() for each in hypotheses], [each.split() for each in references])
    return float(stats.summarize("error_rate")) / 100


def kaldialign_rate(references: Texts, hypotheses: Texts) -> float:
    """kaldialign counts the errors of a pair; the corpus is the caller's."""
    true, found = [each.split() for each in references], [each.split() for each in hypotheses]
    errors = sum(kaldialign.edit_distance(*pair)["total"] for pair in zip(true, found, strict=True))
    return float(errors / sum(map(len, true)))


def pairs(count: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """References of 2 to 40 words and hypotheses with 8 % errors: 4 % substituted, 2 % deleted, 2 % inserted."""
    rng = np.random.default_rng(seed)
    letters = list("abcdefghijklmnopqrstuvwxyz")
    vocabulary = ["".join(rng.choice(letters, rng.integers(1, 10))) for _ in range(8_000)]
    references, hypotheses = [], []
    for _ in range(count):
        true = [vocabulary[word] for word in rng.integers(0, len(vocabulary), rng.integers(2, 41))]
        found = []
        for word, chance, other in zip(true, rng.random(len(true)), rng.integers(0, 8_000, len(true)), strict=True):
            kept = [] if chance < 0.02 else [vocabulary[other]] if chance < 0.06 else [word]
            found += [*kept, vocabulary[other]] if chance > 0.98 else kept
        references.append(" ".join(true))
        hypotheses.append(" ".join(found))
    return references, hypotheses
