"""Tracking of a run while it trains: numbers go into its folder, and to the trackers that `--trackers` names."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable

from voxboard.errors import UserError, unknown
from voxboard.registry import Entry, Registry

REGISTRY = Registry(
    "tracker",
    {
        "neptune": Entry("voxboard.tracking.neptune:Neptune", "Neptune's client, offline"),
        "comet": Entry("voxboard.tracking.comet:Comet", "Comet, offline unless COMET_START_ONLINE=true"),
        "wandb": Entry("voxboard.tracking.wandb:WandB", "Weights & Biases, offline unless WANDB_MODE says otherwise"),
        "mlflow": Entry("voxboard.tracking.mlflow:MLflow", "MLflow, in the store of MLFLOW_TRACKING_URI"),
    },
)


def check_names(names: Iterable[str]) -> None:
    """Raise `UserError` for a name that no tracker has; `path/to/file.py:Class` is one of the user's own."""
    for name in names:
        if ".py:" not in name and name not in REGISTRY.names():
            raise unknown("tracker", name, REGISTRY.names())


def check_packages(names: Iterable[str]) -> None:
    """Raise `UserError` when the client of a tracker is not installed."""
    for name in names:
        tracker, _ = REGISTRY.resolve(name)
        package = getattr(tracker, "package", "voxboard")
        spec = importlib.util.find_spec(package)
        # A folder of that name in the working directory, such as wandb makes, is no package.
        if spec is None or spec.origin is None:
            raise UserError(f"The tracker {name} needs the package {package}.", f"Run: pip install '{tracker.install}'")
