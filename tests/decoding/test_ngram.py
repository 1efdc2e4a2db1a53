"""n-gram models: back-off by hand, what other tools' files hold, and files that are not ARPA."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import pytest

from voxboard.decoding.ngram import NEVER, NGram, read_arpa
from voxboard.errors import UserError

ARPA = """a comment before the data

\\data\\
ngram 1=5
ngram 2=3
ngram 3=1

\\1-grams:
-1.0\t<unk>
-99\t<s>\t-0.5
-0.7\t</s>
-0.4\tred\t-0.3
-0.6\tfox\t-0.2

\\2-grams:
-0.1\t<s> red\t-0.05
-0.2\tred fox\t-0.15
-0.3\tfox </s>

\\3-grams:
-0.01\t<s> red fox

\\end\\
"""


def write(folder: Path, text: str = ARPA) -> Path:
    path = folder / "model.arpa"
    path.write_text(text, encoding="utf-8")
    return path


def log10(model: NGram, word: str, *context: str) -> float:
    return model.log_prob(model.word(word), tuple(map(model.word, context))) / math.log(10)


@pytest.mark.parametrize(
    ("word", "context", "expected"),
    [
        ("red", [], -0.4),
        ("red", ["<s>"], -0.1),
        ("fox", ["<s>", "red"], -0.01),
        ("fox", ["fox", "red"], -0.2),  # the context "fox red" is not there: no weight
        ("red", ["<s>", "red"], -0.05 - 0.3 - 0.4),
        ("</s>", ["red", "fox"], -0.15 - 0.3),
        ("fox", ["<s>"], -0.5 - 0.6),
        ("cat", ["red", "fox"], -0.15 - 0.2 - 1.0),
        ("red", ["cat", "cat"], -0.4),
    ],
)
def test_probabilities_back_off(tmp_path: Path, word: str, context: list[str], expected: float) -> None:
    assert log10(read_arpa(write(tmp_path)), word, *context) == pytest.approx(expected, abs=1e-6)


def test_contexts_keep_as_many_words_as_the_model_heeds(tmp_path: Path) -> None:
    model = read_arpa(write(tmp_path))
    red, fox = model.word("red"), model.word("fox")
    assert model.order == 3
    assert model.start == (model.word("<s>"),)
    assert model.end == model.word("</s>")
    assert model.after(fox, model.after(red, model.start)) == (red, fox)


def test_a_model_without_an_unknown_word_never_gives_one(tmp_path: Path) -> None:
    text = "\\data\\\nngram 1=1\n\n\\1-grams:\n-0.5\tred\n\n\\end\\\n"
    model = read_arpa(write(tmp_path, text))
    assert log10(model, "cat") == pytest.approx(NEVER)
    assert (model.start, model.end, model.after(0, ())) == ((), None, ())


def test_an_ngram_whose_beginning_was_pruned_counts(tmp_path: Path) -> None:
    text = ARPA.replace("-0.1\t<s> red\t-0.05\n", "").replace("ngram 2=3", "ngram 2=2")
    model = read_arpa(write(tmp_path, text))
    assert log10(model, "fox", "<s>", "red") == pytest.approx(-0.01)
    assert log10(model, "red", "<s>") == pytest.approx(-0.5 - 0.4)


def test_gzip_and_single_spaces_read_the_same(tmp_path: Path) -> None:
    packed = tmp_path / "model.arpa.gz"
    packed.write_bytes(gzip.compress(ARPA.replace("\t", " ").encode()))
    for model in (read_arpa(packed), read_arpa(write(tmp_path))):
        assert log10(model, "red", "<s>", "red") == pytest.approx(-0.75)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("-0.4\tred\t-0.3", "red", 12),
        ("-0.4\tred\t-0.3", "x\tred\t-0.3", 12),
        ("-0.4\tred\t-0.3", "-0.4\tred\t-0.3\t1", 12),
        ("-0.4\tred\t-0.3", "nan\tred\t-0.3", 12),
        ("-0.2\tred fox\t-0.15", "-0.2\tred dog\t-0.15", 17),
        ("ngram 2=3", "ngram 2", 5),
        ("\\2-grams:", "\\two-grams:", 16),
    ],
)
def test_a_line_that_is_not_arpa_is_named(tmp_path: Path, old: str, new: str, line: int) -> None:
    with pytest.raises(UserError, match=rf"Line {line} of .*model\.arpa is not ARPA"):
        read_arpa(write(tmp_path, ARPA.replace(old, new)))


@pytest.mark.parametrize(
    "text", ["", "hello\n", ARPA[: ARPA.index("\\3-grams")], ARPA.replace("ngram 2=3", "ngram 2=4")]
)
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match="cut short, or is no n-gram model"):
        read_arpa(write(tmp_path, text))


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Cannot read the language model"):
        read_arpa(tmp_path / "none.arpa")
    broken = tmp_path / "model.arpa.gz"
    broken.write_bytes(gzip.compress(ARPA.encode())[:60])
    with pytest.raises(UserError, match="Cannot read the language model"):
        read_arpa(broken)
