"""NIST's alternations, optional words and fragments, and sclite's costs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxboard.metrics.alignment import align
from voxboard.metrics.nist_text import Rules, chain
from voxboard.metrics.text import cer, score

NIST = Rules(costs="nist", markup=True)
WORDS = st.lists(st.sampled_from("abcd"), max_size=7)


def counts(reference: str, hypothesis: str, rules: Rules = NIST) -> tuple[int, int, int, int]:
    """Words, substitutions, insertions, deletions."""
    report = score([reference], [hypothesis], rules=rules)
    return tuple(int(column[0]) for column in (report.words, report.substitutions, report.insertions, report.deletions))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("reference", "hypothesis", "rules", "expected"),
    [
        ("x y z a b", "a b q w e", NIST, (5, 0, 3, 3)),
        ("x y z a b", "a b q w e", Rules(), (5, 5, 0, 0)),
        ("x y a", "a z w", NIST, (3, 3, 0, 0)),
        ("i { um / uh / @ } say", "i say", NIST, (2, 0, 0, 0)),
        ("i { um / uh / @ } say", "i er say", NIST, (2, 0, 1, 0)),
        ("{ going to / gonna } go", "gonna go", NIST, (2, 0, 0, 0)),
        ("{going to/x / gonna} go", "gonna go", NIST, (2, 0, 0, 0)),
        ("{ x { y / z } / @ }", "x z", NIST, (2, 0, 0, 0)),
        ("a b", "a { b / c }", NIST, (2, 0, 0, 0)),
        ("@", "x", NIST, (0, 0, 1, 0)),
        ("a / b", "a / b", NIST, (3, 0, 0, 0)),
        ("a (b) c", "a c", NIST, (3, 0, 0, 1)),
        ("a (b) c", "a b c", NIST, (3, 0, 0, 0)),
        ("a (b) c", "a c", Rules("nist", True, optional=True), (3, 0, 0, 0)),
        ("a (farmer)", "a former", Rules("nist", True, optional=True), (2, 1, 0, 0)),
        ("she- said she-", "she said shelf", Rules("nist", True, fragments=True), (3, 0, 0, 0)),
        ("she", "sh-", Rules("nist", True, fragments=True), (1, 0, 0, 0)),
        ("(she-) x", "x", Rules("nist", True, optional=True, fragments=True), (2, 0, 0, 0)),
        ("Hello", "hello", NIST, (1, 1, 0, 0)),
        ("Hello", "hello", Rules(markup=True, fold_case=True), (1, 0, 0, 0)),
        ("{ a / b }", "{ a / b }", Rules(), (5, 0, 0, 0)),
    ],
)
def test_words_are_counted_as_sclite_counts_them(
    reference: str, hypothesis: str, rules: Rules, expected: tuple[int, int, int, int]
) -> None:
    assert counts(reference, hypothesis, rules) == expected


@given(WORDS, WORDS, st.sampled_from(["minimal", "nist"]))
def test_plain_words_and_graphs_of_them_agree(reference: list[str], hypothesis: list[str], costs: str) -> None:
    rules = Rules(costs, fold_case=True)  # type: ignore[arg-type]
    found = align(chain(reference), chain(hypothesis), rules)
    price = {"minimal": (1, 1), "nist": (4, 3)}[costs]
    words, *three = counts(" ".join(reference), " ".join(hypothesis), rules)
    assert words == found.words
    assert price[0] * three[0] + price[1] * (three[1] + three[2]) == price[0] * found.substitutions + price[1] * (
        found.insertions + found.deletions
    )


@given(WORDS, WORDS, WORDS, WORDS)
def test_an_alternation_is_as_good_as_its_best_branch(
    a: list[str], b: list[str], before: list[str], h: list[str]
) -> None:
    texts = [" ".join([*before, *branch]) for branch in (a, b)]
    both = " ".join([*before, "{", *(a or ["@"]), "/", *(b or ["@"]), "}"])
    report = score([both], [" ".join(h)], rules=Rules(markup=True))
    alone = [int(score([text], [" ".join(h)]).errors[0]) for text in texts]
    assert int(report.errors[0]) == min(alone)
    assert report.references[0] in (text.strip() for text in texts)


def test_characters_are_those_of_the_branch_that_was_taken() -> None:
    rules = Rules(markup=True)
    report = score(["i { am / be } x"], ["i be y"], unit="character", rules=rules)
    assert report.rate == cer(["i be x"], ["i be y"])


def test_texts_between_the_marks_are_normalised() -> None:
    assert score(["I { Can't / won't } Go!"], ["i can t go"], "basic", rules=NIST).rate == 0


@pytest.mark.parametrize("text", ["{ a / b", "a }", "{ " * 101 + "} " * 101])
def test_braces_that_do_not_match_are_named_with_their_utterance(text: str) -> None:
    with pytest.raises(ValueError, match="'u1' cannot be scored: .*brace"):
        score({"u1": text}, {"u1": "a"}, rules=NIST)


def test_fragments_need_their_hyphens() -> None:
    with pytest.raises(ValueError, match="a normalizer takes away"):
        score(["a-"], ["a"], "basic", rules=Rules(fragments=True))


def test_what_would_take_hours_is_refused() -> None:
    with pytest.raises(ValueError, match="too many to be aligned"):
        score(["{ a / b } " * 2000], ["a " * 2000], rules=NIST)
