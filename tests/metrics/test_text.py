"""WER and CER against brute force, jiwer and published numbers, and on inputs that must be refused."""

from __future__ import annotations

import math
from pathlib import Path

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxboard.errors import UserError
from voxboard.metrics import bootstrap, text

WORDS = st.lists(st.sampled_from(["a", "b", "c", "ab", "é", "東"]), max_size=8)
PAIRS = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=6)
FREE = st.text(alphabet=" \t\u00a0abcé", max_size=12)
Pair = tuple[list[str], list[str]]


def distance(reference: list[str], hypothesis: list[str]) -> int:
    """Fewest edits, by the recurrence."""
    row = list(range(len(hypothesis) + 1))
    for i, true in enumerate(reference, 1):
        above, row = row, [i]
        for j, found in enumerate(hypothesis, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (true != found)))
    return row[-1]


def joined(pairs: list[Pair], by: str = " ") -> tuple[list[str], list[str]]:
    return [by.join(true) for true, _ in pairs], [by.join(found) for _, found in pairs]


@given(PAIRS)
def test_errors_are_the_fewest_edits_over_all_reference_words(pairs: list[Pair]) -> None:
    errors = sum(distance(*pair) for pair in pairs)
    words = sum(len(true) for true, _ in pairs)
    expected = errors / words if words else math.inf if errors else 0.0
    assert text.wer(*joined(pairs)) == pytest.approx(expected, abs=1e-12)


@given(PAIRS)
def test_both_rates_and_the_split_are_jiwers(pairs: list[Pair]) -> None:
    references, hypotheses = joined(pairs)
    if not any(references):
        return  # jiwer then gives a count, not a rate
    assert text.wer(references, hypotheses) == pytest.approx(jiwer.wer(references, hypotheses), abs=1e-12)
    assert text.cer(references, hypotheses) == pytest.approx(jiwer.cer(references, hypotheses), abs=1e-12)
    theirs = jiwer.process_words(references, hypotheses)
    ours = text.score(references, hypotheses)
    for kind in ("hits", "substitutions", "insertions", "deletions"):
        assert getattr(ours, kind).sum() == getattr(theirs, kind)


@given(st.lists(st.tuples(FREE, FREE), min_size=1, max_size=4))
def test_characters_are_jiwers_whatever_the_white_space(pairs: list[tuple[str, str]]) -> None:
    references, hypotheses = map(list, zip(*pairs, strict=True))
    if any(reference.strip() for reference in references):
        assert text.cer(references, hypotheses) == pytest.approx(jiwer.cer(references, hypotheses), abs=1e-12)


@given(PAIRS, st.sampled_from(["word", "character"]))
def test_the_split_adds_up_in_every_utterance(pairs: list[Pair], unit: text.Unit) -> None:
    references, hypotheses = joined(pairs)
    report = text.score(references, hypotheses, unit=unit)
    for row, true, found in zip(report.rows(), references, hypotheses, strict=True):
        lengths = [len(side.split() if unit == "word" else side.strip()) for side in (true, found)]
        assert row.hits + row.substitutions + row.deletions == row.words == lengths[0]
        assert row.hits + row.substitutions + row.insertions == lengths[1]
        assert min(row[3:]) >= 0
    assert report.rate == (text.wer if unit == "word" else text.cer)(references, hypotheses)


@given(PAIRS)
def test_the_order_of_utterances_does_not_matter(pairs: list[Pair]) -> None:
    assert text.wer(*joined(pairs)) == text.wer(*joined(pairs[::-1])) == text.wer(*joined(pairs * 2))


@pytest.mark.parametrize("between", ["\t", "\n", "\u00a0", "\u3000", "\r\n", "  "])
def test_any_white_space_parts_words(between: str) -> None:
    assert text.wer([f" a{between}b c"], ["a b\tc\n"]) == 0.0
    assert text.wer([f"a{between}b"], ["ab"]) == 1.0


def test_an_empty_reference_is_legal_and_counted() -> None:
    assert text.wer(["a b c", ""], ["a b c", "d"]) == pytest.approx(1 / 3)
    assert text.wer(["a b c"], [""]) == 1.0
    for rate in (text.wer, text.cer):
        assert rate(["", " "], ["", ""]) == 0.0
        assert rate([""], ["a b"]) == math.inf  # neither hidden nor a percentage
    report = text.score(["a b c", ""], ["a b c", "d"])
    assert [(row.words, row.insertions) for row in report.rows()] == [(3, 0), (0, 1)]


def test_spaces_are_characters_except_at_the_ends() -> None:
    assert text.cer(["a"], ["b c d"]) == 5.0
    assert text.cer(["ab"], ["a b"]) == 0.5
    assert text.cer([" ab\n"], ["ab"]) == 0.0


def test_a_normaliser_is_applied_to_both_sides() -> None:
    pair = ["It's the colour, um, of 21 theatres."], ["it is the color of twenty one theaters"]
    assert text.wer(*pair) > 0.5
    assert text.wer(*pair, normalizer="whisper-en") == text.cer(*pair, "whisper-en") == 0.0
    report = text.score(*pair, normalizer="whisper-en")
    assert report.references == report.hypotheses
    assert text.wer(["um"], ["uh hmm"], "whisper-en") == 0.0
    assert text.wer(["um", "one"], ["cat", "1"], "whisper-en") == 1.0


def test_mappings_are_matched_by_id() -> None:
    references = {"u1": "a b", "u2": "c"}
    assert text.wer(references, {"u2": "c", "u1": "a x"}) == pytest.approx(1 / 3)
    assert [row.id for row in text.score(references, {"u2": "c", "u1": "a x"}).rows()] == ["u1", "u2"]
    with pytest.raises(ValueError, match="hypotheses lack 1 of 2 ids: u2"):
        text.wer(references, {"u1": "a b"})
    with pytest.raises(ValueError, match="references lack 6 of 8 ids: v0, v1, v2, v3, v4, …"):
        text.wer(references, references | {f"v{number}": "" for number in range(6)})
    with pytest.raises(ValueError, match="one side has ids"):
        text.wer(references, ["a b", "c"])


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="1 references but 2 hypotheses"):
        text.wer(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="there are no utterances"):
        text.cer([], [])
    with pytest.raises(ValueError, match="hypothesis of utterance 1 is nan, not a text"):
        text.wer(["a", "b"], ["a", math.nan])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="unit must be word or character"):
        text.score(["a"], ["a"], unit="phone")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="Did you mean whisper-en"):
        text.wer(["a"], ["a"], normalizer="wisper-en")


def test_one_text_is_a_corpus_of_one_utterance() -> None:
    assert text.wer("a b c", "a x c") == text.wer(["a b c"], ["a x c"]) == pytest.approx(1 / 3)


def test_more_words_than_letters_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    references = [" ".join(map(str, rng.integers(0, 300, 9))) for _ in range(80)]
    hypotheses = [" ".join(map(str, rng.integers(0, 300, 8))) for _ in range(80)]
    expected = text.wer(references, hypotheses)
    monkeypatch.setattr(text, "LETTERS", 5)
    assert text.wer(references, hypotheses) == expected


def test_the_interval_resamples_speakers() -> None:
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(12), 10)
    hypotheses = [" ".join("x" if rng.random() < 0.02 * speaker else "a" for _ in range(10)) for speaker in speakers]
    report = text.score(["a " * 10] * 120, hypotheses)
    by_speaker = bootstrap.interval(text.rate, report.errors, report.words, clusters=speakers)
    by_utterance = bootstrap.interval(text.rate, report.errors, report.words, clusters=np.arange(120))
    assert by_speaker.value == report.rate
    assert by_speaker.low < report.rate < by_speaker.high
    assert by_speaker.high - by_speaker.low > 1.3 * (by_utterance.high - by_utterance.low)


def published(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.published.txt"))


def texts(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return {name: words for name, _, words in (line.partition("\t") for line in lines)}


def test_published_word_error_rates_are_reproduced(shared_data: Path) -> None:
    folder = shared_data / "librispeech-asr-hyps"
    references = texts(folder / "test-clean.ref.tsv")
    found = []
    for path in published(folder):
        hypotheses = texts(Path(str(path).replace(".published.txt", ".hyp.tsv")))
        rate, words = path.read_text().splitlines()[0].removeprefix("WER: error_rate=").split(", ")[:2]
        report = text.score(references, hypotheses)
        assert 100 * text.wer(references, hypotheses) == pytest.approx(float(rate), abs=1e-12)
        assert words == f"ref_words={report.words.sum()}"
        found.append(f"{100 * report.rate:.4f}")
    assert found == ["3.6538", "2.7902", "3.1060", "1.9819"]
