"""Comet."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voxboard.tracking.base import flat


class Comet:
    """Writes an archive for `comet upload` into the run folder; with COMET_START_ONLINE=true the client sends it."""

    package, install = "comet_ml", "voxboard[comet]"

    def __init__(self, folder: Path, resumed_at: int = 0) -> None:
        self.folder, self.resumed_at = folder, resumed_at

    def start(self, name: str, config: Mapping[str, Any]) -> None:
        os.environ.setdefault("COMET_START_ONLINE", "false")
        os.environ.setdefault("COMET_PROJECT_NAME", "voxboard")
        import comet_ml

        settings = comet_ml.ExperimentConfig(
            name=name,
            offline_directory=str(self.folder / "comet"),
            log_code=False,
            log_graph=False,
            log_git_metadata=False,
            log_git_patch=False,
            log_env_details=False,
            parse_args=False,
            auto_param_logging=False,
            auto_metric_logging=False,
            auto_output_logging=False,
            auto_histogram_weight_logging=False,
            display_summary_level=0,
        )
        self.run = comet_ml.start(experiment_config=settings)
        self.run.log_parameters({**flat(config), "resumed_at": self.resumed_at})

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log_metrics(dict(values), step=step)

    def summary(self, values: Mapping[str, float]) -> None:
        self.run.log_others(dict(values))

    def close(self) -> None:
        self.run.end()
