"""`voxboard plot` from a person's side: what can be named, what is refused, and why."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.plots.plot_samples import board_records, grouped, simulated
from tests.records.record_samples import failed, make_record
from voxboard.cli.plot import Kind, PlotArgs, run
from voxboard.errors import UserError
from voxboard.plots.sources import collect, same_protocol
from voxboard.records import Value, save
from voxboard.trials import Trials


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("records")
    for record in [*board_records(), failed("broken+x")]:
        save(record, folder)
    return folder


def _scores(path: Path, name: str = "scores", shift: int = 0) -> Path:
    """A score file as an evaluation writes it."""
    scores, labels = simulated(name, 2.5, 400)
    lines = [
        f"{label} e{i + shift} t{i} {score!r}\n"
        for i, (label, score) in enumerate(zip(labels.tolist(), scores.tolist(), strict=True))
    ]
    with gzip.open(path, "wt") if path.suffix == ".gz" else path.open("w") as file:
        file.writelines(lines)
    return path


@pytest.mark.parametrize("kind", ["det", "histogram", "calibration", "groups"])
def test_every_kind_draws_records_by_name(
    kind: Kind, records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("fbank+mean", "X-Vector+statistics+AAM")
    out = tmp_path / "plot.svg"
    assert run(PlotArgs(kind, names, out, records, corpus="vctk")) == 0
    assert out.read_text(encoding="utf-8").startswith("<?xml")
    shown = capsys.readouterr()
    assert shown.out == f"{out}\n"
    assert "Drew 2 systems." in shown.err


def test_sources_are_files_folders_and_names(records: Path, tmp_path: Path) -> None:
    one = next(records.rglob("fbank*.json"))
    everything = collect([str(records)], records, corpus="VCTK")
    assert len(everything) == 4
    same_protocol(everything)
    assert [subject.name for subject in collect([str(one)], records)] == ["fbank+mean"]
    both = collect(["fbank+mean"], records)
    assert {subject.name for subject in both} == {"fbank+mean (on VCTK)", "fbank+mean (on Voices)"}
    protocol = both[0].record.protocol_id if both[0].record else ""
    assert len(collect(["fbank+mean"], records, protocol=protocol[:5])) == 1


def test_the_newest_repetition_is_drawn(tmp_path: Path) -> None:
    old = make_record("a", 0.2, provenance__created="2026-01-01T00:00:00Z")
    new = make_record("a", 0.1, provenance__created="2026-02-01T00:00:00Z")
    save(new, tmp_path)
    save(old, tmp_path)
    (found,) = collect(["a"], tmp_path)
    assert found.record
    assert found.record.values["eer@interpolated"].value == 0.1


def test_seeds_are_told_apart(tmp_path: Path) -> None:
    for seed in (1, 2):
        save(make_record("a", provenance__seed=seed), tmp_path)
    assert [subject.name for subject in collect(["a"], tmp_path)] == ["a (seed 1)", "a (seed 2)"]


def test_a_record_of_another_task_has_no_part_in_a_det_plot(tmp_path: Path) -> None:
    save(grouped(), tmp_path)
    save(replace(make_record("fbank+statistics", 0.2), curves=None), tmp_path)
    assert run(PlotArgs("det", (str(tmp_path),), out=tmp_path / "det.svg")) == 0
    assert "fbank" not in (tmp_path / "det.svg").read_text()


def test_systems_of_two_protocols_share_no_det_plot(records: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has protocol \w+, .* has protocol \w+: their errors cannot share"):
        run(PlotArgs("det", (str(records),), tmp_path / "plot.svg", records))
    assert not (tmp_path / "plot.svg").exists()


@pytest.mark.parametrize("suffix", [".txt", ".txt.gz"])
def test_score_files_are_read_exactly(tmp_path: Path, suffix: str) -> None:
    (found,) = collect([str(_scores(tmp_path / f"s{suffix}"))], tmp_path)
    scores, labels = simulated("scores", 2.5, 400)
    assert found.name == "s"
    assert np.array_equal(found.scores, scores)
    assert np.array_equal(found.labels, labels)
    assert found.operating_point(0.2) == (np.mean(scores[labels == 0] >= 0.2), np.mean(scores[labels == 1] < 0.2))
    names = [str(i) for i in range(400)]
    assert found.digest == Trials.of(labels, [f"e{i}" for i in names], [f"t{i}" for i in names]).digest()


def test_score_files_share_a_plot_only_on_one_list(tmp_path: Path) -> None:
    files = [_scores(tmp_path / "a.txt", "a"), _scores(tmp_path / "b.txt", "b"), _scores(tmp_path / "c.txt", "a", 1)]
    out = tmp_path / "plot.png"
    assert run(PlotArgs("det", tuple(map(str, files[:2])), out, tmp_path, threshold=0.1)) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UserError, match="a has list .* c has list"):
        run(PlotArgs("det", tuple(map(str, files)), out, tmp_path))
    subjects = collect([str(files[0])], tmp_path)
    record = grouped()
    assert record.protocol
    same = replace(record.protocol, items=replace(record.protocol.items, digest=subjects[0].digest))
    save(replace(record, protocol=same), tmp_path / "records")
    same_protocol([*subjects, *collect([str(tmp_path / "records")], tmp_path)])


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("histogram", "1 a b 0.5\n0 a\n", "no score file"),
        ("histogram", "1 a b x\n", "no score file"),
        ("histogram", "2 a b 0.5\n", "no score file"),
        ("histogram", "", "there are no scores"),
        ("histogram", "1 a b nan\n0 a c 0.1\n", "NaN|no score file"),
        ("det", "1 a b 0.5\n", "no non-target"),
        ("groups", "1 a b 0.5\n0 a c 0.1\n", "know no groups"),
    ],
)
def test_bad_score_files_are_named(kind: Kind, text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "scores.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=says) as raised:
        run(PlotArgs(kind, (str(path),), tmp_path / "plot.svg", tmp_path))
    assert "scores.txt" in raised.value.problem


def test_what_is_missing_is_said(records: Path, tmp_path: Path) -> None:
    out = tmp_path / "plot.svg"
    save(make_record("plain+x"), tmp_path / "old")
    for kind, says in (("det", "no curves"), ("calibration", "no curves"), ("groups", "no group")):
        with pytest.raises(UserError, match=says):
            run(PlotArgs(kind, ("plain+x",), out, tmp_path / "old"))  # type: ignore[arg-type]
    for word, says in (("fbank+meen", "Did you mean fbank"), ("no/where.txt", "no file"), ("x.json", "no file")):
        with pytest.raises(UserError, match=says):
            run(PlotArgs("det", (word,), out, records))
    with pytest.raises(UserError, match="no record with numbers on Vox1"):
        run(PlotArgs("det", (str(records),), out, records, corpus="Vox1"))
    with pytest.raises(UserError, match="nothing to plot"):
        run(PlotArgs("det", (), out, records))


def test_a_broken_record_is_left_out_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(grouped(), tmp_path / "records")
    (tmp_path / "records" / "broken\x1b.json").write_text("[")
    assert run(PlotArgs("det", (str(tmp_path / "records"),), tmp_path / "plot.svg", tmp_path)) == 3
    assert "broken\\x1b.json: It is not readable as JSON" in capsys.readouterr().err
    assert (tmp_path / "plot.svg").is_file()
    with pytest.raises(UserError, match="broken"):
        collect([str(tmp_path / "records")], tmp_path)


def test_thresholds_come_from_the_record(tmp_path: Path) -> None:
    record = grouped()
    save(record, tmp_path)
    (found,) = collect([str(tmp_path)], tmp_path)
    assert (found.operating_point(None), found.threshold()) == (None, 0.24)
    assert record.protocol
    metrics = {**record.protocol.metrics, "frr@valid_threshold": {}}
    values = {"far@valid_threshold": Value(0.06, threshold=0.3), "frr@valid_threshold": Value(0.14, threshold=0.3)}
    valid = replace(record, values={**record.values, **values}, protocol=replace(record.protocol, metrics=metrics))
    save(valid, tmp_path / "valid")
    (found,) = collect([str(tmp_path / "valid")], tmp_path)
    assert (found.operating_point(None), found.threshold()) == ((0.06, 0.14), 0.3)
