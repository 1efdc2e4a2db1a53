"""Which panels of a board measure the same on other corpora: families of test sets."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voxboard.boards.differences import differences
from voxboard.boards.model import Panel
from voxboard.boards.numbers import plain
from voxboard.records import System
from voxboard.records.codec import encode

OF_DATA = ("left out", "learned from", "without a level", "captions")  # protocol options that tell of the corpus


@dataclass(frozen=True)
class TestSet:
    """The same items in one or more panels: a cohort of the training corpus makes more panels of one list."""

    __test__ = False  # nothing that pytest collects

    corpus: str
    hint: str  # what tells it from other test sets of its corpus
    synthetic: bool
    panels: tuple[Panel, ...]

    @property
    def label(self) -> str:
        return f"{self.corpus} {self.hint}".strip()


@dataclass(frozen=True)
class Family:
    """Test sets of one task whose numbers have the same metric and the same protocol but for the corpus."""

    id: str
    title: str  # "verification", "gender"
    differs: tuple[str, ...]  # from a family of the same title and metric
    sets: tuple[TestSet, ...]  # real speech first, then by corpus

    @property
    def first(self) -> Panel:
        return self.sets[0].panels[0]


def families(panels: Iterable[Panel]) -> tuple[Family, ...]:
    """All families, in the order of their first panels."""
    members: dict[str, list[Panel]] = defaultdict(list)
    kinds: dict[str, Mapping[str, Any]] = {}
    for panel in panels:
        if panel.protocol is not None:
            kind = _kind(panel)
            key = hashlib.sha256(json.dumps(kind, sort_keys=True).encode()).hexdigest()[:12]
            members[key].append(panel)
            kinds[key] = kind
    told = _told_apart(kinds)
    return tuple(Family(f"x-{key}", kinds[key]["title"], told[key], _sets(members[key])) for key in members)


def _kind(panel: Panel) -> dict[str, Any]:
    """All of a benchmark and its protocol that is not the corpus."""
    protocol, benchmark = panel.protocol, panel.benchmark
    assert protocol is not None
    scoring = encode(protocol.scoring) if protocol.scoring else {}
    return {
        "title": _title(panel),
        "task": benchmark.task,
        "split": benchmark.split,
        "metric": benchmark.main_metric,
        "parameters": encode(protocol)["metrics"][benchmark.main_metric],
        "items": protocol.items.kind,
        "crop": encode(protocol.crop),
        "scoring": {key: item for key, item in scoring.items() if key != "cohort"},
        "options": {key: item for key, item in encode(protocol)["options"].items() if key not in OF_DATA},
    }


def _title(panel: Panel) -> str:
    """`Voices gender` → "gender"."""
    corpus = plain(panel.benchmark.corpus)
    name = panel.title.removeprefix(f"{corpus} ")
    return name if name != panel.title else plain(panel.benchmark.task)


def _told_apart(kinds: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    twins: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key, kind in kinds.items():
        twins[kind["title"], kind["metric"]].append(key)
    told: dict[str, tuple[str, ...]] = {}
    for keys in twins.values():
        found = differences([kinds[key] for key in keys], limit=4)
        told |= {key: tuple(differs) for key, differs in zip(keys, found, strict=True)}
    return told


def _sets(panels: Sequence[Panel]) -> tuple[TestSet, ...]:
    found: dict[tuple[bool, str, str], list[Panel]] = defaultdict(list)
    for panel in panels:
        assert panel.protocol is not None
        found[panel.benchmark.synthetic, plain(panel.benchmark.corpus), panel.protocol.items.digest].append(panel)
    corpora = [corpus for _, corpus, _ in found]
    return tuple(
        TestSet(corpus, f"({digest[:6]})" if corpora.count(corpus) > 1 else "", synthetic, tuple(members))
        for (synthetic, corpus, digest), members in sorted(found.items(), key=lambda item: item[0])
    )


def homes(system: System) -> set[str]:
    """The corpora that a system was trained on: of a mixture its parts too."""
    if system.training is None:
        return set()
    mixture = system.training.hyperparameters.get("mixture")
    return {system.training.corpus, *(mixture if isinstance(mixture, Mapping) else ())}
