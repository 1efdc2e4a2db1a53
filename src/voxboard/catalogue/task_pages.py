"""Tasks and cards as rows of text: for the terminal, and as the pages of `docs/parts/benchmarks`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxboard import benchmarks
from voxboard.catalogue import UNKNOWN
from voxboard.catalogue.pages import GENERATED, sentence, table
from voxboard.catalogue.tasks import ANY, TaskFacts, TaskLine, facts, line

if TYPE_CHECKING:
    from rich.console import RenderableType

ABOUT = (
    "A task says what is measured, by which metrics, and what training and validation have to do with it. "
    "A card is a task on a corpus, with its settings: what `voxboard train` and `eval` take as DATA."
)
UNITS = {"fraction": "%", "cost": "cost", "correlation": "–1 to 1"}


def pages() -> dict[str, str]:
    """Path below docs/parts → Markdown."""
    tasks = [name for name in benchmarks.names() if benchmarks.REGISTRY.entry(name)]
    known = [*tasks, *benchmarks.cards()]
    return {"benchmarks/index.md": index([line(name) for name in known])} | {
        f"benchmarks/{name}.md": page(facts(name)) for name in known
    }


def index(lines: list[TaskLine]) -> str:
    """The tables of tasks and cards."""
    content = [GENERATED, "", "# Benchmarks", "", ABOUT, ""]
    tasks = [[f"[{item.name}]({item.name}.md)", item.summary, item.main] for item in lines if item.kind == "task"]
    content += ["## Tasks", "", *table(["name", "what is measured", "main metric"], tasks), ""]
    cards = [
        [f"[{item.name}]({item.name}.md)", item.summary, item.task, item.corpus, item.main]
        for item in lines
        if item.kind == "card"
    ]
    if cards:
        head = ["name", "what it is", "task", "corpus", "main metric"]
        content += ["## Cards", "", *table(head, cards), ""]
    return "\n".join(content)


def page(known: TaskFacts) -> str:
    """The page of one task or card."""
    content = [GENERATED, "", f"# {known.name}", "", sentence(known.summary), ""]
    if known.description:
        content += [sentence(known.description), ""]
    content += [*table(["", ""], [[name, text] for name, text in rows(known)]), ""]
    content += ["## Metrics", "", "The first one ranks.", "", *table([*METRICS], metrics(known)), ""]
    if known.options:
        settings = [[f"`{option.name}`", f"`{option.default}`", option.meaning] for option in known.options]
        content += ["## Settings", "", *table(["setting", "default", "meaning"], settings), ""]
    return "\n".join([*content, "## Try it", "", "```sh", *commands(known), "```", ""])


METRICS = ("metric", "id", "unit", "better", "meaning")


def metrics(known: TaskFacts) -> list[list[str]]:
    """The rows of the table of metrics."""
    return [[m.name, f"`{m.id}`", UNITS.get(m.unit, m.unit), m.better, m.meaning] for m in known.metrics]


def rows(known: TaskFacts) -> list[tuple[str, str]]:
    """(title, text) of what is neither a metric nor a setting."""
    found = [("task", known.task), ("corpus", known.corpus)] if known.kind == "card" else []
    found += [("main metric", known.main or UNKNOWN), ("head that it trains", known.head)]
    return [*found, ("source", known.source)] if known.source else found


def commands(known: TaskFacts) -> list[str]:
    """What can be typed next."""
    if known.kind == "card":
        return [f"voxboard show {known.name}", f"voxboard eval {known.name} _ --eval_path RUN"]
    data = {"diarization": "Voices-meetings", "identification": "Voices-sessions"}.get(known.name, "Voices")
    return [f"voxboard show {known.name}", f"voxboard eval {data} _ --eval_path RUN --task {known.name}"]


def rich(known: TaskFacts) -> RenderableType:
    """For the terminal."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    on = f" on {known.corpus}" if known.corpus != ANY else ""
    title = Text.assemble((f"{known.kind} {known.name}", "bold"), f": {known.summary or known.task + on}")
    about = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, text in rows(known):
        about.add_row(Text(name, "bold"), Text(text))
    numbers = Table(*METRICS)
    for cells in metrics(known):
        numbers.add_row(*(Text(cell.strip("`")) for cell in cells))
    settings = Table("setting", "default", "meaning")
    for option in known.options:
        settings.add_row(Text(option.name), Text(option.default), Text(option.meaning))
    blocks: list[RenderableType] = [title, "", Text(known.description), "", about, "", numbers]
    return Group(*blocks, "", settings) if known.options else Group(*blocks)
