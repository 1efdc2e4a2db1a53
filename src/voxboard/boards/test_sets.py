"""Families of test sets: panels of a board that measure the same on other corpora."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voxboard.boards.differences import DIGESTS, ITEMS, panel_words
from voxboard.boards.model import Panel
from voxboard.charts.numbers import count, plain
from voxboard.records import Items, System
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
    differs: tuple[str, ...]  # in words, from a family of the same title
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
    apart = _apart([(kinds[key]["title"], panels[0]) for key, panels in members.items()])
    return tuple(
        Family(f"x-{key}", kinds[key]["title"], differs, _sets(panels))
        for (key, panels), differs in zip(members.items(), apart, strict=True)
    )


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
        "parameters": encode(panel.main.parameters),
        "items": protocol.items.kind,
        "crop": encode(protocol.crop),
        "scoring": {key: item for key, item in scoring.items() if key != "cohort"},
        "condition": encode(protocol)["condition"],
        "options": {key: item for key, item in encode(protocol)["options"].items() if key not in OF_DATA},
    }


def _title(panel: Panel) -> str:
    """`Voices gender` → "gender"."""
    corpus = plain(panel.benchmark.corpus)
    name = panel.title.removeprefix(f"{corpus} ")
    return name if name != panel.title else plain(panel.benchmark.task)


def _apart(firsts: Sequence[tuple[str, Panel]]) -> list[tuple[str, ...]]:
    """For the title and the first panel of each family what tells it from others of its title, in words."""
    twins: dict[str, list[int]] = defaultdict(list)
    for place, (title, _) in enumerate(firsts):
        twins[title].append(place)
    apart: list[tuple[str, ...]] = [()] * len(firsts)
    for places in twins.values():
        panels = [firsts[place][1] for place in places]
        for place, words in zip(places, panel_words(panels, but=(*ITEMS, *DIGESTS, *OF_DATA)), strict=True):
            apart[place] = tuple(words)
    return apart


def _sets(panels: Sequence[Panel]) -> tuple[TestSet, ...]:
    sets: dict[tuple[bool, str, str], list[Panel]] = defaultdict(list)
    lists: dict[str, dict[str, Items]] = defaultdict(dict)  # corpus → digest → items
    for panel in panels:
        assert panel.protocol is not None
        corpus, items = plain(panel.benchmark.corpus), panel.protocol.items
        sets[panel.benchmark.synthetic, corpus, items.digest].append(panel)
        lists[corpus].setdefault(items.digest, items)
    hints = {corpus: _hints(own) for corpus, own in lists.items()}
    return tuple(
        TestSet(corpus, hints[corpus][digest], synthetic, tuple(members))
        for (synthetic, corpus, digest), members in sorted(sets.items(), key=lambda item: item[0])
    )


def _hints(lists: Mapping[str, Items]) -> dict[str, str]:
    """Hints that tell several lists of one corpus apart: their names, else their lengths, else their digests."""
    if len(lists) == 1:
        return dict.fromkeys(lists, "")
    for text in (lambda one: plain(one.name), lambda one: f"{count(one.count)} {one.kind}", lambda one: one.digest[:6]):
        hints = {digest: text(one) for digest, one in lists.items()}
        if all(hints.values()) and len(set(hints.values())) == len(lists):
            break
    return {digest: f"({hint})" for digest, hint in hints.items()}


def homes(system: System) -> set[str]:
    """The corpora that a system was trained on: of a mixture its parts too."""
    if system.training is None:
        return set()
    mixture = system.training.hyperparameters.get("mixture")
    return {system.training.corpus, *(mixture if isinstance(mixture, Mapping) else ())}
