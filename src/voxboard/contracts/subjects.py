"""Parts to be checked, by the names that the command line takes."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import torch

from voxboard import systems
from voxboard.contracts.checks import Check, Subject
from voxboard.contracts.inputs import CLASSES, SIZE, specs
from voxboard.errors import unknown

FRAME_SIZE = 64  # of the frames that poolers are built for: every registered pooler's default options fit it


def checks(kind: str, name: str = "") -> tuple[Check[Any], ...]:
    """All checks of a kind of part, in the order in which they make sense.

    A backbone of that `name` that is an encoder of utterances has checks of its own. Raises `UserError` for an unknown
    kind or name.
    """
    if kind not in systems.KINDS:
        raise unknown("kind of part", kind, systems.KINDS)
    contract = "utterance" if kind == "backbone" and name and systems.is_whole(name) else kind
    all_checks: tuple[Check[Any], ...] = importlib.import_module(f"voxboard.contracts.{contract}").CHECKS
    return all_checks


def subjects(kind: str, name: str, options: Mapping[str, Any], size: int = FRAME_SIZE) -> list[Subject[Any]]:
    """A part as it is with its options: once, or for a pooler over frames of one layer and of several.

    `size` is that of the frames. Raises `UserError` for an unknown name or option.
    """
    if kind not in systems.KINDS:
        raise unknown("kind of part", kind, systems.KINDS)
    registry = systems.registry(kind)
    config = registry.config(name, **options)
    if kind == "pooler":
        return [Subject(kind, name, _seeded(registry, name, options, spec), at) for at, spec in specs(size).items()]
    if kind == "backbone":
        return [Subject(kind, name, _seeded(registry, name, options))]
    needs = registry.resolve(name)[0].needs(config)
    classes = dict.fromkeys(needs, CLASSES) if len(needs) > 1 else CLASSES
    return [Subject(kind, name, _seeded(registry, name, options, SIZE, classes), needs=needs)]


def _seeded(registry: Any, name: str, options: Mapping[str, Any], *sizes: Any) -> Callable[[int], Any]:
    def build(seed: int) -> Any:
        torch.manual_seed(seed)
        return registry.create(name, *sizes, **options)

    return build
