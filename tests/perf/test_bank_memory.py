"""Peak memory of a bank on a frozen backbone of 24 layers × 1024 that hears 32 crops of 3 s: a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cuts import noise_cuts
from tests.perf.measure import peak_bytes, report

POOLERS = ("mean", "statistics", "asp", "mha", "double-mha", "unipool")
WORDS = "--frz_pretrain --batch_size 32 --train_max_sec 3 --workers 0 --device cpu --nb_total_step 2"
LIMIT = 12e9
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.perf
def test_a_bank_on_a_large_backbone_fits_in_12_gb(tmp_path: Path) -> None:
    """Two steps of six probes, a validation and a test, from the start of Python to its end."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "tests.perf.test_bank_memory", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    took = {"ours": time.perf_counter() - started}
    memory = {"whole process": found["peak"] / 2**20}
    report("6 probes on WavLM-large, 32 × 3 s, two steps", took, "< 12 GB", memory)
    assert found["records"] == len(POOLERS)
    assert found["peak"] < LIMIT


def main(folder: Path) -> None:
    """Trains and tests the bank in a folder; prints how many records there are, and the peak in bytes."""
    from voxboard.cli.train import read
    from voxboard.data.corpus import Corpus, CorpusInfo
    from voxboard.training.run import train_bank

    cuts = noise_cuts(folder, [3.2] * 32 + [15.0, 4.0, 4.0] * 2)
    lists = {"valid": cuts[32:35], "test": cuts[35:]}
    for split, some in lists.items():
        for cut in some[1:]:  # two of a speaker, one of another
            cut.supervisions[0].speaker = f"{split} speaker"
        one, two, three = (cut.id for cut in some)
        (folder / f"{split}.txt").write_text(f"0 {one} {two}\n1 {two} {three}\n0 {one} {three}\n")
    Corpus.write(folder / "c", CorpusInfo("c"), {"train": cuts[:32], **lists}, folder)
    trials = ["--valid_trials", f"{folder}/valid.txt", "--test_trials", f"{folder}/test.txt", "--replicates", "20"]
    words = [*WORDS.split(), *trials, "--records", str(folder / "records")]
    configs = [read([str(folder / "c"), f"wavlm-large+{pooler}+aam", *words]) for pooler in POOLERS]
    outcomes = train_bank(configs, [folder / pooler for pooler in POOLERS], show_progress=False)
    print(json.dumps({"records": sum(one.record is not None for one in outcomes), "peak": peak_bytes()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
