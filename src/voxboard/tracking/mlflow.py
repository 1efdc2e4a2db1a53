"""MLflow, through its client alone: no run is made the active one, and nothing is logged by itself."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voxboard.tracking.base import flat


class MLflow:
    """Writes to the store of MLFLOW_TRACKING_URI, else to `mlflow.db` (SQLite) beside the run folders."""

    package, install = "mlflow", "voxboard[mlflow]"

    def __init__(self, folder: Path, resumed_at: int = 0) -> None:
        self.folder, self.resumed_at = folder, resumed_at

    def start(self, name: str, config: Mapping[str, Any]) -> None:
        uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.folder.parent / 'mlflow.db'}"
        from mlflow import MlflowClient
        from mlflow.entities import Param

        self.client = MlflowClient(uri)
        experiment = self._experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", "voxboard"))
        self.run = self.client.create_run(experiment, run_name=name).info.run_id
        pairs = {**flat(config), "resumed_at": self.resumed_at}
        params = [Param(_allowed(key), str(value)) for key, value in pairs.items()]
        for first in range(0, len(params), 100):  # as many as a request may have
            self.client.log_batch(self.run, params=params[first : first + 100])

    def _experiment(self, name: str) -> str:
        experiment = self.client.get_experiment_by_name(name)
        return experiment.experiment_id if experiment else self.client.create_experiment(name)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._log(step, values)

    def summary(self, values: Mapping[str, float]) -> None:
        self._log(0, {f"summary/{key}": value for key, value in values.items()})

    def _log(self, step: int, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = round(1000 * time.time())
        metrics = [Metric(_allowed(key), value, now, step) for key, value in values.items()]
        self.client.log_batch(self.run, metrics=metrics)

    def close(self) -> None:
        self.client.set_terminated(self.run)


def _allowed(key: str) -> str:
    """A key without what MLflow refuses, such as the @ and = of metric ids."""
    return re.sub(r"[^\w\-. :/]", "_", key)
