"""Vocabularies: texts survive them, files keep them, and a character without a token is never another one."""

from __future__ import annotations

import json
import logging
import unicodedata
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from voxboard.data import tokens
from voxboard.data.vocabulary import Vocabulary
from voxboard.errors import UserError
from voxboard.heads.base import MISSING

TEXTS = ["the cat sat on the mat", "the dog ate the Größe", "a <blank> ▁ b\tc\n d", "the cat and the dog", ""]
FREE = st.lists(st.text(max_size=20).map(lambda text: unicodedata.normalize("NFC", text)), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(FREE, st.booleans())
def test_every_text_survives_its_own_vocabulary(texts: list[str], whole_words: bool) -> None:
    vocabulary = tokens.pieces([*texts, "a"], 250) if whole_words else tokens.characters(texts)
    for text in texts:
        indices = vocabulary.encode(text)
        assert vocabulary.decode(indices) == " ".join(text.split())
        assert all(0 < index < len(vocabulary) for index in indices)
    assert not vocabulary.unknown


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30))
def test_a_foreign_text_loses_what_has_no_token_and_nothing_else(text: str) -> None:
    for vocabulary in (tokens.characters(TEXTS), tokens.pieces(TEXTS, 60)):
        known = {letter for each in TEXTS for letter in each} | {" "}
        normal = unicodedata.normalize("NFC", text)
        kept = "".join(letter for letter in " ".join(normal.split()) if letter in known)
        assert vocabulary.decode(vocabulary.encode(text)) == " ".join(kept.split())
        assert vocabulary.unknown.total() == sum(letter not in known for letter in " ".join(normal.split()))


def test_a_composed_and_a_decomposed_letter_are_one() -> None:
    vocabulary = tokens.characters(["é"])
    assert vocabulary.tokens == ("", " ", "é")
    assert vocabulary.encode("e\u0301") == [2]


def test_pieces_are_frequent_parts_of_words_and_keep_their_boundaries() -> None:
    vocabulary = tokens.pieces(TEXTS, 50)
    assert len(vocabulary) == 50
    assert " the" in vocabulary.tokens
    assert len(vocabulary.encode("the the the")) == 3
    assert not any(" " in token[1:] for token in vocabulary.tokens)
    assert vocabulary.decode(vocabulary.encode("thedog dogthe")) == "thedog dogthe"


def test_pieces_depend_on_the_texts_alone() -> None:
    first, again = tokens.pieces(TEXTS, 50), tokens.pieces(TEXTS[::-1], 50)
    assert (first.tokens, first.merges) == (again.tokens, again.merges)


def test_pieces_end_when_every_word_is_one() -> None:
    assert tokens.pieces(["ab"], 1000).tokens == ("", " ", "a", "b", " a", " ab")


def test_pieces_are_those_of_the_published_algorithm() -> None:
    # low ×5, lower ×2, newest ×6, widest ×3: Sennrich et al. 2016, algorithm 1, here with words' beginnings marked.
    texts = ["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3
    vocabulary = tokens.pieces(texts, 16)
    assert vocabulary.merges[:2] == (("e", "s"), ("es", "t"))


def test_labels_tell_an_empty_text_from_an_unknown_one() -> None:
    vocabulary = tokens.characters(["ab"])
    expected = torch.tensor([[2, 3, 2], [0, MISSING, MISSING], [MISSING] * 3, [0, MISSING, MISSING], [3, 1, 2]])
    found = vocabulary.labels(["aba", "", None, "?", "b  a"])
    assert torch.equal(found, expected)
    assert found.dtype == torch.int64
    assert vocabulary.labels([None]).shape == (1, 0)


def test_unknown_characters_are_announced_once(caplog: pytest.LogCaptureFixture) -> None:
    vocabulary = tokens.characters(["ab"])
    with caplog.at_level(logging.WARNING, "voxboard"):
        assert vocabulary.decode(vocabulary.encode("a ß b")) == "a b"
        vocabulary.encode("ßß")
    assert [record.message for record in caplog.records] == [
        "Characters that the vocabulary lacks are left out of texts, first: ß"
    ]
    assert vocabulary.unknown == {"ß": 3}


def test_wav2vec2s_english_tokens_are_those_of_its_tokenizer(tmp_path: Path) -> None:
    from transformers import Wav2Vec2CTCTokenizer

    vocabulary = tokens.wav2vec2_english()
    names = ["<pad>", "<s>", "</s>", "<unk>", "|", *tokens.WAV2VEC2_LETTERS]
    (tmp_path / "vocab.json").write_text(json.dumps({name: index for index, name in enumerate(names)}))
    peer = Wav2Vec2CTCTokenizer(str(tmp_path / "vocab.json"))
    assert len(vocabulary) == len(names) == 32
    text = "IT'S A QUICK BROWN FOX"
    assert vocabulary.encode(text.lower()) == peer(text).input_ids
    indices = [0, 12, 0, 12, 7, 4, 0, 1, 5]
    assert vocabulary.decode(indices) == peer.decode(indices, skip_special_tokens=True, group_tokens=False) == "SSA E"


def test_a_normaliser_is_applied_and_kept() -> None:
    vocabulary = tokens.characters(["Hello, World!"], normalizer="basic")
    assert set(vocabulary.tokens) == set(" helowrd") | {""}
    assert tokens.from_dict(vocabulary.to_dict()).encode("HELLO?") == vocabulary.encode("hello")


@pytest.mark.parametrize(
    "vocabulary",
    [tokens.characters(TEXTS), tokens.pieces(TEXTS, 50), tokens.wav2vec2_english()],
    ids=("characters", "pieces", "wav2vec2"),
)
def test_json_keeps_a_vocabulary(vocabulary: Vocabulary) -> None:
    again = tokens.from_dict(json.loads(json.dumps(vocabulary.to_dict())))
    assert (again.tokens, again.merges, again.upper) == (vocabulary.tokens, vocabulary.merges, vocabulary.upper)
    for text in TEXTS:
        assert again.encode(text) == vocabulary.encode(text)


@pytest.mark.parametrize(
    "content",
    [
        "[]", "{}", "null",
        '{"tokens": [1], "merges": [], "normaliser": "none", "upper": false}',
        '{"tokens": [""], "merges": [["a"]], "normaliser": "none", "upper": false}',
        '{"tokens": ["", " "], "merges": [], "normaliser": ["none"], "upper": false}',
        '{"tokens": ["", " "], "merges": [], "normaliser": "none", "upper": false, "more": 1}',
    ],
)  # fmt: skip
def test_damaged_json_is_refused(content: str) -> None:
    with pytest.raises(UserError, match="no vocabulary that voxboard wrote"):
        tokens.from_dict(json.loads(content))


@pytest.mark.parametrize("kind", ["words", "bpe", "bpe:many", "characters:5"])
def test_a_vocabulary_that_does_not_exist_is_refused(kind: str) -> None:
    with pytest.raises(UserError, match="no vocabulary"):
        tokens.make(kind, TEXTS)


@pytest.mark.parametrize(
    ("strings", "merges", "problem"),
    [
        (["a", " "], [], "not the blank"),
        ([], [], "not the blank"),
        (["", " ", "a", "a"], [], "there twice"),
        (["", "a"], [], "no token for the space"),
        (["", " ", "a"], [(" ", "a")], "not among its tokens"),
    ],
)
def test_tokens_that_are_no_vocabulary_are_refused(
    strings: list[str], merges: list[tuple[str, str]], problem: str
) -> None:
    with pytest.raises(UserError, match=problem):
        Vocabulary(strings, merges)


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(UserError, match="vocabulary of 3 cannot hold the blank and the texts' 3 characters"):
        tokens.pieces(["ab"], 3)
    with pytest.raises(UserError, match="no text"):
        tokens.pieces([" ", ""], 30)
