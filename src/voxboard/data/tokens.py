"""Texts to tokens: characters, or pieces of words by byte-pair encoding (Sennrich et al. 2016).

vocabulary = characters(training_texts)            # or pieces(training_texts, 500), or wav2vec2_english()
labels = vocabulary.labels(["a text", "", None])   # [3, U], for heads of tokens
vocabulary = from_dict(vocabulary.to_dict())
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from voxboard.data import whisper_tokens
from voxboard.data.vocabulary import Vocabulary, splitting
from voxboard.errors import UserError

# The order of wav2vec 2.0's English checkpoints, after <pad> (the blank), <s>, </s>, <unk> and the word boundary.
WAV2VEC2_LETTERS = "ETAONIHSRDLUMWCFGYPBVK'XJQZ"


def characters(texts: Iterable[str], normalizer: str = "none", upper: bool = False) -> Vocabulary:
    """The blank, the space, and every character of the texts in code-point order."""
    plain = Vocabulary(("", " "), normalizer=normalizer, upper=upper)
    letters = {letter for text in texts for letter in plain.normalized(text)} - {" "}
    return Vocabulary(("", " ", *sorted(letters)), normalizer=normalizer, upper=upper)


def pieces(texts: Iterable[str], size: int, normalizer: str = "none", upper: bool = False) -> Vocabulary:
    """`size` tokens with the blank: the texts' characters and the pairs that are most frequent in turn.

    Fewer when every word is one piece before. The same texts in any order give the same pieces. Raises `UserError` for
    a size that the characters alone exceed, and for texts without a character.
    """
    from tokenizers import models, trainers

    plain = Vocabulary(("", " "), normalizer=normalizer, upper=upper)
    words = Counter(word for text in texts for word in plain.normalized(text).split())
    letters = {letter for word in words for letter in word} | {" "}
    if not words:
        raise UserError("There is no text to make pieces of.", "Train on a corpus with transcripts.")
    if size <= len(letters):
        raise UserError(
            f"A vocabulary of {size} cannot hold the blank and the texts' {len(letters)} characters.",
            f"Ask for more than {len(letters)}, or use a normaliser that leaves fewer.",
        )
    trainer = trainers.BpeTrainer(vocab_size=size - 1, show_progress=False)
    tokenizer = splitting(models.BPE())
    tokenizer.train_from_iterator((f" {word}" for word in words.elements()), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    return Vocabulary(("", *tokens), [tuple(pair) for pair in model["merges"]], normalizer, upper)


def wav2vec2_english() -> Vocabulary:
    """The 32 tokens of wav2vec 2.0's English checkpoints, in their order; texts are turned into capitals."""
    return Vocabulary(("", "", "", "", " ", *WAV2VEC2_LETTERS), upper=True)


def make(kind: str, texts: Sequence[str], normalizer: str = "none") -> Vocabulary:
    """The vocabulary that a word asks for: `characters` or `bpe:SIZE` of the texts, or one that is there already.

    These are `wav2vec2`, its English letters, and `whisper:NAME`, the tokens of a checkpoint (hub id or folder).
    """
    name, _, size = kind.partition(":")
    if name == "characters" and not size:
        return characters(texts, normalizer)
    if name == "wav2vec2" and not size:
        return wav2vec2_english()
    if name == "bpe" and size.isdecimal():
        return pieces(texts, int(size), normalizer)
    if name == "whisper" and size:
        return whisper_tokens.load(size, normalizer)
    raise UserError(
        f"There is no vocabulary {kind!r}.", "Ask for characters, bpe:500, wav2vec2 or whisper:openai/whisper-small."
    )


def from_dict(content: Any) -> Vocabulary:
    """The vocabulary that `to_dict` gave. Raises `UserError` for what is none."""
    if isinstance(content, Mapping) and "tokenizer" in content:
        return whisper_tokens.from_dict(content)
    try:
        tokens, normalizer, upper = content["tokens"], content["normaliser"], content["upper"]
        merges = [(str(left), str(right)) for left, right in content["merges"]]
        if len(content) != 4 or not all(isinstance(text, str) for text in [*tokens, normalizer]):
            raise ValueError
        if not isinstance(upper, bool):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError("This is no vocabulary that voxboard wrote.", "Train the run again.") from error
    return Vocabulary(tokens, merges, normalizer, upper)
