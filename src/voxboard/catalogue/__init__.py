"""The catalogue of parts and systems: summary, options, and measured size and cost.

`python -m voxboard.catalogue` measures them into `parts.json` and writes `docs/parts`. Reading imports no torch;
only `facts` loads the part's own code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from voxboard.registry import option_docs

if TYPE_CHECKING:
    from voxboard.systems import System

REGENERATE = "python -m voxboard.catalogue"
KINDS = ("backbone", "pooler", "head", "system")
UNKNOWN = "–"


@dataclass(frozen=True)
class Option:
    """One option of a part, or one hyperparameter of a system."""

    name: str
    default: str  # a Python literal
    meaning: str


@dataclass(frozen=True)
class PartLine:
    """Line of a table of parts. `size` is empty for a part that was not measured, such as a plugin's."""

    kind: str
    name: str
    summary: str
    source: str = ""
    parity: tuple[str, ...] = ()
    weights: str = ""
    size: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts(PartLine):
    """Facts on the page of a part or a system."""

    description: str = ""
    options: tuple[Option, ...] = ()
    parts: tuple[tuple[str, str, str], ...] = ()  # of a system: kind, name, name with options
    changed: str | None = None  # of a system: what differs from the published one


@cache
def measured() -> dict[str, dict[str, dict[str, Any]]]:
    """Kind → name → parameters, multiply-adds and what else was measured."""
    sizes: dict[str, dict[str, dict[str, Any]]] = json.loads(
        resources.files(__name__).joinpath("parts.json").read_text(encoding="utf-8")
    )
    return sizes


def names(kind: str) -> list[str]:
    """All names of a kind, plugins included."""
    from voxboard import systems

    return list(systems.named()) if kind == "system" else systems.registry(kind).names()


def line(kind: str, name: str) -> PartLine:
    """A table's line of a part or a system; loads no part."""
    from voxboard import systems

    size = measured().get(kind, {}).get(name, {})
    if kind == "system":
        system = systems.named()[name]
        return PartLine(kind, name, system.summary, system.source, size=size)
    registry = systems.registry(kind)
    entry = registry.entry(name)
    if entry is None:
        return PartLine(kind, name, registry.summary(name))
    return PartLine(kind, name, entry.summary, entry.source, entry.parity, entry.weights, size)


def facts(kind: str, name: str) -> Facts:
    """Everything that is known about a part or a system; loads a part's code."""
    import inspect

    from voxboard import systems

    content = vars(line(kind, name))
    if kind == "system":
        return _of_system(systems.named()[name], content)
    cls, fixed = systems.registry(kind).resolve(name)
    meanings = option_docs(cls.Config)
    options = []
    for item in fields(cls.Config):
        default = fixed.get(item.name, item.default)
        text = "" if default is MISSING else repr(default)
        options.append(Option(item.name, text, meanings.get(item.name, "")))
    return Facts(**content, description=_flowing(inspect.getdoc(cls) or ""), options=tuple(options))


def _flowing(text: str) -> str:
    """Every paragraph on one line."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _of_system(system: System, line: Mapping[str, Any]) -> Facts:
    from voxboard.training.config import Training

    meanings = option_docs(Training)
    options = (Option(key, repr(value), meanings.get(key, "")) for key, value in system.training.items())
    parts = ((kind, part.name, str(part)) for kind, part in system.parts())
    return Facts(**line, options=tuple(options), parts=tuple(parts), changed=system.changed)
