"""What is new between two boards is told once, and time is nothing new."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.boards.task_samples import attribute
from voxboard import records
from voxboard.boards import arrange, build
from voxboard.boards.tables import data
from voxboard.cli.nightly import compare
from voxboard.grids.changes import changes
from voxboard.grids.reproducible_board import digest
from voxboard.grids.workspace import Workspace
from voxboard.records import Filed, Record


def board(*found: Record) -> Any:
    return data(arrange([Filed(f"{number}.json", record) for number, record in enumerate(found)]))


def slower(record: Record) -> Record:
    return replace(
        record,
        cost=replace(record.cost, wall_seconds=1e4, embeddings_per_second=0.1),
        provenance=replace(record.provenance, created="2030-01-01T00:00:00Z"),
    )


def better(record: Record) -> Record:
    metric = record.benchmark.main_metric
    value = replace(record.values[metric], value=0.99, low=0.98, high=1.0)
    return replace(record, values={**record.values, metric: value})


def test_a_number_that_moved_is_told_with_both_its_values() -> None:
    one, two = attribute("one"), attribute("two")
    text = changes(board(one, two), board(better(one), two))
    assert "## Changed: 1" in text
    assert "99.0 %" in text
    assert "two" not in text
    assert "## New" not in text


def test_what_came_and_what_went_is_told() -> None:
    one, two = attribute("one"), attribute("two")
    text = changes(board(one), board(two))
    new, _, gone = text.partition("## Gone")
    assert "two" in new.partition("## New")[2]
    assert "one" in gone


def test_time_is_no_change() -> None:
    one = attribute("one")
    assert "No number has changed." in changes(board(one), board(slower(one)))
    assert digest([Filed("x/a.json", one)]) == digest([Filed("x/b.json", slower(one))])
    assert digest([Filed("x/a.json", one)]) != digest([Filed("x/a.json", better(one))])


def test_the_second_of_two_nights_changes_no_byte(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)

    def night() -> dict[Path, bytes]:
        build(workspace.records, workspace.board)
        compare(workspace)
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    records.save(attribute("one"), workspace.records / "a")
    first = night()
    assert "the first" in (workspace.board / "changes.md").read_text()
    assert night() == first
    records.save(attribute("two"), workspace.records / "b")
    second = night()
    assert "## New: 2" in (workspace.board / "changes.md").read_text()
    assert night() == second
    # Killed between the two files, a night makes the same comparison again.
    (workspace.root / "last-night.json").write_bytes(first[workspace.root / "last-night.json"])
    assert night() == second


def test_a_name_cannot_break_the_table() -> None:
    lines = [line for line in changes(None, board(attribute("a|b"))).splitlines() if "a&#124;b" in line]
    assert len(lines) == 2
    assert all(line.count("|") == 5 for line in lines)


@pytest.mark.parametrize("words", [["nightly", "--help"], ["grid", "run", "--help"], ["grid", "cross", "--help"]])
def test_the_commands_explain_themselves(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    from voxboard.cli import main

    with pytest.raises(SystemExit):
        main(words)
    assert "usage" in capsys.readouterr().out
