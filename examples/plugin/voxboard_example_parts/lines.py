"""The numbers of a run as lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Lines:
    """Writes `lines.txt` into the run folder; a run that is gone on with adds to it."""

    def __init__(self, folder: Path, resumed_at: int = 0) -> None:
        self.file = (folder / "lines.txt").open("a", encoding="utf-8")
        self.resumed_at = resumed_at

    def start(self, name: str, config: Mapping[str, Any]) -> None:
        self._write(f"{name} from step {self.resumed_at}, seed {config['general']['seed']}")

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._write(f"step {step}: {self._joined(values)}")

    def summary(self, values: Mapping[str, float]) -> None:
        self._write(f"in the end: {self._joined(values)}")

    def close(self) -> None:
        self.file.close()

    @staticmethod
    def _joined(values: Mapping[str, float]) -> str:
        return ", ".join(f"{key} {value:g}" for key, value in values.items())

    def _write(self, line: str) -> None:
        print(line, file=self.file, flush=True)
