"""The trackers that every run has: JSON lines and TensorBoard events in its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voxboard.files import write_text


class JsonLines:
    """metrics.jsonl: one line per logged step. The summary is the record's."""

    def __init__(self, folder: Path, resumed_at: int = 0) -> None:
        self.path = folder / "metrics.jsonl"
        self._forget_after(resumed_at)
        self.file = self.path.open("a", encoding="utf-8")

    def _forget_after(self, step: int) -> None:
        """Drop lines that an interrupted run wrote after its last checkpoint."""
        if self.path.exists():
            lines = self.path.read_text(encoding="utf-8").splitlines()
            earlier = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= step]
            write_text(self.path, "".join(f"{line}\n" for line in earlier))

    def start(self, name: str, config: Mapping[str, Any]) -> None:
        """Nothing: the folder has the name and the configuration."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.file.write(json.dumps({"step": step, **values}) + "\n")
        self.file.flush()

    def summary(self, values: Mapping[str, float]) -> None:
        """Nothing: the record has them."""

    def close(self) -> None:
        self.file.close()


class TensorBoard:
    """events.out.*: the same for TensorBoard, which hides what came after the step that a run goes on from."""

    def __init__(self, folder: Path, resumed_at: int = 0) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self.board = SummaryWriter(str(folder), purge_step=resumed_at + 1 if resumed_at else None)

    def start(self, name: str, config: Mapping[str, Any]) -> None:
        """Nothing: the folder has the name and the configuration."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for key, value in values.items():
            self.board.add_scalar(key, value, step)

    def summary(self, values: Mapping[str, float]) -> None:
        """Nothing: the record has them."""

    def close(self) -> None:
        self.board.close()
