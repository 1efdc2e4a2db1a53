"""The pages of `docs/parts`: one per part, system, task and card, and a table per kind."""

from __future__ import annotations

from voxboard import benchmarks
from voxboard.catalogue import KINDS, REGENERATE, UNKNOWN, Facts, PartLine, facts, line, tasks
from voxboard.catalogue.measure import catalogued
from voxboard.catalogue.render import GIVEN, METRICS, billions, columns, metric_rows, rows, shortened, task_rows
from voxboard.catalogue.tasks import TaskFacts, TaskLine
from voxboard.systems import named

WHAT = {
    "backbone": "A backbone turns audio into layered frames.",
    "pooler": "A pooler turns the layered frames of an utterance into one embedding.",
    "head": "A head turns embeddings and labels into a loss; verification leaves it behind.",
    "system": "A system is a backbone, a pooler and a head with the hyperparameters that train it.",
}
COUNTED = (
    "Multiply-adds are those of matrix products, convolutions and attention; Fourier transforms, recurrent layers, "
    "norms, activations and other element-wise work are not counted."
)
TASKS_AND_CARDS = (
    "A task says what is measured, by which metrics, and what training and validation have to do with it. "
    "A card is a task on a corpus, with its settings: what `voxboard train` and `eval` take as DATA."
)
GENERATED = f"<!-- Written by `{REGENERATE}`. -->"


def pages() -> dict[str, str]:
    """Path below docs/parts → Markdown."""
    written = {}
    for kind in KINDS:
        names = list(named()) if kind == "system" else catalogued(kind)
        written[f"{kind}s/index.md"] = index(kind, [line(kind, name) for name in names])
        written |= {f"{kind}s/{name}.md": page(facts(kind, name)) for name in names}
    return written | task_pages()


def task_pages() -> dict[str, str]:
    """Path below docs/parts → Markdown, of tasks and cards."""
    names = [*(name for name in benchmarks.names() if benchmarks.REGISTRY.entry(name)), *benchmarks.cards()]
    written = {f"benchmarks/{name}.md": task_page(tasks.facts(name)) for name in names}
    return {"benchmarks/index.md": task_index([tasks.line(name) for name in names])} | written


def index(kind: str, lines: list[PartLine]) -> str:
    """The table of a kind."""
    head = ["name", "what it is", "parameters", "multiply-adds (G)", "source"]
    lines_of = []
    for item in lines:
        link, size = f"[{item.name}]({item.name}.md)", item.size
        cost = billions(size.get("multiply_adds"))
        row = [link, item.summary, shortened(size.get("parameters")), cost, item.source]
        lines_of.append(row if kind == "system" else [*row, "yes" if item.parity else UNKNOWN])
    about = f"{WHAT[kind]} Costs are {GIVEN[kind]}. {COUNTED}"
    pinned = "" if kind == "system" else " *Parity*: the tests compare it with numbers of a reference implementation."
    body = table(head if kind == "system" else [*head, "parity"], lines_of)
    return "\n".join([GENERATED, "", f"# {kind.capitalize()}s", "", f"{about}{pinned}", "", *body, ""])


def page(facts: Facts) -> str:
    """The page of one part or system."""
    content = [GENERATED, "", f"# {facts.name}", "", f"{sentence(facts.summary)}", ""]
    if facts.description:
        content += [_plain(facts.description), ""]
    about = [[kind, f"[{text}](../{kind}s/{name}.md)"] for kind, name, text in facts.parts]
    content += [*table(["", ""], about + [[title, text] for title, text in rows(facts)]), ""]
    if facts.options:
        titles = columns(facts)
        options = [[f"`{option.name}`", f"`{option.default}`", option.meaning] for option in facts.options]
        content += [f"## {titles[0].capitalize()}s", "", *table([*titles], options), ""]
    content += ["## Try it", "", "```sh", *_commands(facts), "```", ""]
    return "\n".join(content)


def _commands(facts: Facts) -> list[str]:
    commands = [f"voxboard show {facts.name}"]
    if facts.kind != "system":
        commands.append(f"voxboard doctor {facts.kind} {facts.name}")
    partner = "ecapa" if facts.name == "native" else "fbank"
    examples = {
        "backbone": f"voxboard eval Voices '{facts.name}+statistics'",
        "pooler": f"voxboard eval Voices '{partner}+{facts.name}'",
        "system": f"voxboard train Voices {facts.name}",
    }
    return [*commands, *([examples[facts.kind]] if facts.kind in examples else [])]


def task_index(lines: list[TaskLine]) -> str:
    """The tables of tasks and cards."""
    content = [GENERATED, "", "# Benchmarks", "", TASKS_AND_CARDS, ""]
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


def task_page(facts: TaskFacts) -> str:
    """The page of one task or card."""
    content = [GENERATED, "", f"# {facts.name}", "", sentence(facts.summary), ""]
    if facts.description:
        content += [sentence(facts.description), ""]
    content += [*table(["", ""], [[name, text] for name, text in task_rows(facts)]), ""]
    content += ["## Metrics", "", "The first one ranks.", "", *table([*METRICS], metric_rows(facts)), ""]
    if facts.options:
        settings = [[f"`{option.name}`", f"`{option.default}`", option.meaning] for option in facts.options]
        content += ["## Settings", "", *table(["setting", "default", "meaning"], settings), ""]
    return "\n".join([*content, "## Try it", "", "```sh", *_task_commands(facts), "```", ""])


def _task_commands(facts: TaskFacts) -> list[str]:
    if facts.kind == "card":
        return [f"voxboard show {facts.name}", f"voxboard eval {facts.name} _ --eval_path RUN"]
    data = {"diarization": "Voices-meetings", "identification": "Voices-sessions"}.get(facts.name, "Voices")
    return [f"voxboard show {facts.name}", f"voxboard eval {data} _ --eval_path RUN --task {facts.name}"]


def sentence(text: str) -> str:
    """A text of the catalogue with a capital and a full stop."""
    return _plain(f"{text[0].upper()}{text[1:]}{'' if text.endswith(('.', '?')) else '.'}") if text else ""


def table(head: list[str], body: list[list[str]]) -> list[str]:
    """The lines of a Markdown table."""
    lines = [head, ["---"] * len(head), *([_cell(text) for text in row] for row in body)]
    return [f"| {' | '.join(row)} |" for row in lines]


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")


def _plain(text: str) -> str:
    return text.replace("<", "&lt;")
