"""The catalogue of tasks and cards: metrics with names, and main metrics that are those of the code."""

from __future__ import annotations

import pytest

from voxboard import benchmarks, catalogue
from voxboard.catalogue import tasks
from voxboard.catalogue.pages import task_page, task_pages

AGAIN = f"run {catalogue.REGENERATE}"


def test_the_committed_main_metrics_are_those_of_the_code() -> None:
    assert catalogue.measured()["benchmark"] == tasks.main_metrics(), AGAIN


@pytest.mark.parametrize("name", benchmarks.names())
def test_every_metric_of_a_task_is_explained(name: str) -> None:
    known = tasks.facts(name)
    assert known.metrics[0].id == known.main_metric
    for metric in known.metrics:
        assert metric.meaning, f"{metric.id} has no sentence"
        assert metric.label != metric.id or "@" not in metric.id


def test_a_card_has_its_own_settings_and_metrics() -> None:
    known = tasks.facts("AMI")
    assert (known.kind, known.task, known.main_metric) == ("card", "diarization", "der@collar=0")
    assert ("collar", "0.0") in [(option.name, option.default) for option in known.options]


def test_a_page_per_task_and_card() -> None:
    written = task_pages()
    assert set(written) == {"benchmarks/index.md", *(f"benchmarks/{name}.md" for name in tasks.names())}
    assert "`eer@interpolated`" in task_page(tasks.facts("verification"))
    assert "[AMI](AMI.md)" in written["benchmarks/index.md"]
