"""Differences between two boards, from their JSON: numbers, cells that came, went, or failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Key = tuple[str, str, str, str]  # benchmark, protocol, id of the system, column


@dataclass(frozen=True)
class BoardEntry:
    """One place of a board, as far as it does not depend on how long something took."""

    benchmark: str
    system: str  # name, corpus, seed, variant
    metric: str
    text: str  # the number with its interval, as it is shown
    value: tuple[float | None, ...] = ()  # value, low, high
    reason: str = ""  # why there is no number

    @property
    def shown(self) -> str:
        return self.text or self.reason


def entries(board: Mapping[str, Any]) -> dict[Key, BoardEntry]:
    """The places of a board's JSON where something was run."""
    names = {system["id"]: _name(system) for system in board["systems"]}
    places = {}
    for cell in board["cells"]:
        if cell["status"] == "not run":
            continue
        key = cell["benchmark"], cell["protocol"], cell["system"], cell.get("column", cell["metric"])
        numbers = (cell["value"], cell["low"], cell["high"])
        name = names[cell["system"]]
        places[key] = BoardEntry(cell["benchmark"], name, cell["label"], cell["text"], numbers, cell["reason"])
    return places


def changes(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> str:
    """The text of changes.md; `old` is None where there was no board."""
    before, after = entries(old) if old else {}, entries(new)
    came = [after[key] for key in after if key not in before]
    went = [before[key] for key in before if key not in after]
    both = [(before[key], after[key]) for key in after if key in before]
    moved = [pair for pair in both if (pair[0].value, pair[0].reason) != (pair[1].value, pair[1].reason)]
    since = f"from {old['data_date']} to {new['data_date']}" if old else f"the first, of {new['data_date']}"
    lines = ["# Changes", "", f"Board {since}: {len(after)} numbers.", ""]
    lines += _table("Changed", ("Before", "After"), [(b, (a.shown, b.shown)) for a, b in moved])
    lines += _table("New", ("Number",), [(entry, (entry.shown,)) for entry in came])
    lines += _table("Gone", ("Number",), [(entry, (entry.shown,)) for entry in went])
    if not (came or went or moved):
        lines += ["No number has changed."]
    return "\n".join(lines).rstrip() + "\n"


def _table(title: str, columns: Sequence[str], rows: Iterable[tuple[BoardEntry, tuple[str, ...]]]) -> list[str]:
    from voxboard.boards.markdown import escape

    texts = [
        [*map(escape, (entry.benchmark, entry.system, entry.metric)), *(escape(text) for text in shown)]
        for entry, shown in rows
    ]
    if not texts:
        return []
    head = ["Benchmark", "System", "Metric", *columns]
    table = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *texts)]
    return [f"## {title}: {len(texts)}", "", *table, ""]


def _name(system: Mapping[str, Any]) -> str:
    parts = (system["name"], system["variant"], system["trained_on"], f"seed {system['seed']}")
    return ", ".join(part for part in parts if part)
