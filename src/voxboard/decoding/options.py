"""CTC log-probabilities to texts: the best path, or a prefix beam search with a language model of words.

decoder = Decoder(vocabulary, Decoding(beam=100, lm="4-gram.arpa.gz"))
texts = decoder(log_probs, lengths)   # [B, T, C] and [B] → B texts
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from voxboard.data.vocabulary import BLANK, Vocabulary
from voxboard.decoding.beam import Floats, Hypothesis, ShallowFusion, search
from voxboard.decoding.ngram import read_arpa
from voxboard.errors import UserError
from voxboard.limits import NotNegative, SizeOrZero

# One is read for all validations of a run: a large one takes seconds.
_language_model = lru_cache(maxsize=1)(read_arpa)


@dataclass(frozen=True)
class Decoding:
    """Decoding of CTC's log-probabilities into texts. Raises `UserError` for options that cannot go together."""

    beam: SizeOrZero = 0
    """Texts that the prefix beam search keeps per frame; 0 takes the best path. A beam of 1 is not the best path: it
    sums the alignments of the one text that it keeps."""
    lm: str = ""
    """ARPA file of a word n-gram model (.arpa, .arpa.gz) that the beam search heeds."""
    lm_weight: float = 0.5
    """Factor of the language model's log-probabilities."""
    word_bonus: float = 1.0
    """Added to a text's log-probability per word, with a language model only: it makes up for its cost per word."""
    floor: NotNegative = 1e-4
    """The beam search does not try tokens that are less probable in a frame; 0 tries all."""

    def __post_init__(self) -> None:
        if self.beam < 0 or not 0 <= self.floor < 1:
            raise UserError("The beam is a number of texts from 0, and its floor a probability below 1.")
        if self.lm and not self.beam:
            raise UserError("The best path cannot heed a language model.", "Pass a beam too, such as 100.")


class Decoder:
    """Log-probabilities to texts, by a vocabulary."""

    def __init__(self, vocabulary: Vocabulary, options: Decoding | None = None) -> None:
        self.vocabulary = vocabulary
        self.options = options or Decoding()
        self.fusion: ShallowFusion | None = None
        if self.options.lm:
            self.fusion = ShallowFusion(
                _language_model(self.options.lm), self.options.lm_weight, self.options.word_bonus
            )

    def __call__(self, log_probs: Tensor, lengths: Tensor) -> list[str]:
        """Log-probabilities [B, T, C] and valid frames [B] → texts. Raises `UserError` for another number of classes,
        and for frames that hold no distribution.
        """
        return [self.text([row[:length]]) for row, length in zip(log_probs, lengths.tolist(), strict=True)]

    def text(self, chunks: Sequence[Tensor]) -> str:
        """Log-probabilities [T, C] of an utterance's chunks, one after the other → its text; raises the same."""
        log_probs = torch.cat(list(chunks))
        if log_probs.shape[-1] != len(self.vocabulary):
            raise UserError(
                f"The head has {log_probs.shape[-1]} classes, and the vocabulary {len(self.vocabulary)} tokens.",
                "Decode with the vocabulary that the head was trained with.",
            )
        return self.vocabulary.decode(self.tokens(log_probs.detach().double().cpu().numpy()))

    def tokens(self, log_probs: Floats) -> list[int]:
        """Log-probabilities [T, C] of one utterance → token indices."""
        return self.search(log_probs)[0].tokens if self.options.beam else best_path(log_probs)

    def search(self, log_probs: Floats) -> list[Hypothesis]:
        """Log-probabilities [T, C] of one utterance → the texts of the last beam, the best one first."""
        _check(log_probs)
        beam = max(self.options.beam, 1)
        return search(log_probs, self.vocabulary.tokens, beam, self.options.floor, self.fusion)


def best_path(log_probs: Floats) -> list[int]:
    """[T, C] → the likeliest class of every frame, runs as one and without blanks (Graves et al. 2006, section 3.2)."""
    _check(log_probs)
    return [token for token, _ in groupby(log_probs.argmax(1).tolist()) if token != BLANK]


def _check(log_probs: Floats) -> None:
    if not np.isfinite(log_probs.max(1)).all():
        raise UserError("A frame's log-probabilities are not those of a distribution.", "Check the trained weights.")
