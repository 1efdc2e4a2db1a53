"""One variant folder of reference numbers: config.json, input.npz, output.npz and perhaps weights.npz."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

OWN = Path(__file__).resolve().parent / "fixtures"
# Where the README suggests another tolerance than 1e-4.
SUGGESTED = {
    "auden_fbank": 1e-3,
    "checkpoint_average": 1e-6,
    "eden_schedule": 1e-9,
    "ge2e_contrast": 1e-5,
    "ge2e_softmax": 1e-5,
}
ROOT = Path(os.environ.get("VOXBOARD_PARITY") or OWN)


@dataclass(frozen=True)
class Fixture:
    """A component (the parent folder's name) and one variant of it; everything else is in its config."""

    folder: Path

    @property
    def component(self) -> str:
        return self.folder.parent.name

    @property
    def name(self) -> str:
        return f"{self.component}/{self.folder.name}"

    @cached_property
    def config(self) -> dict[str, Any]:
        return json.loads((self.folder / "config.json").read_text(encoding="utf-8"))

    @cached_property
    def ctor(self) -> dict[str, Any]:
        return self.config.get("ctor", {})

    @cached_property
    def notes(self) -> str:
        """All that the config says in words."""
        return " ".join(str(self.config.get(key, "")) for key in ("layout", "notes", "output_notes"))

    @cached_property
    def inputs(self) -> dict[str, Tensor]:
        return {name: torch.from_numpy(value) for name, value in _read(self.folder / "input.npz").items()}

    @cached_property
    def outputs(self) -> dict[str, np.ndarray]:
        return _read(self.folder / "output.npz")

    @cached_property
    def weights(self) -> dict[str, Tensor]:
        """The stored weights, or those that `rule_v1` of the fixtures' README draws, as its checksums confirm."""
        stated = self.config.get("weights", {})
        if isinstance(stated, dict) and stated.get("mode") == "rule":
            return _drawn(stated)
        return {name: torch.from_numpy(value) for name, value in _read(self.folder / "weights.npz").items()}

    def option(self, *names: str, default: Any = None) -> Any:
        """The first constructor argument that is there under one of these names."""
        return next((self.ctor[name] for name in names if name in self.ctor), default)

    def tolerance(self, output: str) -> dict[str, float]:
        """atol and rtol of an output; some configs leave them to the README."""
        stated = self.config.get("tol_overrides", {}).get(output) or self.config.get("tol")
        return stated or {"atol": SUGGESTED.get(self.component, 1e-4), "rtol": 0.0}


def variants() -> list[Fixture]:
    """Every variant folder under the root, in name order."""
    return [Fixture(path.parent) for path in sorted(ROOT.rglob("config.json"))]


def _drawn(stated: dict[str, Any]) -> dict[str, Tensor]:
    """The weights that a rule draws, which say by their sums whether they are the reference's."""
    assert stated["rule"].startswith("rule_v1"), stated["rule"]
    random = np.random.default_rng(stated["seed"])
    drawn = {key: _by_rule(key, random.standard_normal(shape)) for key, shape in stated["manifest"]}
    total = sum(value.sum(dtype=np.float64) for value in drawn.values())
    assert np.isclose(total, stated["checksum_sum"], rtol=1e-6, atol=1e-3), "the weights are not the reference's"
    return {key: torch.from_numpy(value) for key, value in drawn.items()}


def _by_rule(key: str, z: np.ndarray) -> np.ndarray:
    """One tensor of `rule_v1` from its draws."""
    if key.endswith("running_var"):
        value = 0.5 + np.abs(z)
    elif key.endswith("running_mean"):
        value = 0.1 * z
    elif z.ndim <= 1:
        value = 0.1 * z + float(key.endswith(("weight", "gamma")))
    else:
        value = z / np.sqrt(np.prod(z.shape[1:])) * (4.0 if z.ndim == 3 and ".attention." in key else 1.0)
    return np.asarray(value, dtype=np.float32)


def _read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as content:
        return {name: content[name] for name in content.files}


def number(pattern: str, text: str, default: float) -> float:
    """The number that a pattern finds in a text."""
    found = re.search(pattern, text)
    return float(found.group(1)) if found else default
