"""Grids as files say them: `benchmarks/grids/*.toml` crosses parts, seeds, rates and benchmarks, or lists entries."""

from __future__ import annotations

import itertools
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

from voxboard import benchmarks, limits, systems, trust
from voxboard.errors import UserError, unknown
from voxboard.parts import Part
from voxboard.settings import Evaluation
from voxboard.systems import System
from voxboard.training.config import General, Training, training_of

MOST_CELLS = 10_000  # of a grid: what one board can show


@dataclass(frozen=True)
class Cell:
    """One number of a grid: a system on a benchmark with one seed."""

    data: str
    benchmark: Part
    system: System
    seed: int
    trained: bool = True
    frozen: bool = False  # the backbone, in training
    evaluation: Evaluation = field(default_factory=Evaluation)
    base: Cell | None = None  # whose run is evaluated; None: this cell trains its own, or needs none
    rates: tuple[float, ...] = ()  # several: candidates for max_lr, of which validation chooses; `system` has the first

    @property
    def training(self) -> Training | None:
        return training_of(self.system) if self.trained else None

    @property
    def trainings(self) -> int:
        """Number of times that it is trained: once per learning rate."""
        return max(1, len(self.rates))

    @property
    def title(self) -> str:
        """Name of the benchmark in records: `Voices gender`."""
        made = benchmarks.create(self.benchmark.name, **self.benchmark.options)
        return f"{benchmarks.card(self.data).corpus} {made.name}"


Kind = Literal["untrained", "trained"]


@dataclass(frozen=True)
class Grid:
    """A grid as its file says it; every part is written as on the command line, `name(key=value, …)`."""

    name: str
    data: tuple[str, ...]  # corpora and cards
    backbones: tuple[str, ...]
    poolers: tuple[str, ...]
    heads: tuple[str, ...] = ()  # none: the benchmark's own
    seeds: tuple[int, ...] = (42,)
    max_lr: tuple[float, ...] = ()  # several: validation chooses; none: the one of `training`
    weights: tuple[Kind, ...] = ("untrained", "trained")
    frozen: bool = False  # backbones are not trained; cells that share one are trained together
    embedding_layer: int = General.embedding_layer  # behind every pooler on a frozen backbone; 0: none
    training: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)

    def cells(self) -> list[Cell]:
        """All cells, those with the least to do first. Raises `UserError` for a part or setting that does not exist.

        An untrained system has neither head nor learning rate, so it stands in a grid once per seed. Raises the same
        for more cells than a board can show.
        """
        number = math.prod(map(len, (self.data, self.backbones, self.poolers, self.heads or ("",), self.seeds)))
        if number > MOST_CELLS:
            raise UserError(
                f"The grid {self.name} crosses to {number:,} cells and more; at most {MOST_CELLS:,} can be.",
                "Leave out seeds or parts, or split it into several grids.",
            )
        cells: list[Cell] = []
        if "untrained" in self.weights:
            cells += self._cells(False, self.heads[:1], ())
        if "trained" in self.weights:
            cells += self._cells(True, self.heads, self.max_lr)
        return cells

    def _cells(self, trained: bool, heads: tuple[str, ...], rates: tuple[float, ...]) -> Iterator[Cell]:
        given = _typed(Evaluation, self.evaluation, self.name)
        if "cache" in given:
            given["cache"] = Path(given["cache"])
        evaluation = Evaluation(**given)
        rates = tuple(dict.fromkeys(rates))
        settings = [{**self.training, "max_lr": rate} for rate in rates] or [dict(self.training)]
        for data in self.data:
            card = benchmarks.card(data)
            benchmark = Part(card.task, dict(card.options))
            for parts in itertools.product(self.backbones, self.poolers, heads or ("",)):
                system = _fitted(parts, benchmark)
                if self.frozen and trained:
                    system = system.probing(self.embedding_layer)
                for seed in self.seeds:
                    for training in settings:
                        training_of(replace(system, training=training))
                    yield Cell(
                        data,
                        benchmark,
                        replace(system, training=settings[0]),
                        int(seed),
                        trained,
                        self.frozen and trained,
                        evaluation,
                        rates=tuple(map(float, rates)) if len(rates) > 1 else (),
                    )

    @classmethod
    def load(cls, name: str) -> Grid:
        """Read a grid by name, or from a TOML file."""
        content = _typed(cls, _read(name), name)
        for key in ("data", "max_lr"):
            if isinstance(content.get(key), str | int | float):
                content[key] = (content[key],)
        grid = cls(**content)
        for seed in grid.seeds:
            limits.check_value(seed, limits.Seed, f"seed in the grid {name}")
        for word in grid.weights:
            if word not in get_args(Kind):
                raise unknown(f"weights in {name}", str(word), get_args(Kind))
        trust.name(*grid.parts)  # whoever starts a grid has named what is in it
        return grid

    @property
    def parts(self) -> tuple[str, ...]:
        """All parts, as they are written."""
        return tuple(map(str, (*self.backbones, *self.poolers, *self.heads)))


def _fitted(parts: tuple[str, ...], benchmark: Part) -> System:
    """The system of some words, with the benchmark's head where they name none, and the label that it trains."""
    backbone, pooler, head = parts
    default = benchmarks.create(benchmark.name, **benchmark.options).default_head
    return benchmarks.fitted(systems.check(systems.parse(f"{backbone}+{pooler}+{head or default}")), benchmark)


Weights = Literal["untrained", "trained", "verification"]


@dataclass(frozen=True)
class GridEntry:
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
    entries: tuple[GridEntry, ...]

    @classmethod
    def load(cls, name: str) -> Tasks:
        """Read a list by name, or from a TOML file. Raises `UserError` for a key or a word that it must not have."""
        content = _typed(cls, _read(name), name)
        entries = []
        for given in content.pop("entries", ()):
            entry = GridEntry(**_typed(GridEntry, given, name))
            if entry.weights not in get_args(Weights):
                raise unknown(f"weights in {name}", entry.weights, get_args(Weights))
            entries.append(entry)
        return cls(**content, entries=tuple(entries))


def _read(name: str) -> dict[str, Any]:
    """The TOML of a shipped grid, or of a file."""
    shipped = resources.files("voxboard.benchmarks").joinpath("grids")
    if "\0" not in name and Path(name).is_file():
        text = _text(Path(name))
    elif (file := shipped.joinpath(f"{name}.toml")).is_file():
        text = file.read_text(encoding="utf-8")
    else:
        raise unknown("grid", name, [item.name.removesuffix(".toml") for item in shipped.iterdir()])
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"The grid {name} is not valid TOML: {error}.") from error
    except RecursionError as error:
        raise UserError(
            f"The grid {name} is nested too deeply.", "Compare it with benchmarks/grids/demo.toml."
        ) from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"The grid {path} is no UTF-8 text.", "Name a TOML file.") from error


def _typed(kind: type, content: Any, name: str) -> dict[str, Any]:
    """The keys of a file as the fields of a dataclass.

    Raises `UserError` for an unknown or a missing one, and for a value of another type than the field's.
    """
    if not isinstance(content, Mapping):
        raise UserError(
            f"The grid {name} has {content!r:.60} where a table is due.", f"Write [{kind.__name__.lower()}]."
        )
    specs = {f.name: f for f in fields(kind)}
    for key in content:
        if key not in specs:
            raise unknown(f"key in the grid {name}", key, list(specs))
    lacking = [
        key for key, f in specs.items() if key not in content and f.default is MISSING and f.default_factory is MISSING
    ]
    if lacking:
        raise UserError(f"The grid {name} lacks {lacking[0]}.", "Compare it with benchmarks/grids/demo.toml.")
    return {key: _value(key, value, str(specs[key].type), name) for key, value in content.items()}


_KINDS: Mapping[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}


def _value(key: str, value: Any, kind: str, name: str) -> Any:
    """A value of TOML as its field has it: lists are tuples, of one alone too. Raises `UserError` for another type."""
    of_several = re.fullmatch(r"tuple\[(\w+), \.\.\.\]", kind)
    if of_several:
        several = value if isinstance(value, list) else [value]
        return tuple(_value(key, one, of_several[1], name) for one in several)
    due = _KINDS.get(kind)
    fits = due is None or (isinstance(value, due) and (bool in due) == isinstance(value, bool))
    if kind.startswith("Mapping"):
        fits, due = isinstance(value, Mapping), (dict,)
    numbers = isinstance(value, int | float) and not isinstance(value, bool)
    if not fits or (numbers and not math.isfinite(value)):
        raise UserError(f"{key} in the grid {name} is {value!r:.60}, which is no {kind}.", f"Correct {key}.")
    return value
