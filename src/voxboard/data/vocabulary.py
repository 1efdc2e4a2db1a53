"""A vocabulary: tokens by index, how a text becomes them, and they a text.

Index 0 is the blank; it and every other token of an empty string spell nothing. A space is what parts words: a token of
its own among characters, the first character of a word's first piece.
"""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from voxboard.data.labels import MISSING
from voxboard.errors import UserError
from voxboard.metrics import normalizers

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger("voxboard")

# The token of "nothing is said in this frame". It is in no text: a row of labels that holds only it is an empty text.
BLANK = 0


class Vocabulary:
    """Tokens by index, and how a text is brought to them.

    `normalizer` names what is done to a text first (`metrics.normalizers`), `upper` turns it into capitals, `merges`
    are the pairs of pieces that become one, in order; without them every character is a token. Texts are brought to
    NFC, and a run of white space is one space, none at the ends: `decode(encode(text)) == normalised(text)`, less the
    characters that no token spells. These are left out, announced once and counted in `unknown`.

    Raises `UserError` for tokens that are not a vocabulary.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        merges: Sequence[tuple[str, str]] = (),
        normalizer: str = "none",
        upper: bool = False,
    ) -> None:
        self.tokens = tuple(tokens)
        self.merges = tuple((left, right) for left, right in merges)
        self.normalizer = normalizer
        self.upper = upper
        self.unknown: Counter[str] = Counter()
        self._index = {token: index for index, token in enumerate(self.tokens) if token}
        self._letters = {token for token in self._index if len(token) == 1} | {" "}
        self._normalize = normalizers.get(normalizer)
        self._check()

    def __len__(self) -> int:
        return len(self.tokens)

    def normalized(self, text: str) -> str:
        """The text that tokens spell: normalised, in NFC, its words parted by single spaces."""
        text = self._normalize(text)
        return " ".join(unicodedata.normalize("NFC", text.upper() if self.upper else text).split())

    def encode(self, text: str) -> list[int]:
        """Token indices of a text, none for an empty one."""
        text = self._known(self.normalized(text))
        if not self.merges:
            return [self._index[letter] for letter in text]
        return list(self._pieces.encode(" " + text).ids) if text else []

    def decode(self, indices: Iterable[int]) -> str:
        """The text that tokens spell, its words parted by single spaces. Raises `IndexError` for an unknown index."""
        return " ".join("".join(self.tokens[index] for index in indices).split())

    def labels(self, texts: Sequence[str | None]) -> Tensor:
        """Texts → int64 [B, U] for a head of tokens: a text's indices, then `MISSING`.

        An empty text is the blank alone, so that it is not taken for a text that is not known (None).
        """
        import torch

        rows = [[] if text is None else self.row(text) for text in texts]
        labels = torch.full((len(rows), max(map(len, rows), default=0)), MISSING)
        for row, indices in zip(labels, rows, strict=True):
            row[: len(indices)] = torch.tensor(indices, dtype=torch.int64)
        return labels

    @property
    def beginning(self) -> list[int]:
        """The indices that a row begins with, whatever the text."""
        return []

    def row(self, text: str) -> list[int]:
        """The indices that a head learns to give for a text, at least one."""
        return self.encode(text) or [BLANK]

    def to_dict(self) -> dict[str, Any]:
        """JSON values, from which `from_dict` gives the same vocabulary."""
        return {
            "tokens": list(self.tokens),
            "merges": [list(pair) for pair in self.merges],
            "normaliser": self.normalizer,  # as runs have it
            "upper": self.upper,
        }

    def _known(self, text: str) -> str:
        strange = set(text) - self._letters
        if not strange:
            return text
        if not self.unknown:
            shown = " ".join(sorted(strange))
            log.warning("Characters that the vocabulary lacks are left out of texts, first: %s", shown)
        self.unknown.update(letter for letter in text if letter in strange)
        return " ".join("".join(letter for letter in text if letter not in strange).split())

    @cached_property
    def _pieces(self) -> Any:
        from tokenizers import models

        return splitting(models.BPE(vocab=self._index, merges=list(self.merges)))

    def _check(self) -> None:
        problem = ""
        if not self.tokens or self.tokens[BLANK]:
            problem = "its first token is not the blank, an empty string"
        elif len(self._index) < sum(map(bool, self.tokens)):
            problem = "a token is there twice"
        elif not {part for pair in self.merges for part in (*pair, "".join(pair))} <= self._index.keys():
            problem = "a merge makes a piece that is not among its tokens"
        elif " " not in self._index:
            problem = "it has no token for the space between words"
        if problem:
            raise UserError(f"This is no vocabulary: {problem}.", "Make it with `characters` or `pieces`.")


def splitting(model: Any) -> Any:
    """A tokenizer of words, each with the space before it."""
    from tokenizers import Tokenizer, pre_tokenizers

    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_next")
    return tokenizer
