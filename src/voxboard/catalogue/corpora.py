"""Cards of corpora: what is in them, their license, how to get them, and what is prepared of them here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voxboard.data import catalogue
from voxboard.data.corpus import DESCRIPTION, Corpus

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class CorpusFacts:
    """Facts about a corpus that has a recipe."""

    kind: str  # "corpus"
    name: str
    summary: str
    holds: str  # "utterances" or "recordings"
    licence: str
    source: str
    how_to_get: str
    aliases: tuple[str, ...] = ()
    prepared: Mapping[str, Mapping[str, float]] | None = None  # split → counts; None where it is not prepared


def facts(name: str) -> CorpusFacts:
    """Return the card of a corpus by the name of its recipe. Raises `UserError` for one that is not there."""
    recipe = catalogue.recipe(name)
    folder = catalogue.corpora_root() / catalogue.title(name)
    ready = (folder / DESCRIPTION).is_file()
    return CorpusFacts(
        "corpus",
        name,
        recipe.summary,
        recipe.kind,
        recipe.licence,
        recipe.source,
        catalogue.how_to_get(name),
        recipe.aliases,
        Corpus.open(folder).info.counts if ready else None,
    )


def rows(facts: CorpusFacts) -> list[tuple[str, str]]:
    """Return what the card says, as titles and texts."""
    cells = [("holds", facts.holds), ("licence", facts.licence)]
    cells += [("source", facts.source)] if facts.source else []
    cells += [("also called", ", ".join(facts.aliases))] if facts.aliases else []
    if facts.prepared is None:
        return [*cells, ("not prepared", facts.how_to_get)]
    counts = (f"{split}: {_shown(numbers)}" for split, numbers in facts.prepared.items())
    return [*cells, ("prepared", "; ".join(counts))]


def _shown(numbers: Mapping[str, float]) -> str:
    return ", ".join(
        f"{number:,.2f} h" if name == "hours" else f"{number:,} {name}" for name, number in numbers.items()
    )


def rich(facts: CorpusFacts) -> RenderableType:
    """Return the card for the terminal."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    title = Text.assemble((f"{facts.kind} {facts.name}", "bold"), f": {facts.summary}")
    about = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, text in rows(facts):
        about.add_row(Text(name, "bold"), Text(text))
    return Group(title, "", about)
