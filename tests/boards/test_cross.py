"""Train × test: which numbers stand beside each other, and what the gap is."""

from __future__ import annotations

import csv
import io
import json
import random
from dataclasses import replace

import pytest

from tests.boards.cross_samples import by_cohort, many, met, told
from tests.records.record_samples import DCF, failed
from voxboard.boards import Board, arrange, render, terminal
from voxboard.boards.cross import SHADES, Cross, crosses
from voxboard.boards.gap import gap
from voxboard.records import Crop, Filed, Record, Value

A, B, C = ("LibriSpeech", "VCTK", "Vox1")


def board_of(*records: Record) -> Board:
    return arrange(Filed(f"{index}.json", record) for index, record in enumerate(records))


def cross_of(*records: Record) -> Cross:
    (cross,) = crosses(board_of(*records))
    return cross


def test_the_gap_is_the_mean_of_foreign_test_sets_less_the_value_at_home() -> None:
    cross = cross_of(met("s", A, A, 0.05), met("s", A, B, 0.10), met("s", A, C, 0.21))
    (line,) = cross.lines
    assert [one.label for one in cross.sets] == [A, B, C]
    assert [field.home for field in line.fields] == [True, False, False]
    assert [field.text for field in line.fields] == ["", "+5.00", "+16.00"]
    assert line.gap
    assert line.gap.value == pytest.approx((0.10 + 0.21) / 2 - 0.05)
    # Independent: the half widths of the three values add up in squares, halved for each of the two in the mean.
    assert line.gap.high == pytest.approx(0.105 + (0.02**2 + 0.01**2 + 0.01**2) ** 0.5)
    assert line.full == "+10.50 points [8.05, 12.95]"


def test_where_higher_is_better_the_gap_is_the_other_way_round() -> None:
    cross = cross_of(told(met("s", A, A, 0.1), 0.9, A), told(met("s", A, B, 0.1), 0.7, B))
    (line,) = cross.lines
    assert (cross.title, cross.column.better) == ("gender", "higher")
    assert line.gap
    assert line.gap.value == pytest.approx(0.2)
    assert [field.text for field in line.fields] == ["", "+20.0"]


def test_one_interval_is_that_of_a_difference_and_skewness_stays() -> None:
    home, away = Value(0.05, low=0.04, high=0.09), Value(0.2, low=0.19, high=0.23)
    found = gap([away], [home])
    assert found.low == pytest.approx(0.15 - (0.01**2 + 0.04**2) ** 0.5)
    assert found.high == pytest.approx(0.15 + (0.03**2 + 0.01**2) ** 0.5)
    higher = gap([replace(home, better="higher")], [replace(away, better="higher")])
    assert (higher.low, higher.high) == pytest.approx((found.low, found.high))


def test_a_gap_without_all_intervals_has_none() -> None:
    (line,) = cross_of(met("s", A, A, 0.05), met("s", A, B, 0.1, half=None)).lines
    assert line.gap
    assert (line.gap.low, line.interval) == (None, "")


def test_without_training_or_a_number_at_home_there_is_no_gap() -> None:
    cross = cross_of(
        met("u", "", A, 0.3), met("u", "", B, 0.3), met("s", C, A, 0.1), met("s", C, B, 0.2), met("t", A, A, 0.1)
    )
    assert [(line.row.label, line.gap, line.full) for line in cross.lines] == [("s", None, "–"), ("u", None, "–")]
    assert not any(field.text for line in cross.lines for field in line.fields)


def test_a_mixture_is_at_home_in_its_parts() -> None:
    def record(tested_on: str, value: float) -> Record:
        base = met("s", "Both", tested_on, value)
        assert base.system.training
        training = replace(base.system.training, hyperparameters={"mixture": {A: 0.5, B: 0.5}})
        return replace(base, system=replace(base.system, training=training))

    (line,) = cross_of(record(A, 0.1), record(B, 0.2), record(C, 0.4)).lines
    assert [field.home for field in line.fields] == [True, True, False]
    assert line.gap
    assert line.gap.value == pytest.approx(0.4 - 0.15)


def test_missing_test_sets_are_counted_and_say_why() -> None:
    cross = cross_of(*many())
    short = {(line.row.label, line.row.trained_on): line for line in cross.lines if line.partial}
    assert {key[1]: line.partial for key, line in short.items()} == {
        "Vox1": "2 of 3 test sets",
        "Voices": "2 of 3 test sets",
    }
    reasons = {field.cell.reason for line in short.values() for field in line.fields if not field.cell.text}
    assert reasons == {"not run", "failed: not enough memory"}


def test_home_runs_down_the_diagonal_and_untrained_is_last() -> None:
    cross = cross_of(*many())
    assert [one.label for one in cross.sets] == [A, B, C, "Voices"]
    homes = [[field.home for field in line.fields].index(True) for line in cross.lines[:-1]]
    assert homes == [0, 0, 1, 1, 2, 2, 3, 3]
    assert cross.lines[-1].row.trained_on == "untrained"


def test_colours_are_by_column_and_a_baseline_does_not_stretch_them() -> None:
    cross = cross_of(
        *(met("s", A, A, 0.1), met("s", A, B, 0.3)),
        *(met("s", B, A, 0.2), met("s", B, B, 0.1)),
        *(met("u", "", A, 0.5), met("u", "", B, 0.1)),
    )
    shades = [[field.shade for field in line.fields] for line in cross.lines]
    assert shades == [[SHADES, 0], [0, SHADES], [0, SHADES]]


def test_other_weights_under_the_same_name_are_another_row() -> None:
    old = [met("s", A, A, 0.05), met("s", A, B, 0.1)]
    new = [replace(r, provenance=replace(r.provenance, digests={"weights": "new"})) for r in old]
    assert crosses(board_of(old[0], new[1])) == ()
    later = replace(new[1], provenance=replace(new[1].provenance, created="2026-12-01T00:00:00Z"))
    assert crosses(board_of(*old, later)) == ()  # the number at home is that of other weights
    third = replace(new[0], **_on(C))
    cross = cross_of(*old, replace(old[1], **_on("Common Voice")), later, third)
    assert {line.weights for line in cross.lines} == {"new", "s LibriS"}


def _on(corpus: str) -> dict[str, object]:
    other = met("s", A, corpus, 0.2)
    return {"benchmark": other.benchmark, "protocol": other.protocol}


def test_a_cohort_of_the_training_corpus_does_not_divide_a_test_set() -> None:
    cross = cross_of(*(by_cohort(met("s", t, on, 0.1), t.encode().hex()) for t in (A, B) for on in (A, B)))
    assert [(one.label, len(one.panels)) for one in cross.sets] == [(A, 2), (B, 2)]
    assert all(field.cell.text for line in cross.lines for field in line.fields)


def test_another_way_of_measuring_is_another_matrix() -> None:
    records = [met("s", A, on, 0.1) for on in (A, B)]
    cut = [replace(r, protocol=replace(r.protocol, crop=Crop("whole", 5.0))) for r in records if r.protocol]
    found = crosses(board_of(*records, *cut))
    differs = {cross.family.differs for cross in found}
    assert differs == {("whole utterance",), ("whole utterance, at most 5.00 s",)}
    assert crosses(board_of(records[0], cut[1])) == ()


def test_two_lists_of_one_corpus_are_two_test_sets_of_one_home() -> None:
    other = met("s", A, A, 0.07)
    assert other.protocol
    other = replace(other, protocol=replace(other.protocol, items=replace(other.protocol.items, digest="ff" * 32)))
    cross = cross_of(met("s", A, A, 0.05), other, met("s", A, B, 0.1))
    assert [one.label for one in cross.sets] == ["LibriSpeech (4c6962)", "LibriSpeech (ffffff)", "VCTK"]
    assert cross.lines[0].gap
    assert cross.lines[0].gap.value == pytest.approx(0.1 - 0.06)
    assert crosses(board_of(met("s", A, A, 0.05), other)) == ()  # one corpus is no crossing


def test_untrained_systems_alone_are_no_matrix() -> None:
    assert crosses(board_of(*(met("u", "", on, 0.3) for on in (A, B)), failed("f"))) == ()


def test_every_format_has_the_matrix() -> None:
    shown = render(board_of(*many()))
    text = shown["leaderboard.md"]
    assert "### Verification: EER, lower is better" in text
    assert "| 4.20 % [2.95, 5.45] *home* | 14.80 % [13.53, 16.07] (+10.60) |" in text
    data = json.loads(shown["leaderboard.json"])
    (entry,) = data["crosses"]
    assert [one["corpus"] for one in entry["test_sets"]] == [A, B, C, "Voices"]
    row = entry["rows"][0]
    assert [cell["home"] for cell in row["cells"]] == [True, False, False, False]
    assert row["gap"]["value"] == pytest.approx(
        sum(cell["value"] for cell in row["cells"][1:]) / 3 - row["cells"][0]["value"]
    )
    lines = list(csv.DictReader(io.StringIO(shown["leaderboard.csv"])))
    line = next(line for line in lines if (line["name"], line["trained_on"], line["corpus"]) == (row["name"], A, B))
    assert line["home"] == "no"
    assert float(line["gap_to_home"]) == row["cells"][1]["gap"]["value"]
    assert float(line["generalisation_gap_low"]) == row["gap"]["low"]
    assert {line["home"] for line in lines if line["metric"] == DCF or line["trained_on"] == "untrained"} == {""}
    page = shown["index.html"]
    assert page.count('class="num heat h6 home"') == 4
    assert '<a href="#cross">Train × test</a>' in page


def test_a_board_without_crossed_systems_has_no_word_of_it() -> None:
    shown = render(board_of(met("s", A, A, 0.05)))
    assert json.loads(shown["leaderboard.json"])["crosses"] == []
    for part in ("Train × test", 'id="cross"'):
        assert part not in shown["leaderboard.md"] + shown["index.html"].partition("</style>")[2]


def test_the_order_of_records_changes_no_byte() -> None:
    records = [Filed(f"{record.id}.json", record) for record in many()]
    first = render(arrange(records))
    random.Random(3).shuffle(records)
    assert render(arrange(records)) == first


def test_a_narrow_terminal_loses_intervals_before_test_sets() -> None:
    cross = cross_of(*many())
    wide, middle, narrow = (terminal.matrix(cross, width) for width in (None, 165, 90))
    assert [len(one.columns) for one in (wide, middle)] == [8, 8]
    assert len(narrow.columns) < 8
    assert "Intervals" not in str(wide.caption)
    assert "Intervals are in the files" in str(middle.caption)
    assert "more column" in str(narrow.caption)
