"""The contract of a tracker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol


class Tracker(Protocol):
    """Something that keeps the numbers of one run."""

    def start(self, name: str, config: Mapping[str, Any]) -> None:
        """Open the run; `config` is the resolved configuration, nested as in config.json."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Keep values of a step; one step may come twice, with other keys."""

    def summary(self, values: Mapping[str, float]) -> None:
        """Keep values of the whole run, such as those of its test."""

    def close(self) -> None:
        """Write what is not written yet."""


def flat(config: Mapping[str, Any], separator: str = ".", prefix: str = "") -> dict[str, str | int | float | bool]:
    """A nested configuration as one level: `training.max_lr`; lists become JSON, None is left out."""
    made: dict[str, str | int | float | bool] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            made |= flat(value, separator, f"{prefix}{key}{separator}")
        elif isinstance(value, (list, tuple)):
            made[f"{prefix}{key}"] = json.dumps(value, ensure_ascii=False)
        elif value is not None:
            made[f"{prefix}{key}"] = value
    return made
