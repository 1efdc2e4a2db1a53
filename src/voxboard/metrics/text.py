"""Word and character error rates of whole corpora: all errors over all words of the references, as fractions.

Words are what `str.split` gives: any run of white space parts them (tab, newline, no-break space), and none is left at
the ends. Characters are code points; spaces count as characters, except those at the ends of a text. Errors are the
fewest substitutions, insertions and deletions that turn the reference into the hypothesis (Levenshtein 1966).

An empty reference is legal: the words of its hypothesis are insertions. A corpus without any reference word has no
rate: 0 without errors, inf with them, so that no error is ever hidden.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxboard.metrics import normalizers
from voxboard.metrics.alignment import align
from voxboard.metrics.nist_text import Rules, graph, marked
from voxboard.metrics.normalizers import Normalizer
from voxboard.metrics.ranked import as_floats

Texts = str | Sequence[str] | Mapping[str, str]
Unit = Literal["word", "character"]
Counts = NDArray[np.int64]

LETTERS = 60_000  # the most words with a letter each: letters of two bytes


class ScoredUtterance(NamedTuple):
    """One row of a report: the texts as they were compared, and their alignment in numbers."""

    id: Hashable
    reference: str
    hypothesis: str
    words: int
    hits: int
    substitutions: int
    insertions: int
    deletions: int


@dataclass(frozen=True, eq=False)
class TextReport:
    """The errors of every utterance [n], of which the corpus rate is made.

    `words` are the reference's words (or characters, as `unit` says). An interval that resamples speakers:
    `bootstrap.interval(text.rate, report.errors, report.words, clusters=speakers)`.
    """

    ids: Sequence[Hashable]
    references: Sequence[str]  # after normalisation
    hypotheses: Sequence[str]
    words: Counts
    hits: Counts
    substitutions: Counts
    insertions: Counts
    deletions: Counts
    unit: Unit
    normalizer: str

    @property
    def errors(self) -> Counts:
        """Substitutions, insertions and deletions of every utterance [n]."""
        return self.substitutions + self.insertions + self.deletions

    @property
    def rate(self) -> float:
        """The corpus error rate, a fraction: WER or CER."""
        return rate(self.errors, self.words)

    def rows(self) -> Iterator[ScoredUtterance]:
        """The utterances one by one, in the order of the references."""
        counts = (self.words, self.hits, self.substitutions, self.insertions, self.deletions)
        columns = (column.tolist() for column in counts)
        for name, reference, hypothesis, *numbers in zip(
            self.ids, self.references, self.hypotheses, *columns, strict=True
        ):
            yield ScoredUtterance(name, reference, hypothesis, *numbers)


def wer(references: Texts, hypotheses: Texts, normalizer: str = "none") -> float:
    """The word error rate of a corpus, a fraction (above 1 when many words are inserted).

    Texts in the same order, or mappings from ids to texts; a single text is a corpus of one utterance. `normalizer` is
    a name of `normalisers`. Raises `ValueError` when there are no utterances, lengths or ids differ or something is not
    a text, and `UserError` for an unknown normaliser.
    """
    _, pairs = _prepared(references, hypotheses, normalizer)
    return _rate(*_as_words(*pairs))


def cer(references: Texts, hypotheses: Texts, normalizer: str = "none") -> float:
    """The character error rate of a corpus, a fraction; arguments and errors as in `wer`."""
    _, pairs = _prepared(references, hypotheses, normalizer)
    return _rate(*_as_characters(*pairs))


def score(
    references: Texts, hypotheses: Texts, normalizer: str = "none", unit: Unit = "word", rules: Rules | None = None
) -> TextReport:
    """All that `wer` (or, for characters, `cer`) counts, by utterance and split into kinds of errors.

    Where several alignments have the fewest errors the split is that of rapidfuzz's (and jiwer's); the number of errors
    does not depend on it. `rules` are for words: sclite's costs, NIST's alternations, optional words and fragments.
    Characters are those of the branches that the words' alignment took. Arguments and errors as in `wer`; `ValueError`
    for an unknown unit and for braces that do not match.
    """
    if unit not in ("word", "character"):
        raise ValueError(f"unit must be word or character, got {unit!r}")
    if rules is not None and not rules.plain:
        return _by_rules(references, hypotheses, normalizer, unit, rules)
    ids, pairs = _prepared(references, hypotheses, normalizer)
    return _minimal(ids, pairs, unit, normalizer)


def _minimal(ids: Sequence[Hashable], pairs: tuple[list[str], list[str]], unit: Unit, normalizer: str) -> TextReport:
    from rapidfuzz.distance import Levenshtein

    true, written = _as_words(*pairs) if unit == "word" else _as_characters(*pairs)
    edits = [Levenshtein.editops(*pair) for pair in zip(true, written, strict=True)]
    errors = np.array([len(edit) for edit in edits])
    deletions = np.array([sum(kind == "delete" for kind, _, _ in edit.as_list()) for edit in edits])
    words = _lengths(true)
    insertions = deletions + _lengths(written) - words
    substitutions = errors - insertions - deletions
    hits = words - substitutions - deletions
    return TextReport(ids, *pairs, words, hits, substitutions, insertions, deletions, unit, normalizer)


def _by_rules(references: Texts, hypotheses: Texts, normalizer: str, unit: Unit, rules: Rules) -> TextReport:
    """Like `score`, by more than the least number of errors between plain words."""
    if rules.fragments and normalizer != "none":
        raise ValueError("fragments end in a hyphen, which a normalizer takes away: score them with none")
    normalize = normalizers.get(normalizer)
    ids, true, written = _checked(references, hypotheses)
    lines: list[Five] = []
    pairs: list[tuple[str, str]] = []
    for at, reference, hypothesis in zip(ids, true, written, strict=True):
        try:
            one, texts = _aligned(reference, hypothesis, rules, normalize)
        except ValueError as error:
            raise ValueError(f"the text of utterance {at!r} cannot be scored: {error}") from error
        lines.append(one)
        pairs.append(texts)
    taken = [text for text, _ in pairs], [text for _, text in pairs]
    if unit == "character":
        return _minimal(ids, taken, unit, normalizer)
    words, hits, substitutions, insertions, deletions = np.array(lines, np.int64).T
    return TextReport(
        ids, taken[0], taken[1], words, hits, substitutions, insertions, deletions, unit, normalizer
    )  # fmt: skip


Five = tuple[int, int, int, int, int]  # words, hits, substitutions, insertions, deletions


def _aligned(reference: str, hypothesis: str, rules: Rules, normalize: Normalizer) -> tuple[Five, tuple[str, str]]:
    """The counts of one utterance, and its texts as they were compared."""
    if not rules.fragments and not (rules.markup and (marked(reference) or marked(hypothesis))):
        fold = str.lower if rules.fold_case else str
        texts = fold(normalize(reference)), fold(normalize(hypothesis))
        return _weighted(texts[0].split(), texts[1].split(), rules), texts
    one = align(graph(reference, rules, normalize), graph(hypothesis, rules, normalize), rules)
    return (one.words, *one[:4]), (one.reference, one.hypothesis)


def _weighted(reference: list[str], hypothesis: list[str], rules: Rules) -> Five:
    """The counts of plain words by the costs of `rules`; of alignments that cost the same, most substitutions.

    Costs are multiplied so that each substitution can take one off: the cheapest distance then tells their number.
    """
    from rapidfuzz.distance import Levenshtein

    gap, substitution = (1, 1) if rules.costs == "minimal" else (3, 4)
    scale = len(reference) + len(hypothesis) + 1
    weights = (gap * scale, gap * scale, substitution * scale - 1)
    distance = Levenshtein.distance(reference, hypothesis, weights=weights)
    substitutions = -distance % scale
    gaps = (distance + substitutions) // scale - substitution * substitutions
    insertions = (gaps // gap + len(hypothesis) - len(reference)) // 2
    deletions = insertions + len(reference) - len(hypothesis)
    return len(reference), len(reference) - substitutions - deletions, substitutions, insertions, deletions


def rate(errors: ArrayLike, words: ArrayLike) -> float:
    """All errors over all words of the utterances [n]: 0 for no errors in no words, inf for errors in no words."""
    wrong, total = as_floats(errors, "errors").sum(), as_floats(words, "words").sum()
    if total == 0:
        return float("inf") if wrong else 0.0
    return float(wrong / total)


def _rate(true: list[str], written: list[str]) -> float:
    from rapidfuzz import process
    from rapidfuzz.distance import Levenshtein

    return rate(process.cpdist(true, written, scorer=Levenshtein.distance, dtype=np.int64), _lengths(true))


def _lengths(texts: list[str]) -> Counts:
    return np.fromiter(map(len, texts), np.int64, len(texts))


def _as_characters(references: list[str], hypotheses: list[str]) -> tuple[list[str], list[str]]:
    return [text.strip() for text in references], [text.strip() for text in hypotheses]


def _as_words(references: list[str], hypotheses: list[str]) -> tuple[list[str], list[str]]:
    """Texts with every word turned into one letter: comparing letters is what rapidfuzz is fastest at."""
    letters = _Letters()
    true, written = [], []
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        if len(letters) > LETTERS:  # only the words of one pair must be told apart
            letters.clear()
        true.append("".join(map(letters.__getitem__, reference.split())))
        written.append("".join(map(letters.__getitem__, hypothesis.split())))
    return true, written


class _Letters(dict[str, str]):
    """A letter for every distinct word, given out when the word is first looked up."""

    def __missing__(self, word: str) -> str:
        letter = self[word] = chr(len(self))
        return letter


def _prepared(
    references: Texts, hypotheses: Texts, normalizer: str
) -> tuple[Sequence[Hashable], tuple[list[str], list[str]]]:
    """Ids [n], and references and hypotheses [n] in one order, checked and normalised."""
    normalize = normalizers.get(normalizer)
    ids, true, written = _checked(references, hypotheses)
    return ids, ([normalize(text) for text in true], [normalize(text) for text in written])


def _checked(references: Texts, hypotheses: Texts) -> tuple[Sequence[Hashable], list[str], list[str]]:
    """Like `_paired`; `ValueError` for what is no text, and for no utterances at all."""
    ids, true, written = _paired(references, hypotheses)
    for name, texts in (("reference", true), ("hypothesis", written)):
        for at, text in zip(ids, texts, strict=True):
            if not isinstance(text, str):
                raise ValueError(f"the {name} of utterance {at!r} is {text!r}, not a text")
    if not true:
        raise ValueError("there are no utterances")
    return ids, true, written


def _paired(references: Texts, hypotheses: Texts) -> tuple[Sequence[Hashable], list[str], list[str]]:
    """Ids, references and hypotheses in the order of the references; `ValueError` where one has no partner."""
    if isinstance(references, Mapping) and isinstance(hypotheses, Mapping):
        for name, here, there in (("hypotheses", hypotheses, references), ("references", references, hypotheses)):
            missing = [key for key in there if key not in here]
            if missing:
                some = ", ".join(map(str, missing[:5])) + (", …" if len(missing) > 5 else "")
                raise ValueError(f"the {name} lack {len(missing)} of {len(there)} ids: {some}")
        return list(references), list(references.values()), [hypotheses[key] for key in references]
    if isinstance(references, Mapping) or isinstance(hypotheses, Mapping):
        raise ValueError("one side has ids and the other has none: give two mappings or two sequences")
    true = [references] if isinstance(references, str) else list(references)
    written = [hypotheses] if isinstance(hypotheses, str) else list(hypotheses)
    if len(true) != len(written):
        raise ValueError(f"{len(true)} references but {len(written)} hypotheses")
    return range(len(true)), true, written
