"""Grids: `benchmarks/grids/*.toml` crosses backbones, poolers, heads and seeds into cells."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

from voxboard import systems
from voxboard.errors import UserError, unknown
from voxboard.systems import System


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
        shipped = resources.files("voxboard.benchmarks").joinpath("grids")
        if Path(name).is_file():
            text = Path(name).read_text(encoding="utf-8")
        elif (file := shipped.joinpath(f"{name}.toml")).is_file():
            text = file.read_text(encoding="utf-8")
        else:
            raise unknown("grid", name, [item.name.removesuffix(".toml") for item in shipped.iterdir()])
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UserError(f"The grid {name} is not valid TOML: {error}.") from error
        known = [f.name for f in fields(cls)]
        for key in content:
            if key not in known:
                raise unknown(f"key in the grid {name}", key, known)
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
        return cls(**values)
