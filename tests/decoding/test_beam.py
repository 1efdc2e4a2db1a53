"""Prefix beam search against a sum over all alignments and the textbook, with and without a language model."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from voxboard.decoding.beam import Hypothesis, ShallowFusion, search
from voxboard.decoding.ngram import NGram

Floats = NDArray[np.float64]
Prefix = tuple[int, ...]

ALL = 5000  # a beam that no case here fills
LETTERS = ["", "a", " ", "b"]
PIECES = ["", "a", " a", "b"]
SILENT = ["", "a", "", "b"]
SHAPES = st.tuples(st.integers(1, 5), st.integers(2, 4), st.integers(0, 2**32 - 1), st.sampled_from([0.5, 3.0]))


def posteriors(steps: int, classes: int, seed: int, spread: float) -> Floats:
    x = spread * np.random.default_rng(seed).normal(size=(steps, classes))
    return np.asarray(x - np.log(np.exp(x).sum(1, keepdims=True)))


def bigrams() -> NGram:
    """Of the words a, b, ab and ba, with weights that turn decisions around."""
    model = NGram()
    unigrams = [("<s>", -9, -0.4), ("</s>", -0.9, 0), ("a", -0.3, -0.2), ("b", -1.5, -0.7), ("ab", -0.8, 0)]
    for word, log10, backoff in [*unigrams, ("<unk>", -2.5, 0)]:
        model.add([word], log10, backoff)
    for words, log10 in [("<s> b", -0.1), ("b a", -0.05), ("a </s>", -0.2), ("a a", -1.0)]:
        model.add(words.split(), log10, 0.0)
    return model


def by_hand(log_probs: Floats, tokens: list[str], fusion: ShallowFusion | None = None) -> dict[Prefix, float]:
    """Every text's log-probability, summed over its alignments, with the language model's share."""
    steps, classes = log_probs.shape
    found: dict[Prefix, float] = {}
    for path in itertools.product(range(classes), repeat=steps):
        spoken = [token if tokens[token] else 0 for token in path]
        text = tuple(token for token, _ in itertools.groupby(spoken) if token)
        weight = sum(log_probs[step, token] for step, token in enumerate(path))
        found[text] = float(np.logaddexp(found.get(text, -math.inf), weight))
    return {text: value + words_share("".join(tokens[t] for t in text), fusion) for text, value in found.items()}


def words_share(text: str, fusion: ShallowFusion | None, whole: bool = True) -> float:
    """What a language model adds to a text; to a beginning only what its complete words are given."""
    if fusion is None:
        return 0.0
    lm, context, total = fusion.lm, fusion.lm.start, 0.0
    for word in (text if whole else text.rpartition(" ")[0]).split():
        total += fusion.bonus + fusion.weight * lm.log_prob(lm.word(word), context)
        context = lm.after(lm.word(word), context)
    return total + (fusion.weight * lm.log_prob(lm.end, context) if whole and lm.end is not None else 0.0)


def textbook(log_probs: Floats, tokens: list[str], width: int, fusion: ShallowFusion | None) -> dict[Prefix, float]:
    """The search prefix by prefix, as Hannun et al. 2014 write it down."""
    beam: dict[Prefix, tuple[float, float]] = {(): (0.0, -math.inf)}
    for frame in log_probs:
        grown: dict[Prefix, list[float]] = {}
        for prefix, (blank, token) in beam.items():
            for index, value in enumerate(frame):
                last = index == (prefix[-1] if prefix else 0)
                both = np.logaddexp(blank, token)
                if index == 0:
                    steps = [(prefix, 0, both + value)]
                elif last:
                    steps = [(prefix, 1, token + value), ((*prefix, index), 1, blank + value)]
                else:
                    steps = [((*prefix, index), 1, both + value)]
                for text, place, weight in steps:
                    cell = grown.setdefault(text, [-math.inf, -math.inf])
                    cell[place] = np.logaddexp(cell[place], weight)

        def rank(text: Prefix, grown: dict[Prefix, list[float]] = grown) -> float:
            return np.logaddexp(*grown[text]) + words_share("".join(tokens[t] for t in text), fusion, whole=False)

        beam = {text: (grown[text][0], grown[text][1]) for text in sorted(grown, key=rank, reverse=True)[:width]}
    return {
        text: float(np.logaddexp(*value)) + words_share("".join(tokens[t] for t in text), fusion)
        for text, value in beam.items()
        if max(value) > -math.inf
    }


def assert_same(found: list[Hypothesis], expected: dict[Prefix, float]) -> None:
    assert {tuple(each.tokens) for each in found} == set(expected)
    assert np.allclose([each.score for each in found], [expected[tuple(each.tokens)] for each in found], atol=1e-9)
    assert all(first.score >= second.score for first, second in itertools.pairwise(found))


@settings(max_examples=30, deadline=None)
@given(SHAPES, st.sampled_from([LETTERS, PIECES, SILENT]))
def test_a_wide_beam_sums_all_alignments(shape: tuple[int, int, int, float], tokens: list[str]) -> None:
    log_probs = posteriors(*shape)
    tokens = tokens[: log_probs.shape[1]]
    assert_same(search(log_probs, tokens, ALL), by_hand(log_probs, tokens))


@settings(max_examples=30, deadline=None)
@given(SHAPES, st.sampled_from([LETTERS, PIECES, SILENT]), st.sampled_from([0.3, 2.0]), st.sampled_from([0.0, 1.5]))
def test_a_wide_beam_with_a_language_model_is_exact(
    shape: tuple[int, int, int, float], tokens: list[str], weight: float, bonus: float
) -> None:
    log_probs, fusion = posteriors(*shape), ShallowFusion(bigrams(), weight, bonus)
    tokens = tokens[: log_probs.shape[1]]
    assert_same(search(log_probs, tokens, ALL, fusion=fusion), by_hand(log_probs, tokens, fusion))


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(st.integers(1, 16), st.just(4), st.integers(0, 2**32 - 1), st.sampled_from([0.5, 3.0])),
    st.integers(1, 9),
    st.sampled_from([LETTERS, PIECES]),
    st.sampled_from([None, ShallowFusion(bigrams(), 2.0, 1.0)]),
)
def test_a_narrow_beam_is_the_textbooks(
    shape: tuple[int, int, int, float], width: int, tokens: list[str], fusion: ShallowFusion | None
) -> None:
    log_probs = posteriors(*shape)
    assert_same(search(log_probs, tokens, width, fusion=fusion), textbook(log_probs, tokens, width, fusion))


def test_a_sum_beats_the_best_path() -> None:
    # The best path is two blanks (0.36); "a" has three alignments: 0.16 + 0.24 + 0.24.
    log_probs = np.log([[0.6, 0.4], [0.6, 0.4]])
    best = search(log_probs, LETTERS[:2], 10)[0]
    assert best.tokens == [1]
    assert math.isclose(math.exp(best.score), 0.64)


@pytest.mark.parametrize("seed", range(5))
def test_a_prefix_that_left_the_beam_and_came_back_is_the_same_prefix(seed: int) -> None:
    log_probs = posteriors(40, 4, seed, 1.0)
    for width in (2, 5, 20):
        assert_same(search(log_probs, LETTERS, width), textbook(log_probs, LETTERS, width, None))


def test_what_is_impossible_is_not_found() -> None:
    with np.errstate(divide="ignore"):
        log_probs = np.log(np.array([[0, 1.0, 0, 0], [0, 0, 0, 1.0], [1.0, 0, 0, 0], [0, 0, 0, 1.0]]))
    assert [(each.tokens, each.score) for each in search(log_probs, LETTERS, 50)] == [([1, 3, 3], 0.0)]


def test_the_floor_leaves_out_unlikely_tokens_but_never_the_likeliest() -> None:
    log_probs = np.log([[0.01, 0.3, 0.29, 0.4], [0.5, 0.3, 0.1, 0.1]])
    assert {tuple(each.tokens) for each in search(log_probs, LETTERS, 50, floor=0.3)} == {(1,), (3,), (3, 1), ()}
    assert {tuple(each.tokens) for each in search(log_probs[:1], LETTERS, 50, floor=0.9)} == {(), (3,)}


def test_no_frames_say_nothing() -> None:
    assert search(np.zeros((0, 4)), LETTERS, 5) == [Hypothesis([], 0.0)]


def test_words_that_are_likely_together_win() -> None:
    # The sounds cannot tell "a a" from "b a"; the words can.
    log_probs = np.log(np.array([[0.02, 0.5, 0, 0.48], [0.02, 0, 0.98, 0], [0.02, 0.98, 0, 0]]) + 1e-9)
    assert search(log_probs, LETTERS, 20)[0].tokens == [1, 2, 1]
    assert search(log_probs, LETTERS, 20, fusion=ShallowFusion(bigrams(), 1.0, 0.0))[0].tokens == [3, 2, 1]


def test_a_bonus_makes_for_more_words() -> None:
    log_probs = np.log(np.array([[0.02, 0.96, 0.01, 0.01], [0.5, 0, 0.5, 0], [0.02, 0.01, 0.01, 0.96]]) + 1e-9)
    few, many = (
        search(log_probs, LETTERS, 20, fusion=ShallowFusion(bigrams(), 0.5, bonus))[0] for bonus in (-2.0, 6.0)
    )
    assert few.tokens == [1, 3]
    assert many.tokens == [1, 2, 3]
