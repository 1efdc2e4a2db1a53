"""Records of older schemas: they load, and their board has the numbers that it had when they were written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from voxboard.boards import arrange, render
from voxboard.errors import UserError
from voxboard.records import SCHEMA, Filed, Record

FIXTURES = Path(__file__).parents[1] / "records" / "fixtures"
OLD: dict[str, dict[str, Any]] = json.loads((FIXTURES / "records_schema_5.json").read_text(encoding="utf-8"))
CELL = ("benchmark", "system", "metric", "rank", "value", "low", "high", "text", "reason", "record")


def test_a_board_of_old_records_has_the_same_numbers() -> None:
    assert {record["schema"] for record in OLD.values()} == {1, 5}
    board = arrange(Filed(path, Record.from_dict(record)) for path, record in OLD.items())
    data = json.loads(render(board)["leaderboard.json"])
    cells = sorted(([cell[key] for key in CELL] for cell in data["cells"]), key=str)
    assert cells == json.loads((FIXTURES / "board_schema_5.json").read_text(encoding="utf-8"))
    assert (len(data["panels"]), board.superseded) == (4, 1)


@pytest.mark.parametrize("path", sorted(OLD))
def test_an_old_record_is_written_as_a_new_one(path: str) -> None:
    record = Record.from_dict(OLD[path])
    again = record.to_dict()
    assert again["schema"] == SCHEMA
    assert Record.from_dict(json.loads(json.dumps(again))) == record


def test_an_old_file_is_held_to_its_own_id() -> None:
    record = next(one for one in OLD.values() if one["schema"] == 5 and one["protocol"])
    changed = json.loads(json.dumps(record))
    changed["protocol"]["metrics"][record["benchmark"]["main_metric"]] = {"c_miss": 99}
    with pytest.raises(UserError, match=r"protocol\.id is"):
        Record.from_dict(changed)


def test_a_new_file_is_held_to_the_ids_of_its_columns() -> None:
    record = next(Record.from_dict(one) for one in OLD.values() if one["protocol"])
    changed = json.loads(json.dumps(record.to_dict()))
    changed["protocol"]["metrics"][record.benchmark.main_metric] = {"ties": "other"}
    with pytest.raises(UserError, match=r"protocol\.columns is"):
        Record.from_dict(changed)
