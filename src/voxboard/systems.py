"""Systems, as MODEL on the command line names them: a named system, or `backbone+pooler+head` with options in brackets.

UniPool
wavlm-base-plus+unipool+aam
ecapa(channels=256)+native+aam(margin=0.3, scale=32)
hf:/data/wavlm(depth=6)+mean
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from voxboard import part_text, trust
from voxboard.errors import UserError, unknown
from voxboard.parts import Part

KINDS = ("backbone", "pooler", "head")
DEFAULT_HEAD = "aam"
PROBE = "projected"  # the pooler that puts an embedding layer behind another one


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

    def fixed(self, kind: str) -> dict[str, Any]:
        """The options that a part's name fixes unless others are given."""
        options: dict[str, Any] = registry(kind).resolve(getattr(self, kind).name)[1]
        return options

    def with_options(self, kind: str, options: Mapping[str, Any]) -> System:
        """The same system with a part's options replaced."""
        changed: dict[str, Any] = {kind: Part(getattr(self, kind).name, dict(options))}
        return replace(self, **changed)

    @property
    def embedding_layer(self) -> int:
        """Size of the embedding layer that `probing` has put behind the pooler, 0 without one."""
        return int(self.pooler.options.get("size", 0)) if self.pooler.name == PROBE else 0

    def probing(self, size: int) -> System:
        """Return the system with an embedding layer of `size` behind its pooler, for a backbone that stays frozen.

        The same system for size 0, for a pooler that has the layer already, for a head that reads frames, and for a
        named system, which stays as it was published.
        """
        reads = registry("head").resolve(self.head.name)[0].reads
        if not size or self.pooler.name == PROBE or reads != "embedding" or self.name in named():
            return self
        return replace(self, pooler=Part(PROBE, {"pooler": str(self.pooler), "size": size}))

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
    systems = {}
    for file in resources.files("voxboard.benchmarks").joinpath("systems").iterdir():
        if file.name.endswith(".toml"):
            system = _from_card(tomllib.loads(file.read_text(encoding="utf-8")))
            systems[system.name] = system
    return dict(sorted(systems.items()))


def _from_card(card: dict[str, Any]) -> System:
    parts: dict[str, Any] = {kind: Part(card[kind].pop("name"), card[kind]) for kind in KINDS}
    rest = {key: value for key, value in card.items() if key not in KINDS}
    return System(**rest, **parts)


def parse(model: str) -> System:
    """The system that MODEL names. Raises `UserError` with the nearest match for an unknown name."""
    folded = {name.lower(): system for name, system in named().items()}
    if model.lower() in folded:
        return folded[model.lower()]
    words = pieces(model)
    if not words:
        raise unknown("MODEL", model, [*named(), "backbone+pooler+head"])
    if len(words) == 1:
        name = Part.parse(words[0]).name
        _explain(name)
        if is_alone(name):
            return System(model, Part.parse(words[0]), Part("native"), Part(DEFAULT_HEAD), head_given=False)
        if registry("backbone").has_prefix(name) or ".py:" in name:
            raise UserError(f"{model} is a backbone without a pooler.", f"Write {model}+mean, say.")
        raise unknown("MODEL", model, [*named(), "backbone+pooler+head"])
    if len(words) > len(KINDS):
        raise UserError(f"{model!r} has {len(words)} parts.", "Write backbone+pooler+head.")
    backbone, pooler, head = map(Part.parse, [*words, DEFAULT_HEAD][: len(KINDS)])
    if backbone.name not in registry("backbone").names():
        _explain(backbone.name)
    return System(model, backbone, pooler, head, head_given=len(words) == len(KINDS))


def is_whole(name: str) -> bool:
    """Return whether a name is that of an encoder of utterances, which needs no pooler.

    Of a user's file that must not run now it is not known, so not.
    """
    return _has(name, "whole")


def is_alone(name: str) -> bool:
    """Return whether a name may be a system by itself: an encoder of utterances, or one with a pooling of its own."""
    return _has(name, "whole") or _has(name, "alone")


def _has(name: str, attribute: str) -> bool:
    parts = registry("backbone")
    registered = name in parts.names() or parts.has_prefix(name) or (trust.MARK in name and not trust.is_inert())
    return registered and bool(getattr(parts.resolve(name)[0], attribute, False))


def pieces(model: str) -> list[str]:
    """Split at the plus signs outside brackets and quotation marks."""
    try:
        return [piece for piece in part_text.split(model, "+") if piece.strip()] or [model]
    except ValueError as error:
        raise UserError(
            f"Cannot read {model!r} as a part of a system: {error}.", "Write backbone(key=value, …)+pooler+head."
        ) from error


def _explain(name: str) -> None:
    """Raise `UserError` for a folder or file that stands where a name is wanted, with how it is written."""
    place = Path(name).expanduser()
    if not place.exists() or registry("backbone").has_prefix(name):
        return
    if (place / "embedding_model.ckpt").is_file():
        advice = f"Write speechbrain:{name}+native for a checkpoint of SpeechBrain's."
    elif (place / "config.json").is_file():
        advice = f"Write hf:{name}+mean for a Hugging Face folder, or --eval_path {name} for a run of voxboard's."
    elif place.is_dir():
        advice = "Write hf:FOLDER+mean for a Hugging Face folder (it has config.json), --eval_path RUN for a run."
    else:
        advice = f"Write {name}:Class+mean for a class of a Python file, hf:FOLDER+mean for a Hugging Face folder."
    raise UserError(f"{name} is a {'folder' if place.is_dir() else 'file'}, not the name of a system.", advice)


def check(system: System) -> System:
    """Raise `UserError` when a part or one of its options does not exist."""
    for kind, part in system.parts():
        registry(kind).check(part.name, part.options)
    return system


def registry(kind: str) -> Any:
    """The registry of a kind of part."""
    import importlib

    return importlib.import_module(f"voxboard.{kind}s").REGISTRY
