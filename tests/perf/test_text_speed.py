"""WER and CER of 10,000 pairs beside jiwer and kaldialign: `make bench`."""

from __future__ import annotations

import jiwer
import pytest

from tests.conformance.text_rows import kaldialign_rate, pairs
from tests.perf.measure import interleaved, report
from voxboard.metrics import normalizers, text

pytestmark = pytest.mark.perf
ROUNDS = 5


@pytest.fixture(scope="module")
def corpus() -> tuple[list[str], list[str]]:
    """References and hypotheses of 2 to 40 words, 8 % errors."""
    return pairs(10_000)


def test_word_error_rate_is_three_times_as_fast_as_jiwers(corpus: tuple[list[str], list[str]]) -> None:
    assert text.wer(*corpus) == pytest.approx(jiwer.wer(*corpus), abs=1e-12)
    took = interleaved(
        ROUNDS,
        ours=lambda: text.wer(*corpus),
        jiwer=lambda: jiwer.wer(*corpus),
        kaldialign=lambda: kaldialign_rate(*corpus),
    )
    report("WER, 10,000 pairs", took, "≥ 3 × jiwer")
    assert took["jiwer"] > 3 * took["ours"]
    assert took["kaldialign"] > took["ours"]


def test_character_error_rate_is_twenty_times_as_fast_as_jiwers(corpus: tuple[list[str], list[str]]) -> None:
    assert text.cer(*corpus) == pytest.approx(jiwer.cer(*corpus), abs=1e-12)
    took = interleaved(ROUNDS, ours=lambda: text.cer(*corpus), jiwer=lambda: jiwer.cer(*corpus))
    report("CER, 10,000 pairs", took, "≥ 20 × jiwer")
    assert took["jiwer"] > 20 * took["ours"]


def test_the_split_by_utterance_costs_little_more(corpus: tuple[list[str], list[str]]) -> None:
    took = interleaved(ROUNDS, ours=lambda: text.score(*corpus), jiwer=lambda: jiwer.process_words(*map(list, corpus)))
    report("WER with its split by utterance, 10,000 pairs", took, "≥ 3 × jiwer")
    assert took["jiwer"] > 3 * took["ours"]


def test_the_english_normaliser_is_no_bottleneck_for_the_second_system(corpus: tuple[list[str], list[str]]) -> None:
    english = normalizers.get("whisper-en")
    references = corpus[0][:1_000]
    took = interleaved(1, first=lambda: list(map(english, references)), ours=lambda: list(map(english, references)))
    report("Whisper's English normaliser, 1,000 references met before", took, "≥ 20 × the first time")
    assert took["first"] > 20 * took["ours"]
