"""What a panel cannot show is said in every format."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from tests.plots.plot_samples import grouped
from tests.records.record_samples import DCF, EER, make_record
from voxboard.boards import render
from voxboard.boards.arrange import arrange
from voxboard.boards.doubts import BOUND, CHOSEN
from voxboard.boards.groups import divisions
from voxboard.boards.model import Board
from voxboard.boards.record_table import sheet
from voxboard.boards.terminal import table
from voxboard.records import Filed, Record, Value

WHY = "0 errors at the list's own threshold in 40 targets and 60 non-targets; ≤ 14.11 % (40 speakers, one-sided 95 %)"


def perfect(name: str = "a", clusters: int = 40) -> Record:
    bound = Value(0.0, low=0.0, high=0.1411, clusters=clusters, interval="bound", reason=WHY)
    cost = Value(0.2, unit="cost", low=0.1, high=0.4, clusters=clusters, false_alarms=3)
    return make_record(name, values={EER: bound, DCF: cost})


def board(*records: Record) -> Board:
    return arrange([Filed(f"{record.id}.json", record) for record in records])


def printed(renderable: object, width: int = 2000) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(renderable)
    return " ".join(out.getvalue().split())


def test_a_bound_and_its_reason_are_in_every_format() -> None:
    found = board(perfect())
    files = render(found)
    assert "0.00 % ≤ 14.11" in files["leaderboard.md"]
    assert "0.00 % ≤ 14.11" in printed(table(found))
    assert "≤ 14.11" in files["index.html"]
    line = next(row for row in csv.DictReader(io.StringIO(files["leaderboard.csv"])) if row["metric"] == EER)
    assert (line["low"], line["high"], line["interval"], line["reason"]) == ("0.0", "0.1411", "bound", WHY)
    (cell,) = [one for one in json.loads(files["leaderboard.json"])["cells"] if one["metric"] == EER]
    assert (cell["interval"], cell["reason"]) == ("bound", WHY)
    assert WHY.replace("'", "&#39;") in files["index.html"]
    assert BOUND in files["index.html"]
    assert "≤ 14.11" in printed(sheet(perfect()))
    assert BOUND in printed(sheet(perfect()))


def test_a_cost_that_three_false_alarms_decide_is_marked_in_every_format() -> None:
    said = (
        "This list cannot show minDCF(0.01): at the optimum there are 3 false alarms, fewer than the 10 that it takes."
    )
    found = board(perfect())
    files = render(found)
    assert said in files["index.html"]
    assert said in files["leaderboard.md"]
    assert said in json.loads(files["leaderboard.json"])["panels"][0]["notes"]
    assert said in printed(table(found))
    assert said in printed(sheet(perfect()))
    many = replace(perfect(), values={DCF: Value(0.2, unit="cost", false_alarms=10), EER: Value(0.1)})
    assert "cannot show" not in printed(sheet(many))


@pytest.mark.parametrize(
    ("clusters", "systems", "said"), [(5, 2, "too few speakers"), (6, 4, "that takes 8"), (6, 2, "")]
)
def test_what_so_few_speakers_cannot_tell_apart_is_said(clusters: int, systems: int, said: str) -> None:
    found = board(*(perfect(name, clusters) for name in "abcd"[:systems]))
    notes = [note for note in found.panels[0].notes if "speaker" in note and note != BOUND]
    assert len(notes) == bool(said)
    assert said in " ".join(notes)


def test_worst_groups_are_said_to_be_chosen_after_the_fact() -> None:
    files = render(board(grouped("a+b")))
    assert CHOSEN in files["leaderboard.md"]
    assert CHOSEN in files["index.html"]
    assert CHOSEN in printed(sheet(grouped("a+b")))
    part = next(one for one in divisions(grouped("a+b")) if one.gap)
    assert part.gap
    few = replace(part, gap=replace(part.gap, value=replace(part.gap.value, clusters=5)))
    assert few.sentence.endswith("Too few speakers to tell anything apart.")
