"""The catalogue of benchmarks: what is measured. Code is imported on first use.

A card (`cards/*.toml`) names a corpus, a task and its settings; DATA on the command line is a corpus or a card.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from voxboard import systems
from voxboard.parts import Part
from voxboard.registry import Entry, Registry
from voxboard.systems import System

if TYPE_CHECKING:
    from voxboard.benchmarks.base import Benchmark

DEFAULT_TASK = "verification"

REGISTRY = Registry(
    "benchmark",
    {
        "verification": Entry(
            "voxboard.benchmarks.verification:Verification", "do two utterances have the same speaker?"
        ),
        "identification": Entry(
            "voxboard.benchmarks.identification:Identification", "which of the speakers of training is it?"
        ),
        "attributes": Entry(
            "voxboard.benchmarks.attributes:Attributes", "gender, age group, emotion, accent … of unseen speakers"
        ),
        "retrieval": Entry(
            "voxboard.benchmarks.retrieval:Retrieval", "which caption describes an utterance, and the other way round?"
        ),
        "questions": Entry(
            "voxboard.benchmarks.questions:Questions", "what does a chat model answer that hears an encoder's frames?"
        ),
        "diarization": Entry(
            "voxboard.benchmarks.diarization:DiarizationTask", "who speaks when in a recording of several speakers?"
        ),
        "transcription": Entry(
            "voxboard.benchmarks.transcription:Transcription", "what is said? Word and character error rates"
        ),
        "intensity": Entry(
            "voxboard.benchmarks.intensity:Intensity", "how loud is an utterance? Beside the baselines that know"
        ),
    },
)


@dataclass(frozen=True)
class Card:
    """A corpus, and the task that it is used for."""

    name: str
    corpus: str
    task: str = DEFAULT_TASK
    options: Mapping[str, Any] = field(default_factory=dict)
    summary: str = ""
    source: str = ""


@cache
def cards() -> dict[str, Card]:
    """The shipped cards, in name order."""
    cards = {}
    for file in resources.files("voxboard.benchmarks").joinpath("cards").iterdir():
        if file.name.endswith(".toml"):
            card = Card(**tomllib.loads(file.read_text(encoding="utf-8")))
            cards[card.name] = card
    return dict(sorted(cards.items()))


def card(data: str, task: str = "") -> Card:
    """The card that DATA names, or the corpus DATA under a task (default: verification)."""
    folded = {name.lower(): card for name, card in cards().items()}
    if not task and data.lower() in folded:
        return folded[data.lower()]
    return Card(data, data, task or DEFAULT_TASK)


def create(name: str, **options: Any) -> Benchmark:
    """Build a benchmark by the name of its task."""
    return REGISTRY.create(name, **options)


def names() -> list[str]:
    """All registered tasks, plugins included."""
    return REGISTRY.names()


def fitted(system: System, benchmark: Part) -> System:
    """The system as the benchmark trains it: its head's label, where the words say nothing else."""
    made = create(benchmark.name, **benchmark.options)
    if system.head.name == systems.DEFAULT_HEAD and not system.head_given:
        system = replace(system, head=Part(made.default_head))
    return system.with_options("head", {**wanted(system, benchmark), **system.head.options})


def wanted(system: System, benchmark: Part) -> dict[str, Any]:
    """The options that the benchmark needs of the system's head, of those that it has."""
    made = create(benchmark.name, **benchmark.options)
    options = systems.registry("head").option_names(system.head.name)
    return {key: value for key, value in made.head_options().items() if key in options}
