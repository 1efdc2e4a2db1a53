"""A bank on a corpus with validation and test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.training.test_bank import BACKBONE, PROBES, SHARED, same
from voxboard.backbones.ecapa import Ecapa
from voxboard.cli.train import read
from voxboard.training.run import train_bank


def test_evaluations_share_the_backbones_pass_and_give_the_same_numbers(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a corpus with validation and test: as many backbone batches as one run alone, and its records' values."""
    batches = []
    encode = Ecapa.encode

    def counted(self: Ecapa, *inputs: Any) -> Any:
        batches.append(1)
        return encode(self, *inputs)

    monkeypatch.setattr(Ecapa, "encode", counted)
    words = SHARED.replace("--skiptest", "--replicates 20").split()
    names = ("mean", "asp")
    configs = [read(["Voices", f"{BACKBONE}+{PROBES[name].split()[0]}", "--max_lr", "0.01", *words]) for name in names]
    one = [
        train_bank([config], [here / f"alone-{name}"], show_progress=False)
        for name, config in zip(names, configs, strict=True)
    ]
    alone_batches, batches[:] = len(batches) // 2, []
    both = train_bank(configs, [here / name for name in names], show_progress=False)
    assert len(batches) == alone_batches
    for (alone_run,), shared in zip(one, both, strict=True):
        assert alone_run.record is not None
        assert shared.record is not None
        assert shared.record.values == alone_run.record.values
        assert shared.record.protocol_id == alone_run.record.protocol_id
        assert shared.record.cost.wall_seconds is None
        assert same(shared.run, alone_run.run)
