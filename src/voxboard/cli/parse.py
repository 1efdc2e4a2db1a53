"""Command-line flags from the dataclasses that hold the settings, through tyro."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import field, fields, is_dataclass, make_dataclass
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

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


@_REGISTRY.primitive_rule
def _mappings(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Mapping[str, str]] | None:
    """A mapping from any number of words `OURS=THEIRS`."""
    if info.type is not Mapping and get_origin(info.type) is not Mapping:
        return None
    return PrimitiveConstructorSpec(
        "*", "[OURS=THEIRS [OURS=THEIRS ...]]", _mapping, lambda value: isinstance(value, Mapping), _pairs
    )


def _mapping(words: Sequence[str]) -> Mapping[str, str]:
    for word in words:
        if "=" not in word:
            raise UserError(f"--columns {word} is not OURS=THEIRS.", "Write e.g. --columns file=path speaker=who")
    return {ours: theirs for ours, _, theirs in (word.partition("=") for word in words)}


def _pairs(mapping: Mapping[str, str]) -> list[str]:
    return [f"{ours}={theirs}" for ours, theirs in mapping.items()]


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
                args=_plain_switches(argv, dict(_switches(kind))),
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


def _switches(kind: Any, prefix: str = "") -> Iterator[tuple[str, bool]]:
    """The flags of a dataclass that are on or off, with their defaults."""
    for f in fields(kind):
        if is_dataclass(f.default):
            bare = tyro.conf.OmitArgPrefixes in get_args(limits.hints(kind).get(f.name))
            yield from _switches(f.default, prefix if bare else f"{f.name}.")
        elif isinstance(f.default, bool):
            value = f.default if isinstance(kind, type) else getattr(kind, f.name)
            yield f"{prefix}{f.name}", value


def _plain_switches(argv: Sequence[str], switches: Mapping[str, bool]) -> list[str]:
    """`--flag True`, `--flag=False`, `--flag` and `--no_flag` as the one spelling that tyro takes, or none."""
    words, rest = [], list(argv)
    while rest:
        word = rest.pop(0)
        match = re.fullmatch(r"--((?:\w+\.)?)(no[-_])?([\w-]+?)(?:=(\w+))?", word)
        name = f"{match[1]}{match[3].replace('-', '_')}" if match else ""
        if match is None or name not in switches:
            words.append(word)
            continue
        given = match[4] or (rest.pop(0) if rest and rest[0].lower() in ("true", "false") else "true")
        if given.lower() not in ("true", "false"):
            raise UserError(f"--{name} is {given!r}.", "Give True or False, or nothing.")
        wanted = (given.lower() == "true") != bool(match[2])
        if wanted != switches[name]:
            words.append(f"--{match[1]}{'' if wanted else 'no_'}{name.rpartition('.')[2]}")
    return words


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


ALL = "--help_all"


def helped(argv: Sequence[str], flat: Mapping[str, Any], first: Collection[str]) -> tuple[list[str], dict[str, Any]]:
    """Select the flat settings that `--help` (those in `first`) or `--help_all` (all of them) shows.

    Returns the words and the settings to parse them with; they differ from those given only where help is asked for.
    """
    words = ["--help" if word.replace("-", "_") == ALL.replace("-", "_") else word for word in argv]
    if words != list(argv) or not {"-h", "--help"} & set(argv):
        return words, dict(flat)
    return words, {key: _showing(default, first) for key, default in flat.items()}


def _showing(settings: Any, first: Collection[str]) -> Any:
    """The same settings, whose other fields the help leaves out."""
    hidden = [f for f in fields(settings) if f.name not in first]
    hints = limits.hints(type(settings))
    suppressed: Any = tyro.conf.Suppress
    members = [(f.name, suppressed[hints[f.name]], field(default=f.default)) for f in hidden]
    kind = make_dataclass(type(settings).__name__, members, bases=(type(settings),), frozen=True)
    return kind(**{f.name: getattr(settings, f.name) for f in fields(settings)})


def qualify(argv: Sequence[str], flat: Mapping[str, Any], parts: Mapping[str, Any]) -> list[str]:
    """Write out the flags of parts: `--conv_dim 64` or `--pooler_conv_dim 64` become `--pooler.conv_dim 64`.

    A flag whose name two parts share needs the part's name in front.
    """
    plain = {f.name for default in flat.values() for f in fields(default)}
    dotted = [f"{part}.{f.name}" for part, default in parts.items() for f in fields(default)]
    return [_qualified(word, plain, dotted) for word in argv]


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
