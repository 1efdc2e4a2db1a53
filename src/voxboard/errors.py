"""Errors of users: one sentence that says what is wrong, and what to do."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable


def printable(text: str, lines: bool = False) -> str:
    """Return text from outside as it may reach a terminal: control and format characters are written out.

    A newline or a tab becomes a space, or stays with `lines`. Names of files, records and utterances go through here
    before they are shown, since an escape sequence in one could recolor, retitle or rewrite what the reader sees.
    """
    if text.isprintable():
        return text
    return "".join(character if lines and character in "\n\t" else _shown(character) for character in text)


def _shown(character: str) -> str:
    if character in "\n\t":
        return " "
    if unicodedata.category(character) in _CONTROL:
        code = ord(character)
        return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    return character


_CONTROL = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class UserError(Exception):
    """A mistake of the user's, not of the code: the command line prints it without a traceback, exit code 2.

    `problem` says what is wrong in one sentence, `advice` what to do next.
    """

    def __init__(self, problem: str, advice: str = "") -> None:
        super().__init__(f"{problem} {advice}".strip())
        self.problem = problem
        self.advice = advice


class BadAudio(UserError):
    """An audio file that cannot be read or cannot be used; `--skip_bad_audio` counts and skips it."""


class Diverged(UserError):
    """A network whose numbers are none any more."""


def unknown(kind: str, name: str, names: Iterable[str]) -> UserError:
    """The error for a name that nothing is registered under, with the nearest matches."""
    options = sorted(set(names))
    folded = {option.lower(): option for option in options}
    near = [folded[match] for match in difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.5)]
    if near:
        advice = f"Did you mean {' or '.join(near)}?"
    elif options:
        advice = f"Known: {', '.join(options[:20])}{' …' if len(options) > 20 else ''}."
    else:
        advice = "None is registered."
    return UserError(f"Unknown {kind} {name!r}.", advice)


def first_line(error: Exception) -> str:
    """The first line of what an error says, its kind where it says nothing."""
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
