"""Grids: `benchmarks/grids/*.toml` crosses backbones, poolers, heads and seeds into cells, or lists them one by one."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

from voxboard import systems
from voxboard.errors import UserError, unknown
from voxboard.systems import Part, System


@dataclass(frozen=True)
class Cell:
    """One system to train and evaluate with one seed."""

    system: System
    seed: int


@dataclass(frozen=True)
class Grid:
    """A grid as its file says it; every part is written as on the command line, `name(key=value, …)`."""

    name: str
    data: str
    backbones: tuple[str, ...]
    poolers: tuple[str, ...]
    heads: tuple[str, ...] = ("aam",)
    seeds: tuple[int, ...] = (42,)
    training: Mapping[str, Any] = field(default_factory=dict)

    def cells(self) -> list[Cell]:
        """All cells, backbone by backbone. Raises `UserError` for a part that does not exist."""
        found = []
        for *parts, seed in itertools.product(self.backbones, self.poolers, self.heads, self.seeds):
            system = systems.check(systems.parse("+".join(map(str, parts))))
            found.append(Cell(replace(system, training=dict(self.training)), int(seed)))
        return found

    @classmethod
    def load(cls, name: str) -> Grid:
        """Reads a grid by name, or from a TOML file."""
        return cls(**_typed(cls, _read(name), name))


Weights = Literal["untrained", "trained", "verification"]


@dataclass(frozen=True)
class Entry:
    """One system on one task, as a list of entries says it."""

    data: str
    task: str
    system: str  # backbone+pooler+head with options
    weights: Weights = "trained"  # for this task; or on verification before, by the grid beside it; or not at all
    options: Mapping[str, Any] = field(default_factory=dict)  # of the task
    training: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 42
    package: str = ""  # a module that it needs beyond voxboard's own …
    install: str = ""  # … and how that is installed
    asks: str = ""  # an option of the task that only the user can give

    @property
    def benchmark(self) -> Part:
        return Part(self.task, dict(self.options))


@dataclass(frozen=True)
class Tasks:
    """A list of entries: a few rows of every task."""

    name: str
    entries: tuple[Entry, ...]

    @classmethod
    def load(cls, name: str) -> Tasks:
        """Reads a list by name, or from a TOML file. Raises `UserError` for a key or a word that it must not have."""
        content = _typed(cls, _read(name), name)
        entries = []
        for given in content.pop("entries", ()):
            entry = Entry(**_typed(Entry, given, name))
            if entry.weights not in get_args(Weights):
                raise unknown(f"weights in {name}", entry.weights, get_args(Weights))
            entries.append(entry)
        return cls(**content, entries=tuple(entries))


def _read(name: str) -> dict[str, Any]:
    """The TOML of a shipped grid, or of a file."""
    shipped = resources.files("voxboard.benchmarks").joinpath("grids")
    if Path(name).is_file():
        text = Path(name).read_text(encoding="utf-8")
    elif (file := shipped.joinpath(f"{name}.toml")).is_file():
        text = file.read_text(encoding="utf-8")
    else:
        raise unknown("grid", name, [item.name.removesuffix(".toml") for item in shipped.iterdir()])
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"The grid {name} is not valid TOML: {error}.") from error


def _typed(kind: type, content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The keys of a file as the fields of a dataclass. Raises `UserError` for an unknown or a missing one."""
    known = {f.name: f for f in fields(kind)}
    for key in content:
        if key not in known:
            raise unknown(f"key in the grid {name}", key, list(known))
    lacking = [
        key for key, f in known.items() if key not in content and f.default is MISSING and f.default_factory is MISSING
    ]
    if lacking:
        raise UserError(f"The grid {name} lacks {lacking[0]}.", "Compare it with benchmarks/grids/demo.toml.")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in content.items()}
