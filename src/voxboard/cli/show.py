"""`voxboard show NAME`: one part, system or run in detail."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from voxboard.cli.parse import parse
from voxboard.errors import unknown

if TYPE_CHECKING:
    from rich.console import RenderableType

    from voxboard.systems import System


@dataclass(frozen=True)
class Show:
    """What is shown."""

    name: tyro.conf.Positional[str]
    """A backbone, pooler, head, system, or the name of a run."""
    runs: Path = Path("results/runs")
    """Where runs are looked for."""


def main(argv: Sequence[str]) -> int:
    """Prints everything that is known under a name."""
    args = parse(Show, argv, prog="show", description="Show one part, system or run in detail.")
    from rich.console import Console

    found = list(_found(args.name, args.runs))
    if not found:
        raise unknown("name", args.name, _names())
    for item in found:
        Console().print(item, "")
    return 0


def _names() -> list[str]:
    from voxboard import systems

    return [*systems.named(), *(name for kind in systems.KINDS for name in systems.registry(kind).names())]


def _found(name: str, runs: Path) -> Iterator[RenderableType]:
    from voxboard import systems

    for system in systems.named().values():
        if system.name.lower() == name.lower():
            yield _system(system)
    for kind in systems.KINDS:
        if name in systems.registry(kind).names():
            yield _part(kind, name)
    if (runs / name / "config.json").is_file():
        yield json.dumps(json.loads((runs / name / "config.json").read_text()), indent=2)


def _system(system: System) -> RenderableType:
    from rich.table import Table

    table = Table(title=system.name, title_justify="left", show_header=False, box=None)
    table.add_row("summary", system.summary)
    for kind, part in system.parts():
        table.add_row(kind, str(part))
    table.add_row("training", ", ".join(f"{key}={value}" for key, value in system.training.items()))
    table.add_row("source", system.source)
    table.add_row("changed", system.changed or "nothing")
    return table


def _part(kind: str, name: str) -> RenderableType:
    from rich.console import Group
    from rich.table import Table

    from voxboard import systems

    registry = systems.registry(kind)
    cls, fixed = registry.resolve(name)
    table = Table(
        "option", "default", "meaning", title=f"{kind} {name}: {registry.summary(name)}", title_justify="left"
    )
    meanings = _field_docs(cls.Config)
    for item in fields(cls.Config):
        default = fixed.get(item.name, item.default if item.default is not MISSING else "")
        table.add_row(item.name, repr(default), meanings.get(item.name, ""))
    return Group(table, inspect.getdoc(cls) or "")


def _field_docs(config: type[Any]) -> dict[str, str]:
    """The string under each field, which is also the flag's help."""
    import ast
    import textwrap

    (node,) = ast.parse(textwrap.dedent(inspect.getsource(config))).body
    assert isinstance(node, ast.ClassDef)
    found: dict[str, str] = {}
    for before, after in zip(node.body, node.body[1:], strict=False):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and isinstance(after, ast.Expr):
            found[before.target.id] = " ".join(str(ast.literal_eval(after.value)).split())
    return found
