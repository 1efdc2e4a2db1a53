"""`voxboard show NAME`: one part, system, task, card, corpus or run in detail."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from voxboard.cli.parse import parse
from voxboard.errors import unknown
from voxboard.screen import dumps, print

if TYPE_CHECKING:
    from voxboard.catalogue import Facts
    from voxboard.catalogue.corpora import CorpusFacts
    from voxboard.catalogue.tasks import TaskFacts


@dataclass(frozen=True)
class Show:
    """Name of the part to be shown."""

    name: tyro.conf.Positional[str]
    """A backbone, pooler, head, system, task, card, corpus, or the name of a run."""
    runs: Path = Path("results/runs")
    """Where runs are looked for."""
    json: bool = False
    """Print JSON: a list of everything with that name."""


def main(argv: Sequence[str]) -> int:
    """Print everything that is known under a name."""
    args = parse(Show, argv, prog="show", description="Show one part, system, task, card, corpus or run in detail.")
    lines = list(_known(args.name))
    run = args.runs / args.name / "config.json"
    config: dict[str, Any] | None = json.loads(run.read_text(encoding="utf-8")) if run.is_file() else None
    if not lines and config is None:
        raise unknown("name", args.name, _names())
    if args.json:
        print(dumps([*map(asdict, lines), *([] if config is None else [config])]))
        return 0
    from voxboard.catalogue import corpora, render
    from voxboard.catalogue.tasks import TaskFacts
    from voxboard.console import Console

    for facts in lines:
        if isinstance(facts, corpora.CorpusFacts):
            shown = corpora.rich(facts)
        else:
            shown = render.rich_task(facts) if isinstance(facts, TaskFacts) else render.rich(facts)
        Console().print(shown, "")
    if config is not None:
        Console().print(json.dumps(config, indent=2), "")
    return 0


def _names() -> list[str]:
    from voxboard.catalogue import KINDS, names, tasks
    from voxboard.data import catalogue

    return [name for kind in KINDS for name in names(kind)] + tasks.names() + catalogue.names()


def _known(name: str) -> Iterator[Facts | TaskFacts | CorpusFacts]:
    from voxboard.catalogue import KINDS, corpora, facts, names, tasks
    from voxboard.data import catalogue

    for kind in reversed(KINDS):  # a system first
        for entry in names(kind):
            if entry == name or (kind == "system" and entry.lower() == name.lower()):
                yield facts(kind, entry)
    for entry in tasks.names():
        if entry.lower() == name.lower():
            yield tasks.facts(entry)
    if corpus := catalogue.known_name(name):
        yield corpora.facts(corpus)
