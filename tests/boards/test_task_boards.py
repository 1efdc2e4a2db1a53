"""Boards of several tasks: sections, directions and units, confusion matrices, and very many groups."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tests.boards.task_samples import DER, WER, attribute, diarized, level
from tests.records.record_samples import make_record
from voxboard.boards import arrange, build, render
from voxboard.boards.arrange import column_order
from voxboard.boards.forest import forest
from voxboard.boards.group_forest import group_forests
from voxboard.boards.groups import divisions
from voxboard.boards.record_table import sheet
from voxboard.boards.tasks import sections
from voxboard.charts.confusion import LARGEST, matrix
from voxboard.records import Confusion, Filed, Record, save
from voxboard.records.standard_metrics import standard

HOSTILE = "<img src=x onerror=alert(1)>\"'"


def _board(*records: Record):  # type: ignore[no-untyped-def]
    return arrange(Filed(f"{place}.json", record) for place, record in enumerate(records))


def _page(*records: Record) -> str:
    return render(_board(*records))["index.html"]


def _all() -> list[Record]:
    return [make_record("a+b+c"), attribute("a+b+softmax"), diarized("a+b+c"), level("a+b+regression")]


def test_a_section_per_task_in_the_usual_order() -> None:
    board = _board(*reversed(_all()))
    assert [section.title for section in sections(board)] == ["Verification", "Attributes", "Diarization", "Intensity"]
    assert [panel for section in sections(board) for panel in section.panels] == list(board.panels)
    page = _page(*_all())
    headings = re.findall(r'<section class="task" id="t-\w+">\s*<h2>(\w+)</h2>', page)
    assert headings == ["Verification", "Attributes", "Diarization", "Intensity"]
    assert page.count('<h3 class="title">') == 4
    assert set(re.findall(r'href="#(t-\w+)"', page)) == set(re.findall(r'id="(t-\w+)"', page))


def test_one_task_has_no_sections_of_tasks() -> None:
    page = _page(attribute("x+y"), attribute("x+z", label="accent"))
    assert 'class="task"' not in page
    assert page.count('<h2 class="title">') == 2


def test_higher_is_better_where_the_metric_says_so() -> None:
    board = _board(attribute("bad", ((120, 90), (80, 130))), attribute("good"))
    panel = board.panels[0]
    assert [row.label for row in panel.rows] == ["good", "bad"]
    assert 'data-first="desc"' in render(board)["index.html"]
    plot = forest(panel)
    assert plot is not None
    assert (plot.marks[0].label, plot.ticks[-1][1], plot.unit) == ("good", "100", "%")


def test_units_are_shown_as_they_are() -> None:
    panel = _board(level("x+y")).panels[0]
    texts = {column.metric: panel.cell(panel.rows[0], column).text for column in panel.columns}
    assert texts == {"rmse": "3.10 dB", "pearson": "-0.100", "rmse@ridge": "0.40 dB"}


def test_intervals_say_what_was_resampled() -> None:
    assert "bootstrapped over recordings, not single items" in _page(diarized("x+y"))


@pytest.mark.parametrize(
    ("metric", "shown"),
    [
        ("balanced_accuracy@macro", "Balanced accuracy"),
        ("accuracy@top1", "Accuracy"),
        ("macro_f1@all", "Macro-F1"),
        (WER, "WER (basic)"),
        ("wer@none", "WER"),
        ("substitutions@none", "Substitutions"),
        ("insertion_rate@none", "insertion_rate@none"),
        ("miss@collar=0.25", "Missed (collar=0.25)"),
        ("jer@collar=0", "JER (collar=0)"),
        ("der@collar=0.25,no_overlap", "DER (collar=0.25, no_overlap)"),
        ("rmse@ridge", "RMSE (ridge)"),
        ("pearson", "Pearson r"),
        ("recall@5,text-to-audio", "Recall@5 (text to audio)"),
        ("map@10,audio-to-text", "mAP@10 (audio to text)"),
        ("median_rank@text-to-audio", "Median rank (text to audio)"),
    ],
)
def test_metrics_of_all_tasks_have_names_and_meanings(metric: str, shown: str) -> None:
    described = standard(metric)
    assert described.name == shown
    assert bool(described.meaning) == (shown != metric)


def test_the_main_metric_comes_first_and_its_parts_follow() -> None:
    metrics = ["confusion@collar=0.25", "jer@collar=0", "miss@collar=0.25", DER]
    ordered = sorted(metrics, key=lambda metric: column_order(metric, DER))
    assert ordered == [DER, "jer@collar=0", "miss@collar=0.25", "confusion@collar=0.25"]


def test_a_row_of_a_matrix_is_in_percent_of_the_true_class() -> None:
    found = matrix(Confusion(("a", "b", "c"), ((199, 1, 0), (50, 50, 0), (0, 0, 0))))
    assert found is not None
    first, second, empty = found.lines
    assert [field.text for field in first.fields] == [">99", "<1", ""]
    assert [field.shade for field in second.fields] == [5, 5, 0]
    assert second.fields[0].hint == "b taken for a: 50 of 100 (50.0 %)"
    assert [field.right for field in second.fields] == [False, True, False]
    assert (empty.total, [field.text for field in empty.fields]) == (0, ["", "", ""])
    assert [(pair.true, pair.taken, pair.times) for pair in found.pairs] == [("b", "a", 50), ("a", "b", 1)]
    assert matrix(None) is None
    assert matrix(Confusion(("a",), ((0,),))) is None


def test_a_rare_mistake_is_not_shown_as_none() -> None:
    found = matrix(Confusion(("a", "b"), ((999, 1), (0, 5))))
    assert found is not None
    assert (found.lines[0].fields[1].text, found.lines[0].fields[1].shade) == ("<1", 1)


def test_the_page_draws_the_matrix_of_the_best_and_of_every_record() -> None:
    page = _page(attribute("bad", ((120, 90), (80, 130))), attribute("good"))
    assert page.count('<table class="confusion') == 3
    assert "male taken for female: 12 of 210 (5.7 %)" in page
    assert 'style="' not in page  # the page's policy forbids it


def test_class_names_are_data() -> None:
    page = _page(attribute("x+y", classes=(HOSTILE, "male")))
    assert "<img" not in page
    assert "&lt;img" in page


def test_many_classes_are_told_by_their_worst_pairs() -> None:
    size = LARGEST + 6
    counts = tuple(tuple(8 if a == b else 3 if b == a + 1 else 0 for b in range(size)) for a in range(size))
    names = tuple(f"v{place:03d}" for place in range(size))
    page = _page(attribute("x+y", counts, names, "speaker"))
    assert '<table class="confusion' not in page
    assert f"{size} classes are too many" in page
    assert "3 of 11 (27.3 %)" in page


def test_hundreds_of_recordings_do_not_flood_the_page() -> None:
    record = diarized("x+y")
    board = _board(record)
    panel = board.panels[0]
    (part,) = divisions(record)
    assert part.many
    assert part.spread == "From 0.00 % (r000) to 23.90 % (r231), half of the 232 up to 11.90 %."
    assert group_forests(panel, panel.filed[panel.rows[0].id]) == ()
    page = render(board)["index.html"]
    named = re.findall(r'<th scope="row">(recording=r\d+)</th>', page)
    assert len(named) == 40
    assert named[0] == "recording=r231"  # the worst first
    assert "The 40 worst; 192 more are in the record" in page
    assert part.spread in page
    assert len(json.loads(render(board)["leaderboard.json"])["groups"]) == 232


def test_few_recordings_are_all_drawn() -> None:
    record = diarized("x+y", recordings=5)
    panel = _board(record).panels[0]
    (plot,) = group_forests(panel, panel.filed[panel.rows[0].id])
    assert len(plot.marks) == 5


def _printed(record: Record) -> str:
    out = StringIO()
    Console(file=out, width=160).print(sheet(record))
    return out.getvalue()


def test_a_sheet_counts_what_was_scored() -> None:
    assert "trials" in _printed(make_record())
    said = _printed(attribute("x+y"))
    assert "utterances" in said
    assert "trials" not in said
    few, many = _printed(diarized("x+y", recordings=5)), _printed(diarized("x+y"))
    assert "turns" in few
    assert few.count("recording=") == 5
    assert many.count("recording=") == 0
    assert "half of the 232" in many


def test_the_same_records_give_the_same_bytes_with_all_tasks(tmp_path: Path) -> None:
    for place, records in enumerate((_all(), list(reversed(_all())))):
        for record in records:
            save(record, tmp_path / f"r{place}")
        build(tmp_path / f"r{place}", tmp_path / f"b{place}")
    for file in ("index.html", "leaderboard.md", "leaderboard.csv", "leaderboard.json"):
        assert (tmp_path / "b0" / file).read_bytes() == (tmp_path / "b1" / file).read_bytes()
