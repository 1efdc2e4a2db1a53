"""Command-line flags from the dataclasses that hold the settings, through tyro."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import field, fields, make_dataclass
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from voxboard import limits
from voxboard.cli.refusals import refusal
from voxboard.errors import UserError

T = TypeVar("T")
_REGISTRY = ConstructorRegistry()


@_REGISTRY.primitive_rule
def _paths(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Path] | None:
    """A path from a word that is not empty, which would be the current folder."""
    if info.type is not Path:
        return None
    return PrimitiveConstructorSpec(1, "PATH", _path, lambda value: isinstance(value, Path), lambda path: [str(path)])


def _path(words: Sequence[str]) -> Path:
    if not words[0]:
        raise ValueError("empty")
    return Path(words[0])


def parse(kind: type[T], argv: Sequence[str], *, prog: str, description: str) -> T:
    """Read `argv` into a dataclass, and check the range of every value.

    Raises `UserError` for an unknown flag, with the nearest names, and for a value that its field does not take.
    """
    if any("\0" in word for word in argv):
        raise UserError("A word of the command holds a NUL character.", "Leave it out.")
    errors = StringIO()
    try:
        with redirect_stderr(errors):
            args = tyro.cli(
                kind,
                args=list(argv),
                prog=f"voxboard {prog}",
                description=description,
                use_underscores=True,
                config=(tyro.conf.FlagCreatePairsOff,),
                registry=_REGISTRY,
            )
    except SystemExit as end:
        if not end.code:
            raise
        raise refusal(errors.getvalue(), argv, prog) from None
    positional = {name for name, hint in limits.hints(kind).items() if tyro.conf.Positional in get_args(hint)}
    limits.check(args, lambda name: name.upper() if name in positional else limits.flag(name))
    for name in positional:
        if "" in (value := getattr(args, name), *(value if isinstance(value, tuple) else ())):
            raise UserError(f"{name.upper()} is empty.", f"See voxboard {prog} --help.")
    return args


@contextmanager
def own_advice(kind: type) -> Iterator[None]:
    """Leave out of an error's advice what names flags that the command of these settings does not have."""
    try:
        yield
    except UserError as error:
        own = {f.name for f in fields(kind)}
        clauses = re.split(r",? or (?=[a-z])", error.advice.rstrip("."))
        usable = [clause for clause in clauses if set(re.findall(r"--(\w+)", clause)) <= own]
        if usable == clauses:
            raise
        advice = ", or ".join(usable)
        raise UserError(error.problem, f"{advice[:1].upper()}{advice[1:]}." if advice else "") from error


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
