"""Records pair by themselves: no raw outputs, whatever seed they were made with, and old ones say that they cannot."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.comparison.test_compare import saved, write
from tests.records.record_samples import EER, make_record
from voxboard.cli import main
from voxboard.comparison import between, rank_ranges
from voxboard.comparison.outputs import paired as of_outputs
from voxboard.comparison.raw import PairingOptions
from voxboard.errors import UserError
from voxboard.metrics import bootstrap
from voxboard.metrics.bootstrap import Interval
from voxboard.records import PackedEvidence, Record, Value

SPEAKERS, EACH = 40, 4
IDS = {EER: "eer", "min_dcf@p=0.01": "min_dcf_0.01", "min_dcf@p=0.05": "min_dcf_0.05"}


def value(one: Interval) -> Value:
    """As an evaluation writes it."""
    assert one.evidence is not None
    packed = PackedEvidence.of(one.evidence.digest, one.evidence.influences, one.evidence.replicates)
    made = "bound" if one.bound else one.method
    return Value(
        one.value, low=one.low, high=one.high, clusters=one.clusters, interval=made, unit="cost", evidence=packed
    )


def listed(seed: int = 0) -> tuple[tuple[list[str], list[str], np.ndarray], np.ndarray, np.ndarray]:
    """All pairs of utterances of 40 speakers with what makes them hard, and whose they are."""
    first, second = np.triu_indices(SPEAKERS * EACH, 1)
    names = np.array([f"s{place // EACH:02d}-u{place}" for place in range(SPEAKERS * EACH)])
    labels = (first // EACH == second // EACH).astype(int)
    rng = np.random.default_rng(seed)
    common = rng.normal(size=len(labels)) + 0.4 * rng.normal(size=SPEAKERS)[first // EACH]
    return (names[first].tolist(), names[second].tolist(), labels), common, np.stack([first, second]) // EACH


def values(scores: np.ndarray, labels: np.ndarray, owners: np.ndarray) -> dict[str, Value]:
    names = [f"s{speaker:02d}" for speaker in range(SPEAKERS)]
    found = bootstrap.detection(scores, labels, *owners, names=names)
    return {metric: value(found[name]) for metric, name in IDS.items()}


def systems(*distances: float) -> list[dict[str, Value]]:
    pairs, common, owners = listed()
    found = []
    for place, distance in enumerate(distances):
        own = np.random.default_rng([1, place]).normal(size=len(common))
        found.append(values(distance * pairs[2] + 0.8 * common + 0.6 * own, pairs[2], owners))
    return found


def test_a_leader_and_an_untrained_system_have_disjoint_places() -> None:
    columns = [one[EER] for one in systems(3.4, 3.5, 2.5)]
    assert [round(100 * (one.value or 0)) for one in columns] == [5, 3, 10]
    found = rank_ranges(columns)
    assert found == [(1, 2), (1, 2), (3, 3)]


def test_pairing_tells_apart_what_single_intervals_do_not() -> None:
    columns = [one[EER] for one in systems(3.4, 2.85)]
    assert rank_ranges(columns) == [(1, 1), (2, 2)]
    assert rank_ranges([replace(one, evidence=None) for one in columns]) == [(1, 2), (1, 2)]


def test_places_are_those_of_the_paired_comparison_of_every_pair() -> None:
    rows = [one[EER] for one in systems(3.6, 3.5, 3.2, 3.0, 2.8, 2.7)]
    rows[1] = replace(rows[1], evidence=None)
    assert rank_ranges(rows) == rank_ranges(rows, compare=lambda i, j: between(rows[i], rows[j]))


def test_differences_from_records_equal_those_from_raw_outputs(tmp_path: Path) -> None:
    pairs, common, owners = listed()
    rng = np.random.default_rng(2)
    sides = [distance * pairs[2] + common + 0.5 * rng.normal(size=len(common)) for distance in (3.4, 2.8)]
    speakers = {name: name.partition("-")[0] for side in pairs[:2] for name in side}
    files = [Path(write(tmp_path / f"{name}.txt", pairs, side)) for name, side in zip("ab", sides, strict=True)]
    raw = of_outputs(*files, PairingOptions(speakers))
    first, second = (values(side, pairs[2], owners) for side in sides)
    for metric, exact in ((EER, 1e-6), ("min_dcf@p=0.01", 1e-4), ("min_dcf@p=0.05", 1e-4)):
        ours, theirs = between(first[metric], second[metric]), raw[metric].difference
        assert ours.method == "resampled"
        assert (ours.value, ours.low, ours.high) == pytest.approx((theirs.value, theirs.low, theirs.high), abs=exact)
        assert ours.p == pytest.approx(theirs.p, rel=1e-3)


def test_sixteen_bits_are_enough() -> None:
    """Rounded resamples move the ends of a difference by no more than the step of both."""
    pairs, common, owners = listed()
    found = [
        bootstrap.detection(distance * pairs[2] + common, pairs[2], *owners, names=[f"s{k:02d}" for k in range(40)])
        for distance in (3.4, 2.9)
    ]
    for name in ("eer", "min_dcf_0.01", "frr"):
        sides = [one[name] for one in found if name in one]
        if sides:
            exact, kept = bootstrap.between(*sides), between(*map(value, sides))
            assert (kept.low, kept.high) == pytest.approx((exact.low, exact.high), abs=2e-5)


def record(name: str, made: dict[str, Value], seed: int) -> Record:
    sample = make_record(name, values=made)
    assert sample.protocol is not None
    metrics: dict[str, dict[str, object]] = {metric: {} for metric in made}
    sample = replace(sample, protocol=replace(sample.protocol, metrics=metrics))
    return replace(sample, provenance=replace(sample.provenance, seed=seed))


def test_records_alone_are_paired_and_stop_the_gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = systems(3.6, 2.7)
    saved(tmp_path / "a", record("alpha", good, 1))
    saved(tmp_path / "b", record("beta", bad, 2))
    files = [str(next((tmp_path / name).rglob("*.json"))) for name in "ab"]
    assert main(["compare", *files, "--json", "--fail_on_regression"]) == 4
    rows = {row["metric"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert all(row["paired"] for row in rows.values())
    assert rows[EER]["verdict"] == "worse"
    old = {metric: replace(one, evidence=None) for metric, one in bad.items()}
    saved(tmp_path / "old", record("beta", old, 2))
    assert main(["compare", files[0], str(next((tmp_path / "old").rglob("*.json"))), "--json"]) == 0
    out, err = capsys.readouterr()
    assert {row["difference"]["method"] for row in json.loads(out)["rows"]} == {"unpaired"}
    assert "no raw outputs" in err


def test_other_speakers_are_not_paired_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = systems(3.6, 2.7)
    other = {
        metric: replace(one, evidence=replace(one.evidence, digest="0" * 16))  # type: ignore[type-var]
        for metric, one in bad.items()
    }
    saved(tmp_path / "a", record("alpha", good, 1))
    saved(tmp_path / "b", record("beta", other, 2))
    files = [str(next((tmp_path / name).rglob("*.json"))) for name in "ab"]
    assert main(["compare", *files]) == 0
    out, err = capsys.readouterr()
    assert "(unpaired)" in out
    assert "measured on other items or speakers" in err


@pytest.mark.parametrize(
    "change",
    [{"influences": "?"}, {"influences": ""}, {"influences": "AAA="}, {"replicates": ""}, {"low": None}, {"low": 9.0}],
)
def test_damaged_evidence_is_named(change: dict[str, object]) -> None:
    one = systems(3.0)[0][EER]
    assert one.evidence is not None
    with pytest.raises(UserError, match="evidence"):
        replace(one, evidence=replace(one.evidence, **change)).validate("values.eer@interpolated")  # type: ignore[arg-type]


def test_evidence_of_forty_speakers_is_about_ten_kilobytes() -> None:
    pairs, common, owners = listed()
    scores = 3.0 * pairs[2] + common
    found = bootstrap.detection(scores, pairs[2], *owners, threshold=1.5, calibrated=scores - 1.5)
    size = sum(len(json.dumps(vars(value(one).evidence))) for one in found.values())
    assert 9_000 < size < 12_000
