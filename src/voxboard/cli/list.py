"""`voxboard list`: what there is, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from voxboard.cli.parse import parse
from voxboard.errors import UserError, unknown
from voxboard.screen import dumps, print

if TYPE_CHECKING:
    from rich.table import Table

    from voxboard.catalogue import PartLine

Kind = Literal["all", "backbones", "poolers", "heads", "systems", "benchmarks", "corpora"]


@dataclass(frozen=True)
class ListArgs:
    """Contents of the list."""

    kind: Kind = "all"
    """Only one kind."""
    seen: str = ""
    """Only backbones whose published weights have heard this corpus, e.g. VoxCeleb1 or VoxCeleb2/dev."""
    json: bool = False
    """Print JSON."""


def main(argv: Sequence[str]) -> int:
    """Print a table per kind: names, what they are, sizes, costs and parity; imports no network code."""
    # `voxboard list backbones` reads better than --kind.
    words = ["--kind", *argv] if argv and not argv[0].startswith("-") else argv
    args = parse(
        ListArgs, words, prog="list", description="List backbones, poolers, heads, systems, benchmarks and corpora."
    )
    tables = {kind: rows for kind, rows in catalogue().items() if args.kind in ("all", kind)}
    if args.seen:
        tables = {"backbones": _heard(tables.get("backbones", {}), args.seen)}
    if args.json:
        print(dumps(tables))
        return 0
    from voxboard.console import Console

    for kind, rows in tables.items():
        Console().print(_tasks(rows) if kind == "benchmarks" else _table(kind, rows), "")
    return 0


def _heard(rows: Mapping[str, dict[str, Any]], corpus: str) -> dict[str, dict[str, Any]]:
    """The backbones whose published weights have heard a corpus, or a split of it, with all that they have heard.

    Raises `UserError` for a corpus that the ledger does not know, and where none has heard it.
    """
    from voxboard import ledger, published

    (wanted, *_) = ledger.named([corpus])
    if wanted.partition("/")[0] not in ledger.CORPORA:
        raise unknown("corpus", corpus, list(ledger.CORPORA))
    heard: dict[str, dict[str, Any]] = {}
    for name, row in rows.items():
        seen = ledger.named(published.CATALOGUE[name].seen) if name in published.CATALOGUE else ()
        if any(one == wanted or one.startswith(f"{wanted}/") or wanted.startswith(f"{one}/") for one in seen):
            heard[name] = {**row, "summary": f"{row['summary']}; has heard {', '.join(seen)}", "seen": list(seen)}
    if not heard:
        raise UserError(f"No published weights that voxboard knows have heard {corpus}.", "See voxboard weights list.")
    return heard


def catalogue() -> dict[str, dict[str, dict[str, Any]]]:
    """Kind → name → what is known of it."""
    from voxboard import systems
    from voxboard.catalogue import KINDS, line, names, tasks

    kinds: dict[str, dict[str, dict[str, Any]]] = {}
    for kind in KINDS:
        lines = [line(kind, name) for name in names(kind)]
        kinds[f"{kind}s"] = {item.name: _known(item) for item in lines}
    for name, system in systems.named().items():
        kinds["systems"][name]["spec"] = system.spec
    kinds["benchmarks"] = {name: _task(name) for name in tasks.names()}
    kinds["corpora"] = {name: {"summary": summary} for name, summary in _corpora().items()}
    return kinds


def _task(name: str) -> dict[str, Any]:
    from voxboard.catalogue.tasks import line

    item = line(name)
    facts = {"summary": item.summary, "main_metric": item.main_metric, "shown": item.main, "corpus": item.corpus}
    return {"kind": item.kind, **facts, "task": item.task, "source": item.source}


def _known(item: PartLine) -> dict[str, Any]:
    costs = {key: item.size.get(key) for key in ("parameters", "multiply_adds")}
    pinned = {} if item.kind == "system" else {"parity": list(item.parity)}
    return {"summary": item.summary, **costs, **pinned, "source": item.source}


def _table(kind: str, rows: Mapping[str, Mapping[str, Any]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from voxboard.catalogue import UNKNOWN
    from voxboard.catalogue.render import GIVEN, billions, shortened

    measured, pinned = (any(key in row for row in rows.values()) for key in ("multiply_adds", "parity"))
    table = Table(title=kind, title_justify="left", box=None, show_header=measured, padding=(0, 2, 0, 0))
    table.add_column("name", style="bold", no_wrap=True)
    table.add_column("what it is")
    for title in ["parameters", "G", *(["parity"] if pinned else [])] if measured else []:
        table.add_column(title, justify="right", no_wrap=True)
    for name, row in rows.items():
        cells = [name, row["summary"]]
        if measured:
            cells += [shortened(row["parameters"]), billions(row["multiply_adds"])]
        if pinned:
            cells.append("yes" if row["parity"] else UNKNOWN)
        table.add_row(*map(Text, cells))
    if measured:
        table.caption, table.caption_justify = f"G: 10⁹ multiply-adds {GIVEN[kind.removesuffix('s')]}", "left"
    return table


def _tasks(rows: Mapping[str, Mapping[str, Any]]) -> Table:
    """Tasks, which take any corpus that has their labels, and cards."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title="benchmarks", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for title in ("name", "what is measured", "main metric", "corpus"):
        table.add_column(title, style="bold" if title == "name" else None, no_wrap=title == "name")
    for name, row in rows.items():
        what = row["summary"] if row["kind"] == "task" else f"{row['task']}: {row['summary']}"
        table.add_row(*map(Text, (name, what, row["shown"] or "–", row["corpus"])))
    return table


def _corpora() -> dict[str, str]:
    from voxboard.data import catalogue

    root = catalogue.corpora_root()
    ready = {path.parent.name for path in root.glob("*/corpus.json")} if root.is_dir() else set()
    names = {name: f"{catalogue.summary(name)}{' (prepared)' if name in ready else ''}" for name in catalogue.names()}
    return names | dict.fromkeys(sorted(ready - set(names)), "prepared folder")
