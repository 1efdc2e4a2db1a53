"""Trusted code: what the user names on this command line, and what this user has trained runs with.

A part can be `path/to/file.py:Class`. Where such a name stands in data, in a run's `config.json` or a record, whoever
made the data could have put it there, beside any file. So a file runs when the words of the command name it, or when
its code is what the run kept the digest of *and* this user has named the same code on a command line before: those
digests are in a file of the user's own, because a run folder could hold any. Else the user says `--trust_code`; and
what lies below the cache, where copies of other people's runs are, never runs on the word of data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voxboard import code_digest
from voxboard.errors import UserError, printable
from voxboard.parts import Part
from voxboard.storage import cache, config

MARK = ".py:"  # what tells a file's class from a registered name
FLAGS = ("--trust_code", "--trust-code")


@dataclass
class Session:
    """Code that one command may run."""

    words: tuple[str, ...] | None = None  # of the command line; None: Python code names parts itself
    everything: bool = False  # --trust_code
    inert: str = ""  # a command that runs no user's code at all
    named: list[str] = field(default_factory=list)  # by files that are the user's program: grids
    granted: set[Path] = field(default_factory=set)


_sessions = [Session()]


@contextmanager
def command(words: Sequence[str]) -> Iterator[None]:
    """Let run what the words of a command name. A command within a command, as `verify` has, adds nothing."""
    if _now().words is not None:
        yield
        return
    _sessions.append(Session(tuple(words), any(word in FLAGS for word in words), named=list(_now().named)))
    try:
        yield
    finally:
        _sessions.pop()


def _now() -> Session:
    return _sessions[-1]


@contextmanager
def inert(command_: str) -> Iterator[None]:
    """Run no user's code within the block; `command_` is who promises that."""
    before, _now().inert = _now().inert, command_
    try:
        yield
    finally:
        _now().inert = before


def is_inert() -> bool:
    """Return whether no user's code may run now."""
    return bool(_now().inert)


def everything() -> bool:
    """Return whether the user said `--trust_code`."""
    return _now().everything


def name(*words: str) -> None:
    """Let run what a file of the user's own names, such as a grid."""
    _now().named += [word for word in words if MARK in word and word not in _now().named]


def split(part: str) -> tuple[str, str] | None:
    """Return the file and the class of `path/to/file.py:Class`; None for another name."""
    location, _, attribute = part.rpartition(":")
    return (location, attribute) if MARK in part else None


def is_gone(part: str) -> bool:
    """Return whether a part names a file that is not there."""
    pair = split(part)
    return pair is not None and not Path(pair[0]).exists()


def check(location: str) -> None:
    """Raise `UserError` where the file must not run in this command."""
    if _now().inert:
        raise UserError(
            f"{_now().inert} runs no code of yours, and {printable(location)} must run to tell its options.",
            "Give its class a Config of its own, whose fields can be read.",
        )
    path = Path(location)
    if _named(location):
        if _now().words is not None:
            remember(path)
        return
    if path.resolve() in _now().granted:
        return
    if _now().words is None:  # a Python program, which is the user's, names it
        remember(path)
        return
    _refuse_cached(path, "The data")
    if not _now().everything:
        raise _unknown(location, "The data")


def check_config(home: Path, parts: Iterable[tuple[str, Mapping[str, Any]]], digests: Mapping[str, Any]) -> None:
    """Raise `UserError` where a run's configuration names a file whose code may not run.

    `parts` are names and options, `digests` what the run kept: the file as it is named → digest of the code.
    """
    for location in sorted(locations(parts)):
        if _named(location):
            continue
        path, who = Path(location), f"The run {printable(home.name)}"
        _refuse_cached(path, who)
        if not _now().everything:
            _compare(path, location, who, digests)
        _now().granted.add(path.resolve())


def _compare(path: Path, location: str, who: str, digests: Mapping[str, Any]) -> None:
    if not path.is_file():
        raise UserError(
            f"{who} names code in {printable(location)}, which is not there.", "Start in the folder that has it."
        )
    expected, now = digests.get(location), code_digest.user_digest(path)
    if not isinstance(expected, str) or expected not in _remembered():
        raise _unknown(location, who)
    if expected != now:
        raise UserError(
            f"{who} was trained with other code than {printable(location)}, or what it imports, has now.",
            "Bring that code back, train again, or pass --trust_code.",
        )


def locations(parts: Iterable[tuple[str, Mapping[str, Any]]]) -> set[str]:
    """Return the files that parts name, those in their options included: `mlp(pooler='file.py:Class')`."""
    files: set[str] = set()
    for part, options in parts:
        for word in (part, *strings(options)):
            files |= _locations(word)
    return files


def _locations(word: str) -> set[str]:
    if MARK not in word and "(" not in word:
        return set()
    try:
        part = Part.parse(word)
    except UserError:
        return {word.rpartition(":")[0]} if MARK in word else set()
    inside = locations([("", part.options)])
    pair = split(part.name)
    return inside | ({pair[0]} if pair else set())


def strings(value: Any) -> Iterator[str]:
    """Return all texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from strings(key)
            yield from strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings(item)


def _named(location: str) -> bool:
    """True if the user's own words name the file."""
    pattern = re.compile(rf"(?:^|[\s=+(\[,'\"]){re.escape(location)}:")
    return any(pattern.search(word) for word in (*(_now().words or ()), *_now().named))


def _unknown(location: str, who: str) -> UserError:
    return UserError(
        f"{who} names code in {printable(location)}, and nothing here shows that it is yours.",
        "Read it; if you trust it, pass --trust_code.",
    )


def _refuse_cached(path: Path, who: str) -> None:
    """Raise `UserError` for a file below the cache: it came with somebody's data."""
    home = cache()
    if any(one.is_relative_to(root) for one in (path.absolute(), path.resolve()) for root in (home, home.resolve())):
        raise UserError(
            f"{who} names code below the cache folder, {printable(str(path))}, which never runs.",
            "Copy it to a folder of yours and name it on the command line, if you trust it.",
        )


def remember(path: Path) -> None:
    """Keep the digest of code that the user has named, for runs that were trained with it."""
    if not path.is_file():
        return
    digest = code_digest.user_digest(path)
    if digest in _remembered():
        return
    file = _own_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="ascii") as lines:
            lines.write(f"{digest}\n")
    except OSError:  # a home that cannot be written: --trust_code says it then
        return


def _remembered() -> frozenset[str]:
    try:
        return frozenset(_own_file().read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return frozenset()


def _own_file() -> Path:
    return config() / "code-of-mine"
