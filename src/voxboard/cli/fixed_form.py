"""The form of commands that `verify` runs: a record is data, and what its command says was written by anybody.

A command is `train DATA MODEL`, `eval DATA MODEL` or `score`, with flags that are spelled out and are settings of it.
Where results and copies go is `verify`'s own; a run is never gone on with.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from voxboard import benchmarks, systems, trust
from voxboard.cli.score import ScoreArgs
from voxboard.cli.train import TaskArgs
from voxboard.data.augmentation import Augmentation
from voxboard.errors import UserError, printable
from voxboard.parts import Part
from voxboard.records.portable import HIDDEN
from voxboard.settings import Eval, Evaluation, Weights
from voxboard.training.config import General, Training

VERBS = ("eval", "score", "train")
# Where things lie, and what is printed: the record's own words about these are dropped.
DROPPED = frozenset(
    {"records", "runs", "audio_root", "json", "outputs_mb", "cache", "cache_gb", "cache_frames", "trust_code"}
)
REFUSED = frozenset({"resume", "trackers"})
_FLAG = re.compile(r"--([A-Za-z][\w.-]*)(?:=(.*))?", re.DOTALL)
_NUMBER = re.compile(r"-(\d|\.\d|inf|nan).*")


def accepted(command: str) -> list[str]:
    """Return the words of a command behind `voxboard`, without those that are dropped.

    Raises `UserError` for a command of another form, and for one with code in a file that is not trusted.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise _refused(command, f"it is no command line ({error})") from error
    if len(words) < 2 or words[0] != "voxboard" or words[1] not in VERBS:
        raise UserError(
            f"The record's command cannot be run again: {printable(command) or 'it has none'}.",
            f"Commands of {', '.join(VERBS)} can.",
        )
    if any(HIDDEN in word for word in words):
        raise UserError("The record's command has a hidden secret.", "Run it by hand, then voxboard compare.")
    if (files := sorted(files_of(words))) and not trust.everything():
        raise UserError(
            f"The record's command runs code in {', '.join(map(printable, files))}.",
            "Read it; if you trust it, pass --trust_code.",
        )
    if any(word.startswith("pipe:") or "\0" in word for word in words):
        raise _refused(command, "a word in it is no path")
    groups = list(_groups(words[2:], command))
    flags = _known(words[1], [word for name, group in groups if not name for word in group], groups)
    for name, group in groups:
        if name:
            _check(name, group[0], flags, command)
    return [words[1], *(word for name, group in groups if name not in DROPPED for word in group)]


def files_of(words: Sequence[str]) -> set[str]:
    """Return the files with code that the words of a command name."""
    files: set[str] = set()
    for word in words:
        pieces = [piece for text in (word, word.partition("=")[2]) for piece in _pieces(text)]
        named = trust.locations((piece, {}) for piece in pieces)
        # However it is written, a word that names a class in a file is taken for that.
        files |= named or ({word.rpartition(":")[0]} if trust.MARK in word else set())
    return files


def _pieces(text: str) -> list[str]:
    """The parts of a system, where a word is one."""
    try:
        return systems.pieces(text)
    except UserError:
        return [text]


def _groups(words: Sequence[str], command: str) -> Iterator[tuple[str, list[str]]]:
    """The positional words under "", then each flag's name with its words."""
    name, group = "", []
    for word in words:
        match = _FLAG.fullmatch(word)
        if match is None and word.startswith("-") and not _NUMBER.fullmatch(word):
            raise _refused(command, f"{word} is no flag")
        if match is None:
            group.append(word)
            continue
        yield name, group
        name, group = match[1].replace("-", "_"), [word]
    yield name, group


def _known(verb: str, positional: Sequence[str], groups: Sequence[tuple[str, list[str]]]) -> frozenset[str]:
    """The names of all flags of a command. Raises `UserError` for parts that do not exist."""
    if verb == "score":
        if positional:
            raise UserError(f"The record's command has {printable(positional[0])} before its flags.", "score has none.")
        return _names(ScoreArgs)
    if len(positional) != 2 or any(len(word) > 4096 for word in positional):
        raise UserError("The record's command does not name DATA and MODEL.", f"Write: voxboard {verb} DATA MODEL …")
    return _settings(verb) | _task_options(positional, groups) | frozenset(_part_options(positional[1]))


def _settings(verb: str) -> frozenset[str]:
    own: tuple[Any, ...] = (General, Training, Augmentation) if verb == "train" else (Eval, Weights)
    return frozenset().union(*map(_names, (TaskArgs, *own, Evaluation)))


def _task_options(positional: Sequence[str], groups: Sequence[tuple[str, list[str]]]) -> frozenset[str]:
    """The settings of the tasks that the command can be about; a run's own task is among all of them."""
    tasks = [Part(name) for name in benchmarks.names()]
    tasks += [Part(word) for name, group in groups if name == "task" for word in _values(group)]
    return frozenset().union(*(benchmarks.REGISTRY.option_names(task.name) for task in tasks))


def _values(group: Sequence[str]) -> list[str]:
    first = group[0].partition("=")[2]
    return [*([first] if first else []), *group[1:]]


def _part_options(model: str) -> Iterator[str]:
    if model == "_":
        return
    for kind, part in systems.parse(model).parts():
        for name in systems.registry(kind).option_names(part.name):
            yield from (name, f"{kind}.{name}", f"{kind}_{name}")


def _names(kind: Any) -> frozenset[str]:
    return frozenset(f.name for f in fields(kind))


def _check(name: str, word: str, flags: frozenset[str], command: str) -> None:
    plain = re.sub(r"^(.*\.)?no_", r"\1", name)
    if name in REFUSED:
        raise _refused(command, f"verify never takes --{name}")
    if name not in flags | DROPPED and plain not in flags - DROPPED:
        raise _refused(command, f"{word.partition('=')[0]} is no setting of it")


def _refused(command: str, why: str) -> UserError:
    return UserError(
        f"The record's command is not one that verify runs, for {printable(why)}: {printable(command)}",
        "Read it, and run it by hand if you trust it.",
    )
