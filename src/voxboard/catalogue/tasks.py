"""The catalogue of tasks and cards: question, metrics, corpus and settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from voxboard import benchmarks
from voxboard.catalogue import Option, measured
from voxboard.records import Metric
from voxboard.records.standard_metrics import standard
from voxboard.registry import option_docs

ANY = "any"


@dataclass(frozen=True)
class TaskLine:
    """Line of a table of tasks and cards; a card is a corpus with a task and its settings."""

    kind: str  # "task" or "card"
    name: str
    summary: str
    task: str
    corpus: str  # "any" for a task
    main_metric: str  # an id; empty for a plugin's task that cannot be made
    source: str = ""
    label: str = ""  # of the main metric, where it is not a standard one

    @property
    def main(self) -> str:
        """The main metric as boards call it."""
        return self.label or (standard(self.main_metric).name if self.main_metric else "")


@dataclass(frozen=True)
class TaskFacts(TaskLine):
    """Facts on the page of a task or a card."""

    description: str = ""
    head: str = ""  # that it trains, where MODEL names none
    metrics: tuple[Metric, ...] = ()
    options: tuple[Option, ...] = ()


def names() -> list[str]:
    """All tasks, then all cards."""
    return [*benchmarks.names(), *benchmarks.cards()]


def line(name: str) -> TaskLine:
    """A table's line; of benchmarks, only another package's code is loaded. A card counts before a task of its name."""
    mains: Mapping[str, Any] = measured().get("benchmark", {})
    if card := benchmarks.cards().get(name):
        main = mains.get(card.name, {}).get("main_metric", "")
        return TaskLine("card", name, card.summary, card.task, card.corpus, main, card.source)
    if benchmarks.REGISTRY.entry(name) is None:
        return _plugin_line(name)
    main = mains.get(name, {}).get("main_metric", "")
    return TaskLine("task", name, benchmarks.REGISTRY.summary(name), name, ANY, main)


def _plugin_line(name: str) -> TaskLine:
    """The line of another package's task, from its class: one that cannot be made says why."""
    summary = benchmarks.REGISTRY.summary(name)
    try:
        made = benchmarks.create(name)
        metric = made.metric(made.main_metric)
    except Exception as error:  # whatever another package raises: a list has the others all the same
        return TaskLine("task", name, f"{summary}, which cannot be used: {error}", name, ANY, "")
    return TaskLine("task", name, made.about or summary, name, ANY, metric.id, label=metric.name)


def facts(name: str) -> TaskFacts:
    """Everything that is known about a task or a card; loads the benchmark's code."""
    import inspect

    content = line(name)
    card = benchmarks.cards().get(name)
    cls, _ = benchmarks.REGISTRY.resolve(content.task)
    made = benchmarks.create(content.task, **(card.options if card else {}))
    meanings = option_docs(cls.Config)
    options = tuple(
        Option(item.name, repr(getattr(made.config, item.name)), meanings.get(item.name, ""))
        for item in fields(cls.Config)
    )
    given = {**vars(content), "main_metric": made.main_metric, "label": made.metrics[0].name}
    text = " ".join((inspect.getdoc(cls) or "").split())
    return TaskFacts(**given, description=text, head=made.default_head, metrics=made.metrics, options=options)


def main_metrics() -> dict[str, dict[str, str]]:
    """Task or card → its main metric, for `parts.json`: reading it loads a benchmark's code."""
    tasks = [name for name in benchmarks.names() if benchmarks.REGISTRY.entry(name)]
    metrics = {name: benchmarks.create(name).main_metric for name in tasks}
    metrics |= {
        name: benchmarks.create(card.task, **card.options).main_metric for name, card in benchmarks.cards().items()
    }
    return {name: {"main_metric": metric} for name, metric in metrics.items()}
