"""A part by its name and options, as command lines, cards and records write it: `name(key=value, …)`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from voxboard import part_text
from voxboard.errors import UserError


@dataclass(frozen=True)
class Part:
    """One part of a system: a registered name and the options that differ from its defaults."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        name = part_text.quoted(self.name)
        if not self.options:
            return name
        inside = ", ".join(f"{key}={value!r}" for key, value in sorted(self.options.items()))
        return f"{name}({inside})"

    @classmethod
    def parse(cls, text: str) -> Part:
        """Read `name` or `name(key=value, …)`; a value is a Python literal, or a text that needs no quotation marks."""
        try:
            name, inside = part_text.name_and_options(text)
        except ValueError:
            name, inside = "", None
        if not name:
            raise UserError(f"Cannot read {text!r} as a part of a system.", "Write name or name(key=value, …).")
        return cls(name, _options(inside) if inside and inside.strip() else {})


def _options(inside: str) -> dict[str, Any]:
    try:
        return part_text.options(inside)
    except ValueError as error:
        raise UserError(
            f"Cannot read the options ({inside}).",
            "Write them as (key=value, …); a text that holds commas or brackets stands in quotation marks.",
        ) from error
