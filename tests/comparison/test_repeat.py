"""Records that are made again by their own commands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.records.record_samples import make_record
from voxboard import records
from voxboard.cli import main
from voxboard.cli.rerun import verify
from voxboard.comparison.repeat import TOLERANCE
from voxboard.errors import UserError
from voxboard.records import Record, Value


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    """Of two transcripts in the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("ref.txt").write_text("".join(f"u{i} one two three\n" for i in range(8)))
    Path("hyp.txt").write_text("".join(f"u{i} one {'two' if i % 3 else 'too'} three\n" for i in range(8)))
    command = ["score", "--hypotheses", "hyp.txt", "--references", "ref.txt", "--corpus", "toy", "--records=there"]
    assert main([*command, "--runs", "runs", "--json"]) == 0
    return records.load("there")[0]


def test_a_record_is_made_again_bit_for_bit_and_nothing_else_is_touched(record: Record) -> None:
    before = sorted(path.name for path in Path().rglob("*"))
    found = verify(record, tolerance=0.0)
    assert found.holds
    assert len(found.checks) == len(record.values)
    assert sorted(path.name for path in Path().rglob("*")) == before


def test_another_value_or_protocol_does_not_hold(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    wer = record.values["wer@none"]
    assert wer.value is not None
    changed = _with(record, {"wer@none": replace(wer, value=wer.value + 0.01)})
    assert [check.name for check in verify(changed).checks if not check.close] == ["wer@none"]
    assert verify(changed, tolerance=0.02).holds
    path = records.save(changed, "changed")
    assert main(["verify", str(path)]) == 4
    assert "not verified" in capsys.readouterr().out
    assert main(["verify", str(path), "--json", "--tolerance", "0.02"]) == 0
    assert json.loads(capsys.readouterr().out)["holds"] is True
    Path("ref.txt").write_text(Path("ref.txt").read_text().replace("u0 one", "u0 won"))
    assert verify(record).protocol[0] != verify(record).protocol[1]


def test_only_the_same_surroundings_ask_for_the_same_bits(record: Record) -> None:
    clean = replace(record.provenance, git_revision="ab", git_dirty=False)
    other = replace(clean, cpu="another")
    from voxboard.comparison import repeat

    assert repeat._tolerance(replace(record, provenance=clean), replace(record, provenance=clean))[0] == 0.0
    assert repeat._tolerance(replace(record, provenance=clean), replace(record, provenance=other))[0] == TOLERANCE
    dirty = replace(record, provenance=replace(clean, git_dirty=True))
    assert repeat._tolerance(dirty, dirty) == (TOLERANCE, "not the same, or not known to be: code version")
    threads = replace(record, provenance=replace(clean, threads=99))
    assert repeat._tolerance(replace(record, provenance=clean), threads) == (
        TOLERANCE,
        "not the same, or not known to be: threads",
    )
    wheel = replace(record, provenance=replace(clean, git_revision="", git_dirty=None))
    assert repeat._tolerance(wheel, wheel)[0] == 0.0
    digests = {**wheel.provenance.digests, "measuring_code": "another"}
    other_code = replace(wheel, provenance=replace(wheel.provenance, digests=digests))
    assert repeat._tolerance(wheel, other_code)[0] == TOLERANCE


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("voxboard demo", "cannot be run again"),
        ("rm -r results", "cannot be run again"),
        ("", "it has none"),
        ("voxboard score --hypotheses $DATA/hyp.txt", "needs a folder"),
        ("voxboard eval x y --token HIDDEN", "hidden secret"),
    ],
)
def test_commands_that_cannot_be_run_say_so(command: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATA", raising=False)
    with pytest.raises(UserError, match=problem):
        verify(make_record(provenance__command=command))


def test_the_folder_stands_for_data(record: Record, tmp_path: Path) -> None:
    command = record.provenance.command.replace("hyp.txt", "$DATA/hyp.txt")
    moved = replace(record, provenance=replace(record.provenance, command=command))
    assert verify(moved, data=str(tmp_path)).holds
    with pytest.raises(UserError, match="left 0 records and ended with 2"):
        verify(moved, data=str(tmp_path / "nowhere"))


def _with(record: Record, values: Mapping[str, Value]) -> Record:
    return replace(record, values={**record.values, **values})
