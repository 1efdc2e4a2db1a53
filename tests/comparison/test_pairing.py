"""Records are paired by the raw outputs that they name, in every metric that those tell."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.comparison.test_compare import SPEAKERS, gate, saved, trials, write
from tests.records.record_samples import DCF, EER, FAR, make_record
from voxboard.cli import main
from voxboard.metrics import bootstrap
from voxboard.records import Record, Value, outputs
from voxboard.scoring import calibration

NAMES = {
    **{EER: "eer", DCF: "min_dcf_0.01", FAR: "far", "frr@valid_threshold": "frr"},
    **{"cllr@valid_calibration": "cllr", "act_dcf@p=0.01": "act_dcf_0.01"},
}
PAIRS = trials(np.random.default_rng(0))


def evaluated(folder: Path, scores: np.ndarray, fixed: bool = True) -> Record:
    """A record of scores whose outputs are kept, as an evaluation without a run leaves them."""
    owners = [[name.partition("-")[0] for name in side] for side in PAIRS[:2]]
    made = calibration.fit(scores, PAIRS[2])
    intervals = bootstrap.detection(
        scores, PAIRS[2], *owners, p_targets=(0.01,), threshold=1.0, calibrated=made.apply(scores), replicates=200
    )
    values = {
        metric: Value(found.value, low=found.low, high=found.high, clusters=SPEAKERS, threshold=1.0)
        for metric, name in NAMES.items()
        if (found := intervals[name])
    }
    speakers = {name: name.partition("-")[0] for side in PAIRS[:2] for name in side}
    about = {"speakers": speakers, "fixed": {"threshold": 1.0, "calibration": made.to_dict()} if fixed else None}

    def save(where: Path, stem: str) -> None:
        write(where / f"scores-{stem}.txt", PAIRS, scores)

    digest = outputs.keep(save, "voices-abababab", about, folder / "outputs", 1.0)
    record = make_record("a", values=values, provenance__digests={"outputs": digest})
    assert record.protocol is not None
    record = replace(record, protocol=replace(record.protocol, metrics={name: {} for name in NAMES}))
    saved(folder / "records", record)
    return record


@pytest.fixture
def scores() -> np.ndarray:
    return np.asarray(PAIRS[2] * 2.0 + np.random.default_rng(1).normal(size=len(PAIRS[2])))


def compared(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, object]]:
    capsys.readouterr()
    assert main(["compare", *words, "--json", "--replicates", "200"]) == 0
    return {row["metric"]: row for row in json.loads(capsys.readouterr().out)["rows"]}


def test_every_metric_of_trials_is_paired_calibrated_ones_too(
    tmp_path: Path, scores: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated(tmp_path / "a", scores)
    noisy = scores + 0.5 * np.random.default_rng(2).normal(size=len(scores))
    after = evaluated(tmp_path / "b", noisy)
    rows = compared(capsys, str(tmp_path / "a/records"), str(tmp_path / "b"))
    assert {metric for metric, row in rows.items() if row["paired"]} == set(NAMES)
    assert {row["clusters"] for row in rows.values()} == {SPEAKERS}
    assert rows["cllr@valid_calibration"]["after"] == pytest.approx(after.values["cllr@valid_calibration"].value)
    shutil.rmtree(tmp_path / "b/outputs")
    alone = compared(capsys, str(tmp_path / "a"), str(tmp_path / "b/records"))
    assert {row["unpaired"] for row in alone.values()} == {"no raw outputs of B"}

    def width(row: dict[str, object]) -> float:
        low, high = (dict(row["difference"])[end] for end in ("low", "high"))  # type: ignore[call-overload]
        return float(high - low)

    # With twelve speakers not every single interval is narrower.
    assert np.mean([width(rows[metric]) / width(alone[metric]) for metric in NAMES]) < 1


def test_a_record_file_finds_them_above_it_and_noise_stops_the_gate(
    tmp_path: Path, scores: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated(tmp_path / "a", scores)
    evaluated(tmp_path / "b", scores + 3 * np.random.default_rng(2).normal(size=len(scores)))
    files = [str(next((tmp_path / name).rglob("*.json"))) for name in "ab"]
    assert gate(*files) == 4
    out = capsys.readouterr().out
    assert "worse (paired)" in out
    assert f"({SPEAKERS} speakers)" in out
    assert f"{EER} *" in out
    assert gate(files[0], files[0]) == 0
    assert f"equal in all {len(NAMES)} metrics" in capsys.readouterr().out


def test_what_outputs_do_not_tell_says_so(
    tmp_path: Path, scores: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated(tmp_path / "a", scores)
    evaluated(tmp_path / "b", scores[::-1].copy(), fixed=False)
    rows = compared(capsys, str(tmp_path / "a"), str(tmp_path / "b"))
    assert rows[EER]["paired"]
    assert rows["cllr@valid_calibration"]["unpaired"] == "raw outputs do not tell it"
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert "not paired: 2 metrics of a on Voices verification, seed 42" in capsys.readouterr().err
