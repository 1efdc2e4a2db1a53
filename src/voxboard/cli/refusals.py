"""tyro's refusals of words that it cannot read, as one sentence and what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from voxboard.errors import UserError, printable

_FRAME = re.compile(r"^│|│$|^[\s│╭╰╮╯─-]+$")  # drawn in ASCII where the terminal has no more
_KINDS = (("INT", "whole numbers", "a whole number"), ("FLOAT", "numbers", "a number"), ("PATH", "paths", "a path"))


def refusal(text: str, argv: Sequence[str], prog: str) -> UserError:
    """The error for a command line; `text` is what tyro printed, in a frame."""
    lines = [line for line in (_FRAME.sub("", line).strip() for line in text.strip().splitlines()[1:]) if line]
    message, see = " ".join(lines), f"See voxboard {prog} --help."
    if match := re.match(r"Error parsing (\S+):", message):
        return _bad_value(match[1], lines, argv, see)
    if match := re.match(r"Unrecognized options: (\S+?),?(?:\s|$)", message):
        return _unknown(match[1], message, see)
    if match := re.match(r"Missing value for argument '(\S+?)'\. Expected (\d+)", message):
        return UserError(f"{_typed(match[1])} needs {'a value' if match[2] == '1' else f'{match[2]} values'}.", see)
    if match := re.match(r"invalid choice (.*?) for argument '(\S+?)'. Expected one of \((.*?)\)", message):
        return UserError(
            f"{_typed(match[2])} is {match[1]}.", f"Give one of {match[3].replace(chr(39), '').rstrip(',')}."
        )
    if "Missing from" in message:
        missing = re.findall(r"^[│ ] {5}(\S+)", text.partition("For full")[0], re.MULTILINE)
        return UserError(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing.", see)
    return UserError(printable(message.partition(" For full helptext")[0]).rstrip(".") + ".", see)


def _typed(flag: str) -> str:
    """A flag of a part as people write it."""
    return f"--{flag.rpartition('.')[2]}" if "." in flag else flag


def _bad_value(flag: str, lines: Sequence[str], argv: Sequence[str], see: str) -> UserError:
    value, name = _value_of(flag, argv), _typed(flag)
    shape = next((line.partition(" ")[2] for line in lines if line.startswith(f"{flag} ")), "")
    if value == "":
        return UserError(f"{name} is empty.", "Give a value, or leave it out.")
    for word, several, one in _KINDS:
        if word in shape:
            return UserError(f"{name} is {printable(repr(value))}.", f"Give {several if '[' in shape else one}.")
    return UserError(f"{name} is {printable(repr(value))}.", see)


def _value_of(flag: str, argv: Sequence[str]) -> str:
    """The words behind a flag, in either spelling; one that is alone where it is a positional word."""
    for place, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if name.replace("-", "_") == flag.replace("-", "_"):
            values = []
            for following in argv[place + 1 :]:
                if following.startswith("--"):
                    break
                values.append(following)
            return value if equals else " ".join(values)
    return argv[0] if argv else ""


def _unknown(word: str, message: str, see: str) -> UserError:
    if not word.startswith("-"):
        return UserError(f"{printable(repr(word))} stands where no word belongs.", see)
    near = [
        name for name in re.findall(r"(?<=\s)--[\w.]+", message.partition("Perhaps you meant")[2]) if name != "--help"
    ]
    advice = f"Did you mean {' or '.join(dict.fromkeys(near))}?" if near else see
    return UserError(f"Unknown option {printable(word)}.", advice)
