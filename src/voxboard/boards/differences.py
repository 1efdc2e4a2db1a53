"""What tells apart things that would read the same: two protocols of one benchmark, two systems of one name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from voxboard.boards.model import Panel
from voxboard.boards.numbers import plain
from voxboard.records.codec import encode


def tell_apart(panels: Sequence[Panel]) -> list[Panel]:
    """Two protocols of one benchmark get what differs between them as their subtitle."""
    groups: dict[str, list[Panel]] = defaultdict(list)
    for panel in panels:
        groups[panel.benchmark.name].append(panel)
    told = {}
    for twins in groups.values():
        contents = [encode(panel.protocol) if panel.protocol else {} for panel in twins]
        for panel, differs in zip(twins, differences(contents, limit=6), strict=True):
            told[panel.id] = replace(panel, differs=tuple(differs))
    return [told[panel.id] for panel in panels]


def differences(contents: Sequence[Mapping[str, Any]], limit: int = 3) -> list[list[str]]:
    """For each of several JSON objects the entries that not all of them share, as `key=value`."""
    flat = [dict(_flatten(content)) for content in contents]
    keys = sorted({key for one in flat for key in one})
    varying = [key for key in keys if len({repr(one.get(key)) for one in flat}) > 1]
    return [[f"{_short_key(key)}={_short_value(one.get(key))}" for key in varying[:limit]] for one in flat]


def _flatten(content: Any, path: tuple[str, ...] = ()) -> Iterable[tuple[tuple[str, ...], Any]]:
    if isinstance(content, Mapping) and content:
        for key, item in content.items():
            yield from _flatten(item, (*path, key))
    else:
        yield path, content


def _short_key(path: tuple[str, ...]) -> str:
    return plain(".".join(path[-2:] if path[0] in ("items", "crop", "scoring", "metrics") else path[-1:]))


def _short_value(value: Any) -> str:
    text = plain(str("none" if value in (None, "", {}) else value))
    return text if len(text) <= 24 else f"{text[:12]}…"
