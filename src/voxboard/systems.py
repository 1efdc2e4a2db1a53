"""What MODEL on the command line means: a named system, or `backbone+pooler+head` with options in brackets.

UniPool
wavlm-base-plus+unipool+aam
ecapa(channels=256)+native+aam(margin=0.3, scale=32)
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from importlib import resources
from typing import Any

from voxboard.errors import UserError, unknown

KINDS = ("backbone", "pooler", "head")
DEFAULT_HEAD = "aam"


@dataclass(frozen=True)
class Part:
    """One part of a system: a registered name and the options that differ from its defaults."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        if not self.options:
            return self.name
        inside = ", ".join(f"{key}={value!r}" for key, value in sorted(self.options.items()))
        return f"{self.name}({inside})"

    @classmethod
    def parse(cls, text: str) -> Part:
        """Reads `name` or `name(key=value, …)`; values are Python literals, a bare word is a string."""
        match = re.fullmatch(r"\s*([^()]+?)\s*(?:\((.*)\))?\s*", text, re.DOTALL)
        if match is None:
            raise UserError(f"Cannot read {text!r} as a part of a system.", "Write name or name(key=value, …).")
        name, inside = match.groups()
        return cls(name, _options(inside) if inside else {})


def _options(inside: str) -> dict[str, Any]:
    try:
        call = ast.parse(f"f({inside})", mode="eval").body
        assert isinstance(call, ast.Call)
        if call.args or any(keyword.arg is None for keyword in call.keywords):
            raise ValueError("only key=value")
        return {str(keyword.arg): _literal(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError) as error:
        raise UserError(f"Cannot read the options ({inside}).", "Write them as (key=value, …).") from error


def _literal(node: ast.expr) -> Any:
    return node.id if isinstance(node, ast.Name) else ast.literal_eval(node)


@dataclass(frozen=True)
class System:
    """Backbone + pooler + head, and the hyperparameters that its card gives for training it."""

    name: str
    backbone: Part
    pooler: Part
    head: Part
    training: Mapping[str, Any] = field(default_factory=dict)
    summary: str = ""
    source: str = ""
    changed: str = ""  # what differs from the published system, and why
    head_given: bool = True  # false where MODEL named none

    @property
    def spec(self) -> str:
        """`backbone+pooler+head` with all options that were given."""
        return "+".join(str(part) for part in (self.backbone, self.pooler, self.head))

    def parts(self) -> Iterator[tuple[str, Part]]:
        """("backbone", Part), ("pooler", Part), ("head", Part)."""
        for kind in KINDS:
            yield kind, getattr(self, kind)

    def with_options(self, kind: str, options: Mapping[str, Any]) -> System:
        """The same system with a part's options replaced."""
        changed: dict[str, Any] = {kind: Part(getattr(self, kind).name, dict(options))}
        return replace(self, **changed)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> System:
        parts: dict[str, Any] = {kind: Part(content[kind]["name"], content[kind].get("options", {})) for kind in KINDS}
        rest = {f.name: content[f.name] for f in fields(cls) if f.name not in KINDS and f.name in content}
        return cls(**rest, **parts)


@cache
def named() -> dict[str, System]:
    """The named systems: `benchmarks/systems/*.toml`, in name order."""
    found = {}
    for file in resources.files("voxboard.benchmarks").joinpath("systems").iterdir():
        if file.name.endswith(".toml"):
            system = _from_card(tomllib.loads(file.read_text(encoding="utf-8")))
            found[system.name] = system
    return dict(sorted(found.items()))


def _from_card(card: dict[str, Any]) -> System:
    parts: dict[str, Any] = {kind: Part(card[kind].pop("name"), card[kind]) for kind in KINDS}
    rest = {key: value for key, value in card.items() if key not in KINDS}
    return System(**rest, **parts)


def parse(model: str) -> System:
    """The system that MODEL names. Raises `UserError` with the nearest match for an unknown name."""
    folded = {name.lower(): system for name, system in named().items()}
    if model.lower() in folded:
        return folded[model.lower()]
    pieces = _split(model)
    if len(pieces) == 1:
        raise unknown("MODEL", model, [*named(), "backbone+pooler+head"])
    if len(pieces) > len(KINDS):
        raise UserError(f"{model!r} has {len(pieces)} parts.", "Write backbone+pooler+head.")
    backbone, pooler, head = map(Part.parse, [*pieces, DEFAULT_HEAD][: len(KINDS)])
    return System(model, backbone, pooler, head, head_given=len(pieces) == len(KINDS))


def _split(model: str) -> list[str]:
    """Splits at the plus signs outside brackets."""
    return [piece for piece in re.split(r"\+(?![^(]*\))", model) if piece.strip()]


def fitted(system: System, benchmark: Part) -> System:
    """The system as the benchmark trains it: its head's label, where the words say nothing else."""
    from voxboard import benchmarks

    made = benchmarks.create(benchmark.name, **benchmark.options)
    if system.head.name == DEFAULT_HEAD and not system.head_given:
        system = replace(system, head=Part(made.default_head))
    return system.with_options("head", {**wanted(system, benchmark), **system.head.options})


def wanted(system: System, benchmark: Part) -> dict[str, Any]:
    """The options that the benchmark needs of the system's head, of those that it has."""
    from voxboard import benchmarks

    made = benchmarks.create(benchmark.name, **benchmark.options)
    known = {f.name for f in fields(registry("head").resolve(system.head.name)[0].Config)}
    return {key: value for key, value in made.head_options().items() if key in known}


def check(system: System) -> System:
    """Raises `UserError` when a part or one of its options does not exist."""
    for kind, part in system.parts():
        registry(kind).config(part.name, **part.options)
    return system


def registry(kind: str) -> Any:
    """The registry of a kind of part."""
    import importlib

    return importlib.import_module(f"voxboard.{kind}s").REGISTRY
