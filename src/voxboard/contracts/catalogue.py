"""Contract of catalogue and command line: documented options that are plain values."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from voxboard import systems
from voxboard.contracts.checks import Broken, Check, Measurement, Subject
from voxboard.registry import option_docs


def documented_options(subject: Subject[Any]) -> Measurement:
    """The class has a docstring and a frozen `Config` whose fields are plain values with a sentence of help each."""
    registry = systems.registry(subject.kind)
    cls, fixed = registry.resolve(subject.name)
    if not cls.__doc__:
        raise Broken(f"{cls.__name__} has no docstring.", "Say in one sentence what it is, for `voxboard show`.")
    config = getattr(cls, "Config", None)
    if not (isinstance(config, type) and is_dataclass(config)):
        raise Broken(f"{cls.__name__} has no dataclass Config.", "Put a frozen dataclass Config inside the class.")
    options = {item.name: item for item in fields(config)}
    if not config.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise Broken(f"{cls.__name__}.Config is not frozen.", "Write @dataclass(frozen=True).")
    if wrong := sorted(set(fixed) - set(options)):
        raise Broken(f"The catalogue fixes options that it does not have: {', '.join(wrong)}.", "Correct its line.")
    plain = (int, float, bool, str, tuple)
    if wrong := [
        name for name, item in options.items() if item.default is MISSING or not isinstance(item.default, plain)
    ]:
        raise Broken(
            f"Its options {', '.join(wrong)} have no plain default.",
            "Give numbers, booleans, strings or tuples: they are written on command lines and in cards.",
        )
    if wrong := sorted(set(options) - set(option_docs(config))):
        raise Broken(
            f"Its options {', '.join(wrong)} have no help.", "Write a string literal below each, which --help shows."
        )
    return Measurement(len(options), f"{len(options)} options")


OPTIONS: Check[Any] = Check("options", "options are plain values with a sentence of help each", documented_options)
