"""Paired differences by kind of raw outputs equal the benchmarks' own numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.test_retrieval import matched
from voxboard.benchmarks.retrieval import Retrieval
from voxboard.comparison import raw
from voxboard.comparison.outputs import is_raw, paired
from voxboard.comparison.raw import PairingOptions
from voxboard.errors import UserError

OPTIONS = PairingOptions({f"u{n}": f"s{n % 10}" for n in range(60)}, replicates=100)


def test_retrieval_is_paired_in_every_metric(tmp_path: Path) -> None:
    benchmark, outputs = Retrieval(Retrieval.Config()), matched(60, 20)
    noise = np.random.default_rng(1).normal(size=outputs.similarities.shape)
    other = replace(outputs, similarities=outputs.similarities + noise)
    for name, side in (("a", outputs), ("b", other)):
        (tmp_path / name).mkdir()
        benchmark.save(side, tmp_path / name, "c")
    files = [tmp_path / name / "ranks-c.jsonl" for name in "ab"]
    assert is_raw(files[0])
    found = paired(*files, OPTIONS)
    for side, key in ((outputs, "before"), (other, "after")):
        values = benchmark.measure(side, None, replicates=100).values
        assert {name: getattr(pair, key) for name, pair in found.items()} == pytest.approx(
            {name: value.value for name, value in values.items()}
        )
    main = found["map@10,text-to-audio"]
    assert (main.better, main.clusters) == ("higher", 10)
    assert main.difference.value == pytest.approx(main.after - main.before)
    assert main.difference.low is not None
    assert main.difference.high is not None
    assert main.difference.low < main.difference.value < main.difference.high
    same = paired(files[0], files[0], OPTIONS)
    assert all(pair.difference.value == 0 and pair.difference.low is None for pair in same.values())


def test_other_captions_are_refused(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 1)):
        (tmp_path / name).mkdir()
        Retrieval(Retrieval.Config()).save(matched(60, 20, seed), tmp_path / name, "c")
    with pytest.raises(UserError, match="of other captions"):
        paired(*(tmp_path / name / "ranks-c.jsonl" for name in "ab"), OPTIONS)


@pytest.mark.parametrize("data", [b"[" * 200_000, b"\xff\n", b"{]\n", b"\0"])
def test_damaged_raw_outputs_are_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "texts-a.jsonl").write_bytes(data)
    with pytest.raises(UserError, match=r"texts-a\.jsonl"):
        raw.rows(tmp_path / "texts-a.jsonl")
