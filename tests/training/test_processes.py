"""Several processes together do what one would do with the whole batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.shared_work import BANK, RUNS, SIZES, write_corpus
from voxboard import records
from voxboard.training import checkpoint, run_folder
from voxboard.training.synced import SyncedBatchNorm

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone")


def _done(out: Path, *start: str) -> Path:
    out.mkdir()
    write_corpus(out / "corpus")
    words = [*(start or (sys.executable,)), "-m", "tests.training.shared_work", str(out)]
    subprocess.run(words, check=True, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=300)
    return out


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _done(tmp_path_factory.mktemp("one") / "out")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _done(tmp_path_factory.mktemp("two") / "out", *TORCHRUN, "--nproc_per_node", "2")


def _losses(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def test_a_batch_that_cannot_be_shared_is_refused_by_all(one: Path, two: Path) -> None:
    said = "A batch of 3 cannot be shared by 2 processes."
    assert json.loads((two / "processes.json").read_text()) == [[0, said], [1, said]]
    assert json.loads((one / "processes.json").read_text()) == [[0, ""]]


@pytest.mark.parametrize("name", [*RUNS, *BANK])
def test_the_loss_is_that_of_one_process_with_the_whole_batch(one: Path, two: Path, name: str) -> None:
    assert len(_losses(two / name)) == 2
    assert _losses(two / name) == pytest.approx(_losses(one / name), rel=1e-4)


def test_so_are_the_weights_and_the_running_statistics(one: Path, two: Path) -> None:
    # By plain descent: Adam makes steps of the rounding where a gradient is zero.
    (mine, _), (other, _) = (run_folder.state_of(out / "accumulated", "last") for out in (one, two))
    assert mine.keys() == other.keys()
    for name, tensor in mine.items():
        torch.testing.assert_close(other[name], tensor, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("size", SIZES)
def test_embeddings_have_the_same_bits_however_many_share_the_work(one: Path, two: Path, size: int) -> None:
    mine, other = (np.load(out / "embeddings.npz") for out in (one, two))
    assert mine[f"{size}"].shape[0] == size
    for name in (f"{size}", f"{size}-kept"):  # the second from a store
        assert (mine[name] == other[name]).all()


def test_one_record_per_run_says_how_many_processes_there_were(one: Path, two: Path) -> None:
    mine, other = (records.load(out / "records") for out in (one, two))
    assert len(mine) == len(other) == len(RUNS) + len(BANK)
    assert {record.provenance.device for record in mine} == {"cpu"}
    assert {record.provenance.device for record in other} == {"cpu × 2"}
    assert {record.cost.utterances for record in other} == {record.cost.utterances for record in mine}


def test_what_is_broken_off_ends_as_if_it_had_not_been(two: Path) -> None:
    assert (two / "resumed" / "metrics.jsonl").read_text() == (two / "batch-norm" / "metrics.jsonl").read_text()
    (mine, _), (other, _) = (run_folder.state_of(two / name, "last") for name in ("batch-norm", "resumed"))
    assert checkpoint.same(mine, other)


def test_normalisation_alone_is_pytorchs() -> None:
    ours, theirs = SyncedBatchNorm(3), torch.nn.BatchNorm1d(3)
    values = torch.randn(5, 3)
    assert torch.equal(ours.eval()(values), theirs.eval()(values))
