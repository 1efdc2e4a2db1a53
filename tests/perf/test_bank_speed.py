"""A bank of probes on a frozen backbone of WavLM-base's size against one probe alone, in one run."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.cuts import noise_cuts
from tests.perf.measure import report
from voxboard.cli.train import read
from voxboard.data.corpus import Corpus, CorpusInfo
from voxboard.training import run_folder
from voxboard.training.run import train_bank

pytestmark = pytest.mark.perf
POOLERS = ("mean", "statistics", "asp", "mha", "double-mha", "unipool(conv_dim=32)")
WORDS = "--frz_pretrain --batch_size 8 --train_max_sec 3 --workers 0 --device cpu --nb_total_step 5 --skiptest"


def test_six_probes_cost_little_more_than_one(tmp_path: Path) -> None:
    """Training of six probes takes at most 1.4 times as long as that of one; with what is built and saved, 1.6."""
    cuts = noise_cuts(tmp_path, [3.2] * 16)
    Corpus.write(tmp_path / "c", CorpusInfo("c"), {"train": cuts}, tmp_path)
    wall, training = {}, {}
    for count in (1, 6):
        configs = [read([str(tmp_path / "c"), f"wavlm-base+{one}+aam", *WORDS.split()]) for one in POOLERS[:count]]
        runs = [tmp_path / f"{count}-{place}" for place in range(count)]
        started = time.perf_counter()
        train_bank(configs, runs, show_progress=False)
        wall[count] = time.perf_counter() - started
        training[count] = sum(run_folder.state_of(run, "last")[1]["seconds"] for run in runs)
    report("training 6 probes on WavLM-base's size", {"ours": training[6], "1 probe": training[1]}, "≤ 1.4 × one probe")
    report("the same, with building and saving", {"ours": wall[6], "1 probe": wall[1]}, "≤ 1.6 × one probe")
    assert training[6] <= 1.4 * training[1]
    assert wall[6] <= 1.6 * wall[1]
