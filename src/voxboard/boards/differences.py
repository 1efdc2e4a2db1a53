"""Differences between things that would read the same: protocols of one benchmark, columns, systems of one name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from voxboard.boards.facts import common_facts, digest_facts
from voxboard.boards.model import Panel
from voxboard.charts.numbers import plain
from voxboard.records.codec import encode

ITEMS = ("Trials", "Utterances", "Recordings")  # terms of the list that is scored
DIGESTS = ("List digest", "Cohort digest", "Protocol id")
_PLAIN = ("Metric", *ITEMS, "Crop", "Score")  # terms whose texts need no name before them
_LONGEST = 60  # characters of a text
_DIGESTS = ("digest", "cohort")  # keys whose values mean nothing to a reader


def tell_apart(panels: Sequence[Panel]) -> list[Panel]:
    """The panels, those of one benchmark with what tells one from the other as their subtitle."""
    groups: dict[str, list[Panel]] = defaultdict(list)
    for panel in panels:
        groups[panel.benchmark.name].append(panel)
    apart = {}
    for twins in groups.values():
        for panel, words in zip(twins, panel_words(twins), strict=True):
            apart[panel.id] = replace(panel, differs=tuple(words))
    return [apart[panel.id] for panel in panels]


def panel_words(panels: Sequence[Panel], but: Collection[str] = ()) -> list[list[str]]:
    """For each of several panels what ranks it and what else not all of them share, without the terms of `but`.

    Digests are among them only where the words leave two alike.
    """
    ranked = labels_apart([(panel.main.label, panel.main.parameters) for panel in panels])
    facts, digests = [], []
    for panel, label in zip(panels, ranked, strict=True):
        common = common_facts(panel.protocol) if panel.protocol else []
        facts.append({"Metric": label, "Split": plain(panel.benchmark.split), **dict(common)})
        digests.append(dict(digest_facts(panel.protocol) if panel.protocol else ()))
    words, small = _varying(facts, but), _varying(digests, but)
    times = Counter(map(tuple, words))
    return [one + digest if times[tuple(one)] > 1 else one for one, digest in zip(words, small, strict=True)]


def _varying(contents: Sequence[Mapping[str, str]], but: Collection[str]) -> list[list[str]]:
    terms = [term for term in dict.fromkeys(term for one in contents for term in one) if term not in but]
    varying = [term for term in terms if len({one.get(term) for one in contents}) > 1]
    return [[_phrase(term, one.get(term, "none")) for term in varying] for one in contents]


def _phrase(term: str, text: str) -> str:
    """`whole utterance, at most 5.00 s`, `Score normalisation: as-norm`."""
    shown = text[:12] if term in DIGESTS else text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return shown if term in _PLAIN else f"{term}: {shown}"


def labels_apart(columns: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """The label of each metric, those that several have with the parameters in which they differ."""
    shown = [label for label, _ in columns]
    for label in {label: None for label in shown if shown.count(label) > 1}:
        places = [place for place, own in enumerate(shown) if own == label]
        for place, differs in zip(places, differences([columns[place][1] for place in places]), strict=True):
            shown[place] = f"{label} ({', '.join(differs)})" if differs else label
    return shown


def differences(contents: Sequence[Mapping[str, Any]], limit: int = 3) -> list[list[str]]:
    """For each of several JSON objects the entries that not all of them share, as `key=value`.

    Digests are among them only where nothing else tells some apart.
    """
    flat = [dict(_flatten(encode(content))) for content in contents]
    keys = sorted({key for one in flat for key in one})
    varying = [key for key in keys if len({repr(one.get(key)) for one in flat}) > 1]
    digests = [key for key in varying if key and key[-1] in _DIGESTS]
    words = [key for key in varying if key not in digests]
    distinct = {repr([one.get(key) for key in words[:limit]]) for one in flat}
    chosen = (words if len(distinct) == len(flat) else words + digests)[:limit]
    return [[f"{_short_key(key)}={_short_value(one.get(key))}" for key in chosen] for one in flat]


def _flatten(content: Any, path: tuple[str, ...] = ()) -> Iterable[tuple[tuple[str, ...], Any]]:
    if isinstance(content, Mapping) and content:
        for key, item in content.items():
            yield from _flatten(item, (*path, key))
    else:
        yield path, content


def _short_key(path: tuple[str, ...]) -> str:
    return plain(path[-1] if path else "")


def _short_value(value: Any) -> str:
    text = plain(str("none" if value in (None, "", {}) else value))
    return text if len(text) <= 24 else f"{text[:12]}…"
