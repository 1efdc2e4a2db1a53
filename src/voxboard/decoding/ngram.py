"""n-gram language models of words, from ARPA files as SRILM, KenLM and others write them."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from voxboard.errors import UserError

START, END, UNKNOWN = "<s>", "</s>", ("<unk>", "<UNK>")

# log10 of an unknown word's probability where the file has none, as in KenLM.
NEVER = -100.0

ADVICE = "Pass an n-gram model in ARPA format, plain or gzipped."


class NGram:
    """Back-off probabilities of words after the words before them (Katz 1987).

    Words are numbers: `word(text)`. A context is a tuple of the last words, `start` at a sentence's beginning. The
    n-grams are a tree: one key per n-gram, made of its context's node and its last word.
    """

    def __init__(self) -> None:
        self.order = 0
        self._words: dict[str, int] = {}
        self._nodes: dict[int, int] = {}
        self._log10 = array("f", [math.nan])  # the root is the empty context
        self._backoff = array("f", [0.0])

    @property
    def start(self) -> tuple[int, ...]:
        """The context of a sentence's first word."""
        return (self._words[START],) if START in self._words and self.order > 1 else ()

    @property
    def end(self) -> int | None:
        """The word that ends a sentence, None in a model without it."""
        return self._words.get(END)

    def word(self, text: str) -> int:
        """A word's number; that of `<unk>` for one that the model does not know, -1 where it has no `<unk>`."""
        for candidate in (text, *UNKNOWN):
            if candidate in self._words:
                return self._words[candidate]
        return -1

    def log_prob(self, word: int, context: tuple[int, ...]) -> float:
        """Natural logarithm of a word's probability after a context."""
        total = 0.0
        for first in range(len(context) + 1):
            node = self._find(context[first:])
            if node is None:
                continue
            entry = self._nodes.get(node << 32 | word) if word >= 0 else None
            if entry is not None and not math.isnan(self._log10[entry]):
                return math.log(10) * (total + self._log10[entry])
            total += self._backoff[node]
        return math.log(10) * (total + NEVER)

    def after(self, word: int, context: tuple[int, ...]) -> tuple[int, ...]:
        """The context of what follows a word."""
        return (*context, word)[-(self.order - 1) :] if self.order > 1 else ()

    def add(self, words: list[str], log10: float, backoff: float) -> None:
        """Take in an n-gram. Raises `KeyError` for a word that was no unigram before, `ValueError` without a word."""
        if not words or math.isnan(log10) or math.isnan(backoff):
            raise ValueError("An n-gram is words and numbers.")
        node = 0
        if len(words) == 1:
            self._words.setdefault(words[0], len(self._words))
        for text in words:
            key = node << 32 | self._words[text]
            if key not in self._nodes:
                # A pruned file may lack the beginning of an n-gram that it has.
                self._nodes[key] = len(self._log10)
                self._log10.append(math.nan)
                self._backoff.append(0.0)
            node = self._nodes[key]
        self._log10[node], self._backoff[node] = log10, backoff
        self.order = max(self.order, len(words))

    def _find(self, context: tuple[int, ...]) -> int | None:
        node = 0
        for word in context:
            entry = self._nodes.get(node << 32 | word) if word >= 0 else None
            if entry is None:
                return None
            node = entry
        return node


def read_arpa(path: str | Path) -> NGram:
    """The model of an ARPA file, also gzipped (.gz). Raises `UserError` that names the line which is not ARPA."""
    path, model, announced, section = Path(path), NGram(), Counter[int](), ""
    for number, line in _lines(path):
        try:
            if line.startswith("\\"):
                section = line
            elif line and section == "\\data\\":
                order, count = line.removeprefix("ngram").split("=")
                announced[int(order)] += int(count)
            elif line and section.endswith("-grams:"):
                size = int(section[1:].removesuffix("-grams:"))
                fields = re.split(r"[ \t]+", line)
                model.add(fields[1 : size + 1], *_numbers(fields[0], *fields[size + 1 :]))
                announced[size] -= 1
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"Line {number} of {path} is not ARPA.", ADVICE) from error
    if section != "\\end\\" or any(announced.values()):
        raise UserError(f"{path} is cut short, or is no n-gram model: it lacks n-grams that it announces.", ADVICE)
    return model


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield number, line.decode("utf-8").strip(" \t\r\n")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise UserError(f"Cannot read the language model {path}.", ADVICE) from error


def _numbers(log10: str, backoff: str = "0") -> tuple[float, float]:
    """The numbers of an n-gram. Raises `TypeError` for more fields than an n-gram has."""
    return float(log10), float(backoff)
