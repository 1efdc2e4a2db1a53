"""Log-probabilities to texts: the best path and the beam, of a batch, with a language model's file."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.decoding.test_ngram import ARPA
from voxboard.data import tokens
from voxboard.decoding.options import Decoder, Decoding, best_path
from voxboard.errors import UserError

VOCABULARY = tokens.characters(["red fox", "rod"])


def one_hot(*paths: str) -> tuple[Tensor, Tensor]:
    """Paths with `-` for the blank → log-probabilities that are sure of them, and lengths; padding says "x"."""
    index = {"-": 0, **{token: i for i, token in enumerate(VOCABULARY.tokens) if token}}
    length = max(map(len, paths))
    rows = torch.tensor([[index[letter] for letter in path.ljust(length, "x")] for path in paths])
    logits = 12.0 * torch.nn.functional.one_hot(rows, len(VOCABULARY))
    return logits.float().log_softmax(-1), torch.tensor([len(path) for path in paths])


@pytest.mark.parametrize("beam", [0, 1, 20])
def test_repeats_collapse_and_blanks_part_them(beam: int) -> None:
    log_probs, lengths = one_hot("rr-ee--d", "r-r", "-", "fo  -x-", "d- -  -d", "--- --r ")
    found = Decoder(VOCABULARY, Decoding(beam=beam))(log_probs, lengths)
    assert found == ["red", "rr", "", "fo x", "d d", "r"]


@given(st.lists(st.integers(0, 3), max_size=30))
def test_the_best_path_is_collapsed_then_freed_of_blanks(path: list[int]) -> None:
    expected = [token for place, token in enumerate(path) if token and (place == 0 or path[place - 1] != token)]
    log_probs = torch.eye(4)[path].double().numpy() if path else torch.zeros(0, 4).double().numpy()
    assert best_path(log_probs) == expected


def test_a_beam_of_one_is_not_the_best_path() -> None:
    log_probs = torch.log(torch.tensor([[[0.6, 0.4], [0.6, 0.4]]]))
    log_probs = torch.nn.functional.pad(log_probs, (0, len(VOCABULARY) - 2), value=-math.inf)
    log_probs[..., [1, 2]] = log_probs[..., [2, 1]]  # token 1 is the space
    lengths = torch.tensor([2])
    letter = VOCABULARY.tokens[2]
    assert Decoder(VOCABULARY)(log_probs, lengths) == [""]
    assert Decoder(VOCABULARY, Decoding(beam=10))(log_probs, lengths) == [letter]
    sure = torch.log(torch.tensor([0.4, 1e-9, 0.6, *[1e-9] * (len(VOCABULARY) - 3)])).repeat(1, 3, 1)
    found = Decoder(VOCABULARY, Decoding(beam=1)).search(sure[0].double().numpy())
    assert found[0].tokens == [2]
    assert math.exp(found[0].score) > 0.6**3  # alignments beside the best one count


def test_frames_past_the_length_say_nothing() -> None:
    log_probs, lengths = one_hot("red", "red fox")
    for options in (Decoding(), Decoding(beam=5)):
        assert Decoder(VOCABULARY, options)(log_probs, lengths) == ["red", "red fox"]
        assert Decoder(VOCABULARY, options)(log_probs[:1, :2], torch.tensor([2])) == ["re"]


def test_chunks_are_read_as_one() -> None:
    log_probs, _ = one_hot("rre-dd -ffo-x")
    for options in (Decoding(), Decoding(beam=5)):
        chunks = list(log_probs[0].split(5))  # the second begins inside the "d"
        assert Decoder(VOCABULARY, options).text(chunks) == "red fox"


def test_a_language_model_decides_between_words_that_sound_alike(tmp_path: Path) -> None:
    path = tmp_path / "model.arpa"
    path.write_text(ARPA)
    log_probs, lengths = one_hot("-rod fox-")
    e, o = VOCABULARY.tokens.index("e"), VOCABULARY.tokens.index("o")
    log_probs[0, 2, e] = log_probs[0, 2, o] - 0.5
    found = [Decoder(VOCABULARY, Decoding(beam=20, lm=lm))(log_probs, lengths) for lm in ("", str(path))]
    assert found == [["rod fox"], ["red fox"]]
    unheeded = Decoding(beam=20, lm=str(path), lm_weight=0.0, word_bonus=0.0)
    assert Decoder(VOCABULARY, unheeded)(log_probs, lengths) == ["rod fox"]


def test_pieces_open_words_for_the_language_model(tmp_path: Path) -> None:
    path = tmp_path / "model.arpa"
    path.write_text(ARPA)
    vocabulary = tokens.pieces(["red fox", "red fox", "rod"], 14)
    indices = vocabulary.encode("red fox")
    spaced = list(itertools.chain.from_iterable((index, 0) for index in indices))
    log_probs = (9.0 * torch.nn.functional.one_hot(torch.tensor([spaced]), len(vocabulary))).log_softmax(-1)
    decoder = Decoder(vocabulary, Decoding(beam=5, lm=str(path), lm_weight=1.0, word_bonus=0.0))
    assert decoder(log_probs, torch.tensor([len(spaced)])) == ["red fox"]
    best = decoder.search(log_probs[0].double().numpy())[0]
    # log10 of red after <s>, of fox after both, and of the end after "red fox", which backs off to "fox </s>".
    assert best.score == pytest.approx(math.log(10) * (-0.1 - 0.01 - 0.15 - 0.3), abs=0.1)


@pytest.mark.parametrize("beam", [0, 4])
@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_frames_without_a_distribution_are_refused(beam: int, value: float) -> None:
    log_probs, lengths = one_hot("red")
    log_probs[0, 1] = value
    with pytest.raises(UserError, match="not those of a distribution"):
        Decoder(VOCABULARY, Decoding(beam=beam))(log_probs, lengths)


def test_options_that_cannot_be_are_refused() -> None:
    log_probs, lengths = one_hot("red")
    with pytest.raises(UserError, match=f"head has 3 classes, and the vocabulary {len(VOCABULARY)} tokens"):
        Decoder(VOCABULARY)(log_probs[..., :3], lengths)
    with pytest.raises(UserError, match="best path cannot heed a language model"):
        Decoding(lm="x.arpa")
    with pytest.raises(UserError, match="number of texts from 0"):
        Decoding(beam=-1)
    with pytest.raises(UserError, match="probability below 1"):
        Decoding(floor=1.0)
