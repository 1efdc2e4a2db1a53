"""Command-line flags from the dataclasses that hold the settings, through tyro."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import field, fields, make_dataclass
from typing import Annotated, Any, TypeVar

import tyro

from voxboard.screen import print

T = TypeVar("T")


def parse(kind: type[T], argv: Sequence[str], *, prog: str, description: str) -> T:
    """Reads `argv` into a dataclass. An unknown flag ends the program with exit code 2 and the nearest names."""
    with _printable_errors(argv):
        return tyro.cli(
            kind,
            args=list(argv),
            prog=f"voxboard {prog}",
            description=description,
            use_underscores=True,
            config=(tyro.conf.FlagCreatePairsOff,),
        )


@contextmanager
def _printable_errors(argv: Sequence[str]) -> Iterator[None]:
    """Write out control characters where tyro repeats a word, such as the name of a file that a shell filled in."""
    if all(map(str.isprintable, argv)):
        yield
        return
    messages = io.StringIO()
    try:
        with redirect_stdout(messages), redirect_stderr(messages):  # both, so that it does not color them
            yield
    finally:
        print(messages.getvalue(), end="", file=sys.stderr)


def combine(
    name: str, positionals: Sequence[tuple[str, str]], flat: Mapping[str, Any], parts: Mapping[str, Any]
) -> type:
    """A dataclass of several: positional words with their help, `flat` ones whose flags have no prefix, and `parts`.

    The instances given are the defaults.
    """
    members: list[Any] = [
        (word, Annotated[str, tyro.conf.Positional, tyro.conf.arg(help=text, metavar=word.upper())])
        for word, text in positionals
    ]
    for key, default in flat.items():
        members.append((key, tyro.conf.OmitArgPrefixes[type(default)], field(default=default)))  # type: ignore[misc]
    for key, default in parts.items():
        members.append((key, type(default), field(default=default)))
    return make_dataclass(name, members, frozen=True)


def qualify(argv: Sequence[str], flat: Mapping[str, Any], parts: Mapping[str, Any]) -> list[str]:
    """Writes out the flags of parts: `--conv_dim 64` or `--pooler_conv_dim 64` become `--pooler.conv_dim 64`.

    A flag whose name two parts share needs the part's name in front.
    """
    plain = {f.name for default in flat.values() for f in fields(default)}
    dotted = [f"{part}.{f.name}" for part, default in parts.items() for f in fields(default)]
    words = [_qualified(word, plain, dotted) for word in argv]
    idle = {_flag(part, f.name, getattr(default, f.name)) for part, default in parts.items() for f in fields(default)}
    # tyro knows only the flag that changes a default; saying the default is no mistake.
    return [word for word, after in zip(words, [*words[1:], ""], strict=True) if word not in idle or after in _VALUES]


_VALUES = ("True", "False")


def _flag(part: str, name: str, value: Any) -> str:
    """The flag that sets a switch to this value; empty for what is no switch."""
    return f"--{part}.{'' if value else 'no_'}{name}" if isinstance(value, bool) else ""


def _qualified(word: str, plain: set[str], dotted: list[str]) -> str:
    match = re.fullmatch(r"--(no[-_])?([A-Za-z][\w-]*)(=.*)?", word, re.DOTALL)
    if match is None:
        return word
    negation, name, value = match.groups()
    name = name.replace("-", "_")
    owners = [flag for flag in dotted if name in (flag.partition(".")[2], flag.replace(".", "_"))]
    if name in plain or len(owners) != 1:
        return word
    part, _, leaf = owners[0].partition(".")
    return f"--{part}.{'no_' if negation else ''}{leaf}{value or ''}"
