"""Texts to tokens and back: characters, or pieces of words by byte-pair encoding (Sennrich et al. 2016).

    vocabulary = characters(training_texts)            # or pieces(training_texts, 500), or wav2vec2_english()
    labels = vocabulary.labels(["a text", "", None])   # [3, U], for heads of tokens
    vocabulary = from_dict(vocabulary.to_dict())

A vocabulary is a list of strings. Index 0 is the blank; it and every other token of an empty string spell nothing.
A space is what parts words: a token of its own among characters, the first character of a word's first piece.
"""

from __future__ import annotations

import json
import logging
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from voxboard.errors import UserError
from voxboard.metrics import normalizers

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger("voxboard")

# The token of "nothing is said in this frame". It is in no text: a row of labels that holds only it is an empty text.
BLANK = 0

# The order of wav2vec 2.0's English checkpoints, after <pad> (the blank), <s>, </s>, <unk> and the word boundary.
WAV2VEC2_LETTERS = "ETAONIHSRDLUMWCFGYPBVK'XJQZ"


class Vocabulary:
    """Tokens by index, and how a text is brought to them.

    `normaliser` names what is done to a text first (`metrics.normalisers`), `upper` turns it into capitals, `merges`
    are the pairs of pieces that become one, in order; without them every character is a token. Texts are brought to
    NFC, and a run of white space is one space, none at the ends: `decode(encode(text)) == normalised(text)`, less the
    characters that no token spells. These are left out, announced once and counted in `unknown`.

    Raises `UserError` for tokens that are not a vocabulary.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        merges: Sequence[tuple[str, str]] = (),
        normaliser: str = "none",
        upper: bool = False,
    ) -> None:
        self.tokens = tuple(tokens)
        self.merges = tuple((left, right) for left, right in merges)
        self.normaliser = normaliser
        self.upper = upper
        self.unknown: Counter[str] = Counter()
        self._index = {token: index for index, token in enumerate(self.tokens) if token}
        self._letters = {token for token in self._index if len(token) == 1} | {" "}
        self._normalise = normalizers.get(normaliser)
        self._check()

    def __len__(self) -> int:
        return len(self.tokens)

    def normalised(self, text: str) -> str:
        """The text that tokens spell: normalised, in NFC, its words parted by single spaces."""
        text = self._normalise(text)
        return " ".join(unicodedata.normalize("NFC", text.upper() if self.upper else text).split())

    def encode(self, text: str) -> list[int]:
        """Token indices of a text, none for an empty one."""
        text = self._known(self.normalised(text))
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

        from voxboard.heads.base import MISSING

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
            "normaliser": self.normaliser,
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

        return _splitting(models.BPE(vocab=self._index, merges=list(self.merges)))

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


def characters(texts: Iterable[str], normaliser: str = "none", upper: bool = False) -> Vocabulary:
    """The blank, the space, and every character of the texts in code-point order."""
    plain = Vocabulary(("", " "), normaliser=normaliser, upper=upper)
    letters = {letter for text in texts for letter in plain.normalised(text)} - {" "}
    return Vocabulary(("", " ", *sorted(letters)), normaliser=normaliser, upper=upper)


def pieces(texts: Iterable[str], size: int, normaliser: str = "none", upper: bool = False) -> Vocabulary:
    """`size` tokens with the blank: the texts' characters and the pairs that are most frequent in turn.

    Fewer when every word is one piece before. The same texts in any order give the same pieces. Raises `UserError` for
    a size that the characters alone exceed, and for texts without a character.
    """
    from tokenizers import models, trainers

    plain = Vocabulary(("", " "), normaliser=normaliser, upper=upper)
    words = Counter(word for text in texts for word in plain.normalised(text).split())
    letters = {letter for word in words for letter in word} | {" "}
    if not words:
        raise UserError("There is no text to make pieces of.", "Train on a corpus with transcripts.")
    if size <= len(letters):
        raise UserError(
            f"A vocabulary of {size} cannot hold the blank and the texts' {len(letters)} characters.",
            f"Ask for more than {len(letters)}, or use a normaliser that leaves fewer.",
        )
    trainer = trainers.BpeTrainer(vocab_size=size - 1, show_progress=False)
    tokenizer = _splitting(models.BPE())
    tokenizer.train_from_iterator((f" {word}" for word in words.elements()), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    return Vocabulary(("", *tokens), [tuple(pair) for pair in model["merges"]], normaliser, upper)


def wav2vec2_english() -> Vocabulary:
    """The 32 tokens of wav2vec 2.0's English checkpoints, in their order; texts are turned into capitals."""
    return Vocabulary(("", "", "", "", " ", *WAV2VEC2_LETTERS), upper=True)


def make(kind: str, texts: Sequence[str], normaliser: str = "none") -> Vocabulary:
    """The vocabulary that a word asks for: `characters` or `bpe:SIZE` of the texts, or one that is there already.

    These are `wav2vec2`, its English letters, and `whisper:NAME`, the tokens of a checkpoint (hub id or folder).
    """
    name, _, size = kind.partition(":")
    if name == "characters" and not size:
        return characters(texts, normaliser)
    if name == "wav2vec2" and not size:
        return wav2vec2_english()
    if name == "bpe" and size.isdecimal():
        return pieces(texts, int(size), normaliser)
    if name == "whisper" and size:
        from voxboard.data import whisper_tokens

        return whisper_tokens.load(size, normaliser)
    raise UserError(
        f"There is no vocabulary {kind!r}.", "Ask for characters, bpe:500, wav2vec2 or whisper:openai/whisper-small."
    )


def from_dict(content: Any) -> Vocabulary:
    """The vocabulary that `to_dict` gave. Raises `UserError` for what is none."""
    if isinstance(content, Mapping) and "tokenizer" in content:
        from voxboard.data import whisper_tokens

        return whisper_tokens.from_dict(content)
    try:
        fields = {name: content[name] for name in ("tokens", "merges", "normaliser", "upper")}
        texts = [*fields["tokens"], fields["normaliser"]]
        merges = [(str(left), str(right)) for left, right in fields.pop("merges")]
        if len(content) != 4 or not all(isinstance(text, str) for text in texts):
            raise ValueError
        if not isinstance(fields["upper"], bool):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError("This is no vocabulary that voxboard wrote.", "Train the run again.") from error
    return Vocabulary(merges=merges, **fields)


def _splitting(model: Any) -> Any:
    """A tokenizer of words, each with the space before it."""
    from tokenizers import Tokenizer, pre_tokenizers

    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_next")
    return tokenizer
