"""What is known about every task and card: what it measures, by which metrics, on which corpus, with which settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from voxboard import benchmarks
from voxboard.boards.names import label, meaning
from voxboard.catalogue import Option, measured
from voxboard.registry import option_docs

ANY = "any"


@dataclass(frozen=True)
class Metric:
    """One number of a benchmark."""

    id: str  # "eer@interpolated"
    label: str  # "EER"
    meaning: str
    unit: str
    better: str


@dataclass(frozen=True)
class TaskLine:
    """What a table says of a task, or of a card: a corpus with a task and its settings."""

    kind: str  # "task" or "card"
    name: str
    summary: str
    task: str
    corpus: str  # "any" for a task
    main_metric: str  # an id; empty for a plugin's task, which nobody has looked at
    source: str = ""

    @property
    def main(self) -> str:
        """The main metric as boards call it."""
        return label(self.main_metric) if self.main_metric else ""


@dataclass(frozen=True)
class TaskFacts(TaskLine):
    """What a page says of a task or a card."""

    description: str = ""
    head: str = ""  # that it trains, where MODEL names none
    metrics: tuple[Metric, ...] = ()
    options: tuple[Option, ...] = ()


def names() -> list[str]:
    """All tasks, then all cards."""
    return [*benchmarks.names(), *benchmarks.cards()]


def line(name: str) -> TaskLine:
    """A table's line; loads no code of a benchmark. A card counts before a task of the same name."""
    mains: Mapping[str, Any] = measured().get("benchmark", {})
    if card := benchmarks.cards().get(name):
        main = mains.get(card.name, {}).get("main_metric", "")
        return TaskLine("card", name, card.summary, card.task, card.corpus, main, card.source)
    main = mains.get(name, {}).get("main_metric", "")
    return TaskLine("task", name, benchmarks.REGISTRY.summary(name), name, ANY, main)


def facts(name: str) -> TaskFacts:
    """Everything that is known about a task or a card; loads the benchmark's code."""
    import inspect

    known = line(name)
    card = benchmarks.cards().get(name)
    cls, _ = benchmarks.REGISTRY.resolve(known.task)
    made = benchmarks.create(known.task, **(card.options if card else {}))
    meanings = option_docs(cls.Config)
    options = tuple(
        Option(item.name, repr(getattr(made.config, item.name)), meanings.get(item.name, ""))
        for item in fields(made.config)
    )
    order = sorted(made.metrics, key=lambda metric: metric != made.main_metric)
    metrics = tuple(Metric(metric, label(metric), meaning(label(metric)), *made.unit(metric)) for metric in order)
    given = {**vars(known), "main_metric": made.main_metric}
    text = " ".join((inspect.getdoc(cls) or "").split())
    return TaskFacts(**given, description=text, head=made.default_head, metrics=metrics, options=options)


def main_metrics() -> dict[str, dict[str, str]]:
    """Task or card → its main metric, for `parts.json`: reading it loads a benchmark's code."""
    tasks = [name for name in benchmarks.names() if benchmarks.REGISTRY.entry(name)]
    found = {name: benchmarks.create(name).main_metric for name in tasks}
    found |= {
        name: benchmarks.create(card.task, **card.options).main_metric for name, card in benchmarks.cards().items()
    }
    return {name: {"main_metric": metric} for name, metric in found.items()}
