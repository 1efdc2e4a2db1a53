"""Facts of parts, tasks and cards as rows of text, for the terminal and for their pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxboard.catalogue import UNKNOWN, Facts, PartLine
from voxboard.catalogue.tasks import ANY, TaskFacts

if TYPE_CHECKING:
    from rich.console import RenderableType

BATCHING = {
    "exact": "exact: an utterance's frames do not depend on its batch mates",
    "equal-length": "equal-length: only utterances of one length share a batch in official numbers",
}
GIVEN = {
    "backbone": "for 3 s of audio",
    "pooler": "for 149 frames of 13 layers × 768 (3 s of a base transformer)",
    "head": "to predict from an embedding of 192 (149 frames of 768 where it reads frames), 1,000 classes or one value",
    "system": "for 3 s of audio, backbone and pooler",
}
UNITS = {"fraction": "%", "cost": "cost", "correlation": "–1 to 1"}
METRICS = ("metric", "id", "unit", "better", "meaning")


def shortened(number: int | None) -> str:
    """94381936 → 94.4M; three digits are kept."""
    if number is None:
        return UNKNOWN
    for unit, name in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if round(number / unit, 3) >= 1:
            digits = f"{number / unit:#.3g}"
            return f"{digits.rstrip('.')}{name}"
    return str(number)


def billions(number: int | None) -> str:
    """21200606208 → 21.2; three digits are kept."""
    if number is None:
        return UNKNOWN
    if 0 < number < 10**6:
        return "< 0.001"
    return f"{number / 10**9:.3g}" if number < 10**12 else f"{number / 10**9:,.0f}"


def rows(facts: Facts) -> list[tuple[str, str]]:
    """(title, text) of what is not an option."""
    size = facts.size
    rows = [("source", facts.source or UNKNOWN)]
    if facts.changed is not None:
        rows.append(("changed", facts.changed or "nothing"))
    parameters = f"{size['parameters']:,}" if size else UNKNOWN
    cost = f"{billions(size['multiply_adds'])} G multiply-adds {GIVEN[facts.kind]}" if size else UNKNOWN
    rows += [("parameters", parameters), ("cost", cost)]
    if "layers" in size:
        layers = "1 layer" if size["layers"] == 1 else f"{size['layers']} layers"
        often = f"{size['frames_per_second']:g} frames per second" if size["frames_per_second"] else "one frame"
        rows.append(("output", f"{often}, {layers} of {size['size']}"))
    if "embedding" in size:
        rows.append(("output", f"an embedding of {size['embedding']}"))
    if "batching" in size:
        rows.append(("batching", BATCHING[size["batching"]]))
        weights = f", published weights {facts.weights}" if facts.weights else ""
        rows.append(("licence", f"code {size['code_licence']}{weights}"))
    if facts.kind != "system":
        rows.append(("parity", parity(facts)))
    return rows


def columns(facts: Facts) -> tuple[str, str, str]:
    """Titles of the table of options."""
    return ("hyperparameter", "value", "meaning") if facts.kind == "system" else ("option", "default", "meaning")


def parity(line: PartLine) -> str:
    """Reference numbers that the tests compare with."""
    if not line.parity:
        return "not compared with a reference implementation"
    return f"equal to a reference's numbers, fixtures {', '.join(line.parity)}"


def rich(facts: Facts) -> RenderableType:
    """For the terminal."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    title = Text.assemble((f"{facts.kind} {facts.name}", "bold"), f": {facts.summary}")
    about = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, text in [(kind, text) for kind, _, text in facts.parts] + rows(facts):
        about.add_row(Text(name, "bold"), Text(text))
    table = Table(*columns(facts))
    for option in facts.options:
        table.add_row(Text(option.name), Text(option.default), Text(option.meaning))
    blocks: list[RenderableType] = [title, ""]
    if facts.description:
        blocks += [Text(facts.description), ""]
    blocks.append(about)
    if facts.options:
        blocks += ["", table]
    return Group(*blocks)


def task_rows(facts: TaskFacts) -> list[tuple[str, str]]:
    """(title, text) of what is neither a metric nor a setting."""
    about = [("task", facts.task), ("corpus", facts.corpus)] if facts.kind == "card" else []
    about += [("main metric", facts.main or UNKNOWN), ("head that it trains", facts.head)]
    return [*about, ("source", facts.source)] if facts.source else about


def metric_rows(facts: TaskFacts) -> list[list[str]]:
    """The rows of the table of metrics."""
    return [[m.name, f"`{m.id}`", UNITS.get(m.unit, m.unit), m.better, m.meaning] for m in facts.metrics]


def rich_task(facts: TaskFacts) -> RenderableType:
    """Return the task or card for the terminal."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    on = f" on {facts.corpus}" if facts.corpus != ANY else ""
    title = Text.assemble((f"{facts.kind} {facts.name}", "bold"), f": {facts.summary or facts.task + on}")
    about = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, text in task_rows(facts):
        about.add_row(Text(name, "bold"), Text(text))
    numbers = Table(*METRICS)
    for cells in metric_rows(facts):
        numbers.add_row(*(Text(cell.strip("`")) for cell in cells))
    settings = Table("setting", "default", "meaning")
    for option in facts.options:
        settings.add_row(Text(option.name), Text(option.default), Text(option.meaning))
    blocks: list[RenderableType] = [title, "", Text(facts.description), "", about, "", numbers]
    return Group(*blocks, "", settings) if facts.options else Group(*blocks)
