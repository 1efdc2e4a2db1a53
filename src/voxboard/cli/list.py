"""`voxboard list`: what there is, by name."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from voxboard.cli.parse import parse

Kind = Literal["all", "backbones", "poolers", "heads", "systems", "corpora"]


@dataclass(frozen=True)
class List:
    """What is listed."""

    kind: Kind = "all"
    """Only one kind."""
    json: bool = False
    """Print JSON."""


def main(argv: Sequence[str]) -> int:
    """Prints names and one-line summaries; imports no network code."""
    # `voxboard list backbones` reads better than --kind.
    words = ["--kind", *argv] if argv and not argv[0].startswith("-") else argv
    args = parse(List, words, prog="list", description="List backbones, poolers, heads, systems and corpora.")
    found = {kind: rows for kind, rows in catalogue().items() if args.kind in ("all", kind)}
    if args.json:
        json.dump(found, sys.stdout, indent=2)
        print()
        return 0
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    for kind, rows in found.items():
        table = Table(title=kind, title_justify="left", box=None, show_header=False, padding=(0, 2))
        table.add_column(style="bold", no_wrap=True)
        table.add_column()
        for name, summary in rows.items():
            table.add_row(Text(name), Text(summary))
        Console().print(table, "")
    return 0


def catalogue() -> dict[str, dict[str, str]]:
    """Kind → name → summary."""
    from voxboard import systems

    found: dict[str, dict[str, str]] = {}
    for kind in systems.KINDS:
        registry = systems.registry(kind)
        found[f"{kind}s"] = {name: registry.summary(name) for name in registry.names()}
    found["systems"] = {name: f"{system.summary} [{system.spec}]" for name, system in systems.named().items()}
    found["corpora"] = _corpora()
    return found


def _corpora() -> dict[str, str]:
    from voxboard.data.prepare import CORPORA, corpora_root

    root = corpora_root()
    ready = {path.parent.name for path in root.glob("*/corpus.json")} if root.is_dir() else set()
    known = {name: f"{entry.summary}{' (prepared)' if name in ready else ''}" for name, entry in CORPORA.items()}
    return known | dict.fromkeys(sorted(ready - set(known)), "prepared folder")
