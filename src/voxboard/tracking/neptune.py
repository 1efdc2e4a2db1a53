"""Neptune: its hosted service has ended, its client still writes offline."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voxboard.tracking.base import flat


class Neptune:
    """Writes `neptune/offline/…` into the run folder, unless NEPTUNE_MODE and NEPTUNE_PROJECT name a server."""

    package, install = "neptune", "neptune>=1.14"

    def __init__(self, folder: Path, resumed_at: int = 0) -> None:
        self.folder, self.resumed_at = folder, resumed_at

    def start(self, name: str, config: Mapping[str, Any]) -> None:
        os.environ.setdefault("NEPTUNE_MODE", "offline")
        os.environ.setdefault("NEPTUNE_DATA_DIRECTORY", str(self.folder / "neptune"))
        import neptune

        self.run = neptune.init_run(
            name=name,
            source_files=[],
            git_ref=False,
            capture_stdout=False,
            capture_stderr=False,
            capture_traceback=False,
            capture_hardware_metrics=False,
        )
        for key, value in flat(config, "/").items():
            self.run[f"config/{key}"] = value
        self.run["resumed_at"] = self.resumed_at

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for key, value in values.items():
            self.run[f"metrics/{key}"].append(value, step=step)

    def summary(self, values: Mapping[str, float]) -> None:
        for key, value in values.items():
            self.run[f"summary/{key}"] = value

    def close(self) -> None:
        self.run.stop()
