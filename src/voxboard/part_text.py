"""Syntax of a system: pieces joined by plus signs, options in brackets, values that need no quotation marks.

    hf:/data/wavlm-base(depth=6, normalize=yes)+mean
    whisper(cfg=openai/whisper-tiny, use_pretrain=True)+statistics

Numbers, True, False, None, lists, tuples and quoted texts are Python's literals; every other value is a text as it
stands. Separators inside brackets or quotation marks separate nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

_OPENS, _CLOSES = "([{", ")]}"
_BEFORE_QUOTE = "=,:+([{ \t\n"  # a quotation mark opens a text only behind one of these: /data/it's has none


def split(text: str, separator: str) -> list[str]:
    """The pieces between the separators that stand outside brackets and quotation marks.

    Raises ValueError for a bracket or a quotation mark that is not closed.
    """
    pieces, start, depth = [], 0, 0
    for place, character in _outside_quotes(text):
        if character in _OPENS and (depth or character == "(" or separator == ","):
            depth += 1
        elif character in _CLOSES and depth:
            depth -= 1
        elif character == separator and not depth:
            pieces.append(text[start:place])
            start = place + 1
    if depth:
        raise ValueError("a bracket is not closed")
    return [*pieces, text[start:]]


def name_and_options(text: str) -> tuple[str, str | None]:
    """`name(inside)` → its name and what stands in the brackets at its end, None without.

    Brackets in a path belong to it: `hf:/data/run (1)` has no options.
    """
    text = text.strip()
    start = _last_bracket(text)
    if start is None:
        return unquoted(text), None
    inside = text[start + 1 : -1]
    if inside.strip() and "=" not in inside and (":" in text[:start] or "/" in text[:start]):
        return unquoted(text), None
    return unquoted(text[:start].strip()), inside


def options(inside: str) -> dict[str, Any]:
    """`key=value, …` → the options. Raises ValueError for anything else."""
    made: dict[str, Any] = {}
    pieces = split(inside, ",")
    if len(pieces) > 1 and not pieces[-1].strip():  # a comma at the end, as Python has it
        pieces.pop()
    for piece in pieces:
        match = re.fullmatch(r"\s*([A-Za-z_]\w*)\s*=(.*)", piece, re.DOTALL)
        if match is None or match[1] in made:
            raise ValueError("only key=value, each key once")
        made[match[1]] = value(match[2].strip())
    return made


def value(text: str) -> Any:
    """A literal, or the text as it stands. Raises ValueError for none, and for what looks like a broken number."""
    if not text:
        raise ValueError("no value")
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        pass
    if text[0] in "[(" and len(text) > 1 and text[-1] == _CLOSES[_OPENS.index(text[0])]:
        items = [value(item.strip()) for item in split(text[1:-1], ",") if item.strip()]
        return items if text[0] == "[" else tuple(items)
    if text[0] in "'\"" and len(text) > 1 and text[-1] == text[0]:
        return text[1:-1]  # no literal, as "C:\Users" is none
    if text[0] in "[({'\"" or not re.search(r"[^\W\d_]|[/~.]$|[/\\]", text):
        raise ValueError("neither a literal nor a text")
    return text


def quoted(name: str) -> str:
    """A name as it must be written to be read back: in quotation marks where it holds a plus sign, say."""
    prefix, colon, rest = name.partition(":")
    awkward = set("+()'\"")
    if not awkward & set(name):
        return name
    return f"{prefix}:{rest!r}" if colon and not awkward & set(prefix) else repr(name)


def unquoted(name: str) -> str:
    """The reverse of `quoted`."""
    prefix, colon, rest = name.partition(":")
    for before, text in (("", name), (prefix + colon, rest)):
        if len(text) > 1 and text[0] in "'\"" and text[-1] == text[0]:
            return before + str(value(text))
    return name


def _outside_quotes(text: str) -> Iterator[tuple[int, str]]:
    """Each character that stands in no quoted text, with its place. Raises ValueError for an open quotation mark."""
    quote, escaped = "", False
    for place, character in enumerate(text):
        if quote:
            if character == quote and not escaped:
                quote = ""
            escaped = character == "\\" and not escaped
        elif character in "'\"" and (place == 0 or text[place - 1] in _BEFORE_QUOTE):
            quote, escaped = character, False
        else:
            yield place, character
    if quote:
        raise ValueError("a quotation mark is not closed")


def _last_bracket(text: str) -> int | None:
    """Position of the bracket that closes at the end of a text; None if none does."""
    opened: list[int] = []
    for place, character in _outside_quotes(text):
        if character == "(":
            opened.append(place)
        elif character == ")" and opened:
            start = opened.pop()
            if place == len(text) - 1:
                return start
    return None
