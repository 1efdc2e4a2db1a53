"""Which records share a column, who is best, and what a missing cell says."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.records.record_samples import DCF, EER, FAR, failed, make_record
from voxboard import systems
from voxboard.boards import Board, arrange
from voxboard.boards.arrange import column_order
from voxboard.boards.model import full_names, hints
from voxboard.charts.numbers import duration, number, plain, quantity, show, show_interval, size
from voxboard.records import Benchmark, Crop, Exposure, Filed, Part, Record, Training, Value
from voxboard.records.standard_metrics import standard


def board_of(*records: Record) -> Board:
    return arrange(Filed(f"{index}.json", record) for index, record in enumerate(records))


def _names(rows: Sequence[object]) -> list[str]:
    return [row.label for row in rows]  # type: ignore[attr-defined]


def _other_protocol(record: Record) -> Record:
    assert record.protocol
    return replace(record, protocol=replace(record.protocol, crop=Crop("whole", 5.0)))


def test_rows_are_ranked_by_the_main_metric_and_ties_share_a_rank() -> None:
    board = board_of(make_record("c", 0.3), make_record("b", 0.1), make_record("a", 0.1), make_record("d", 0.2))
    panel = board.panels[0]
    assert _names(panel.rows) == ["a", "b", "d", "c"]
    assert [panel.cell(row, panel.main).rank for row in panel.rows] == [1, 1, 3, 4]
    assert [panel.cell(row, panel.main).best for row in panel.rows] == [True, True, False, False]


def test_places_are_those_that_chance_allows() -> None:
    """Intervals are ±20 %: the first two overlap, the third is far off, the last has no number."""
    board = board_of(make_record("a", 0.10), make_record("b", 0.11), make_record("c", 0.40), failed("d"))
    panel = board.panels[0]
    cells = [panel.cell(row, panel.main) for row in panel.rows]
    assert [cell.places for cell in cells] == ["1–2", "1–2", "3", "–"]
    assert [cell.span for cell in cells] == [(1, 2), (1, 2), (3, 3), None]


def test_without_intervals_any_place_is_possible() -> None:
    panel = board_of(make_record("a", 0.1), make_record("b", 0.4)).panels[0]
    cost = next(column for column in panel.columns if column.metric == DCF)
    assert [(panel.cell(row, cost).rank, panel.cell(row, cost).places) for row in panel.rows] == [
        (1, "1–2"),
        (2, "1–2"),
    ]


def test_higher_can_be_better() -> None:
    def record(name: str, value: float) -> Record:
        return make_record(name, values={EER: Value(value, "higher")}, groups=())

    assert _names(board_of(record("a", 0.2), record("b", 0.9)).panels[0].rows) == ["b", "a"]


def test_two_protocols_never_share_a_column_and_say_how_they_differ() -> None:
    board = board_of(make_record("a", 0.1), _other_protocol(make_record("b", 0.05)))
    assert len(board.panels) == 2
    assert len({panel.protocol_id for panel in board.panels}) == 2
    assert {panel.differs for panel in board.panels} == {("whole utterance",), ("whole utterance, at most 5.00 s",)}
    for panel in board.panels:
        assert len(panel.rows) == len(panel.absent) == 1
        assert panel.cell(panel.absent[0], panel.main).reason == "not run"


def test_equal_protocols_share_a_column_whatever_the_list_is_called() -> None:
    record = make_record("b")
    assert record.protocol
    renamed = replace(record, protocol=replace(record.protocol, items=replace(record.protocol.items, name="copy.csv")))
    assert len(board_of(make_record("a"), renamed).panels) == 1


def test_missing_numbers_say_why() -> None:
    partial = make_record("p", values={EER: Value(0.2)})
    board = board_of(make_record("a", 0.1), partial, failed("f", "out of memory"))
    panel = board.panels[0]
    reasons = {
        (row.label, column.metric): panel.cell(row, column).reason for row in panel.rows for column in panel.columns
    }
    assert reasons["a", FAR] == "no validation list"
    assert reasons["p", DCF] == "not measured"
    assert {reasons["f", metric] for metric in (EER, DCF, FAR)} == {"failed: out of memory"}
    assert _names(panel.rows) == ["a", "p", "f"]


def test_a_failure_without_protocol_is_missing_under_every_protocol() -> None:
    one, two = make_record("a"), _other_protocol(make_record("a"))
    board = board_of(one, two, failed("f", "no audio", protocol=None))
    assert len(board.panels) == 2
    for panel in board.panels:
        assert _names(panel.rows) == ["a", "f"]
        assert panel.cell(panel.rows[1], panel.main).reason == "failed: no audio"


def test_a_benchmark_where_everything_failed_still_has_its_column() -> None:
    panel = board_of(failed("f", "no audio", protocol=None)).panels[0]
    assert (panel.protocol_id, panel.main.metric) == ("", EER)
    assert panel.cell(panel.rows[0], panel.main).reason == "failed: no audio"


def test_the_newest_repetition_counts_and_a_later_failure_does_not_unmake_it() -> None:
    old = make_record("a", 0.2, provenance__created="2026-01-01T00:00:00Z")
    new = make_record("a", 0.1, provenance__created="2026-02-01T00:00:00Z")
    crash = failed("a", provenance__created="2026-03-01T00:00:00Z")
    board = board_of(crash, new, old)
    panel = board.panels[0]
    assert panel.cell(panel.rows[0], panel.main).text == "10.00 %"
    assert board.superseded == 2
    assert board.date == "2026-03-01T00:00:00Z"


def test_seeds_corpora_and_training_make_other_rows() -> None:
    base = make_record("a")
    assert base.system.training
    slower = replace(base.system.training, hyperparameters={"max_lr": 0.001})
    elsewhere = replace(base.system.training, corpus="VCTK")
    board = board_of(
        base,
        make_record("a", provenance__seed=43),
        make_record("a", system__training=None),
        make_record("a", system__training=slower),
        make_record("a", system__training=elsewhere),
    )
    seen = {(row.trained_on, row.seed, row.variant) for row in board.rows}
    assert seen == {
        ("Voices", 42, "max_lr=0.003"),
        ("Voices", 42, "max_lr=0.001"),
        ("Voices", 43, ""),
        ("untrained", 42, ""),
        ("VCTK", 42, ""),
    }


def test_different_audio_under_one_protocol_is_said() -> None:
    board = board_of(make_record("a"), make_record("b", provenance__digests={"audio": "99" * 32}))
    assert "different copies of the audio" in board.panels[0].notes[0]


def test_real_speech_comes_before_synthetic() -> None:
    real = Benchmark("Z real", "verification", "VCTK", EER)
    board = board_of(make_record("a"), make_record("a", benchmark=real))
    assert [panel.title for panel in board.panels] == ["Z real", "Voices verification"]


def test_the_main_metric_leads_and_the_rest_keeps_its_usual_order() -> None:
    columns = board_of(make_record()).panels[0].columns
    assert [column.label for column in columns] == ["EER", "minDCF(0.01)", "FAR*"]
    shuffled = [FAR, "x", DCF, EER, "min_dcf@p=0.05"]
    assert sorted(shuffled, key=lambda m: column_order(m, "x")) == ["x", EER, DCF, "min_dcf@p=0.05", FAR]


def test_the_order_of_records_does_not_matter() -> None:
    records = [Filed(f"{i}.json", make_record(f"s{i % 7}", i / 100, provenance__seed=i % 3)) for i in range(30)]
    boards = []
    for seed in range(3):
        random.Random(seed).shuffle(records)
        boards.append(arrange(records))
    assert boards[0] == boards[1] == boards[2]


# --- text ---


@pytest.mark.parametrize(
    ("metric", "shown"),
    [
        ("eer@interpolated", "EER"),
        ("eer@rocch", "EER (rocch)"),
        ("min_dcf@p=0.05", "minDCF(0.05)"),
        ("hter@valid_threshold", "EER*"),
        ("der@collar=0.25", "DER (collar=0.25)"),
        ("wer", "WER"),
        ("something@else", "something@else"),
    ],
)
def test_metric_ids_read_as_the_field_writes_them(metric: str, shown: str) -> None:
    described = standard(metric)
    assert described.name == shown
    assert bool(described.meaning) == (shown != metric)


@pytest.mark.parametrize(
    ("metric", "value", "text", "interval"),
    [
        ("eer@interpolated", Value(0.0409, low=0.0, high=0.9), "4.09 %", "[0.00, 90.00]"),
        ("eer@interpolated", Value(0.00664, low=0.00662, high=0.00666), "0.66 %", "[0.66, 0.67]"),
        ("der@collar=0.25", Value(0.5), "50.00 %", ""),
        ("wer@none", Value(0.0993, low=0.08, high=0.12), "9.93 %", "[8.00, 12.00]"),
        ("accuracy@top1", Value(0.8137, "higher"), "81.4 %", ""),
        ("min_dcf@p=0.01", Value(0.21449, unit="cost", low=0.2, high=0.45), "0.214", "[0.200, 0.450]"),
        ("pearson", Value(-0.0, unit="correlation"), "0.000", ""),
        ("rmse", Value(3.14159, unit="dB", low=2.0, high=4.0), "3.14 dB", "[2.00, 4.00]"),
        ("eer@interpolated", Value(None, reason="none"), "", ""),
        ("eer@interpolated", Value(0.0, low=0.0, high=0.141, interval="bound"), "0.00 %", "≤ 14.10"),
        ("accuracy@top1", Value(1.0, "higher", low=0.928, high=1.0, interval="bound"), "100.0 %", "≥ 92.8"),
        ("act_dcf@p=0.01", Value(1.0, unit="cost", low=0.9, high=9.0, interval="bound"), "1.000", "[0.900, 9.000]"),
        ("of nobody", Value(0.123456, unit="cost"), "0.123", ""),
    ],
)
def test_numbers_show_as_many_digits_as_papers_do(metric: str, value: Value, text: str, interval: str) -> None:
    digits = replace(standard(metric), unit=value.unit).digits
    assert (show(value, digits), show_interval(value, digits)) == (text, interval)


def test_options_stay_in_names() -> None:
    board = board_of(make_record("a(x=1)+mean"), make_record("b(x=1)+mean"))
    assert sorted(full_names(board.rows).values()) == ["a(x=1)+mean", "b(x=1)+mean"]


def _called(name: str, spec: str, **changes: Any) -> str:
    (row,) = board_of(make_record(name, system__spec=spec, **changes)).rows
    return row.label


@pytest.mark.parametrize(
    ("name", "spec", "shown"),
    [
        ("a+mean", "a(x=1)+mean+aam(scale=30.0)", "a(x=1)+mean+aam(scale=30.0)"),  # set by flags
        ("a(x=1)+mean+aam", "a(x=1)+mean+aam", "a(x=1)+mean+aam"),
        ("a(b='c+d')+mean", "a(b='c+d')+mean", "a(b='c+d')+mean"),
        ("Mine", "a(x=1)+mean+aam", "Mine"),
        ("my+thing", "a+mean+aam", "my+thing"),  # of others, who call it so
    ],
)
def test_a_name_has_all_options(name: str, spec: str, shown: str) -> None:
    assert _called(name, spec) == shown


@pytest.mark.parametrize("head", [None, Part("aam")])
def test_an_untrained_system_has_no_head(head: Part | None) -> None:
    assert _called("a+mean+aam", "a+mean+aam", system__training=None, system__head=head) == "a+mean"
    assert _called("a+mean+aam(scale=1)", "a(x=1)+mean", system__training=None, system__head=head) == "a(x=1)+mean"
    shown = _called("a+frames+ctc", "a+frames+ctc", system__training=None, system__pretrained=True)
    assert shown == "a+frames+ctc", "published weights of a head count"


def test_a_named_system_says_where_it_differs_from_its_card() -> None:
    card = systems.named()["UniPool"]
    parts = {f"system__{kind}": Part(part.name, dict(part.options)) for kind, part in card.parts()}
    assert _called("UniPool", card.spec, **parts) == "UniPool"
    parts["system__backbone"] = Part(card.backbone.name, {**card.backbone.options, "channels": 7})
    parts["system__head"] = Part(card.head.name, {**card.head.options, "label": "gender"})
    assert _called("UniPool", card.spec, **parts) == "UniPool(channels=7)"


def test_equal_labels_are_told_apart() -> None:
    base = {"system__backbone": Part("a", {"x": 1})}
    records = [
        make_record("Mine", **base),
        make_record("Mine", system__backbone=Part("a", {"x": 2})),
        make_record("Mine", **base, system__training=Training("VCTK")),
        make_record("Mine", **base, provenance__seed=7),
        make_record("Mi\u200bne", **base),
        make_record("Other"),
    ]
    board = board_of(*records)
    names = full_names(board.rows)
    assert len(set(names.values())) == len(records)
    assert names[records[5].row] == "Other"
    assert "x=2" in names[records[1].row]
    assert names[records[2].row] == "Mine (VCTK, seed 42)"
    many = {f"k{place}": 0 for place in range(5)}
    twins = [make_record("Mine", system__backbone=Part("a", {**many, f"k{place}": 1})) for place in range(5)]
    assert len(set(hints(board_of(*twins).rows).values())) == 5


def test_bold_marks_what_no_other_is_surely_better_than() -> None:
    def bold(*records: Record) -> list[bool]:
        (panel,) = board_of(*records).panels
        return [panel.cell(row, panel.main).best for row in panel.rows]

    apart = [make_record("a", 0.01), make_record("b", 0.3)]
    assert bold(*apart) == [True, False]
    assert bold(make_record("a", 0.100), make_record("b", 0.101), make_record("c", 0.5)) == [True, True, False]
    assert bold(apart[0]) == [False], "a lone system"
    assert bold(apart[0], failed("b")) == [False, False]
    plain = [make_record(name, values={EER: Value(value)}, groups=()) for name, value in (("a", 0.1), ("b", 0.2))]
    assert bold(*plain) == [True, False], "what cannot be tested"


def test_quantities_are_short() -> None:
    assert [size(n) for n in (None, 12, 4_500, 94_371_712)] == ["", "12", "4.5 k", "94.4 M"]
    assert [quantity(x) for x in (None, 0.0, 0.01234, 41.25, 1250.4)] == ["", "0", "0.0123", "41.2", "1,250"]
    assert [duration(s) for s in (None, 4.2, 200, 7500)] == ["", "4.20 s", "3 min 20 s", "2 h 5 min"]


@given(st.text())
@settings(deadline=None)
def test_plain_text_is_one_visible_line(text: str) -> None:
    shown = plain(text)
    assert plain(shown) == shown
    assert not set(shown) & set("\n\r\t\x00\x1b\u202e\u200b")


@given(st.floats(-1e6, 1e6), st.integers(0, 4))
@settings(deadline=None)
def test_there_is_no_negative_zero(value: float, digits: int) -> None:
    assert number(value, digits).strip("0.") != "-"


def test_a_system_that_has_heard_the_test_pushes_no_other_down() -> None:
    """Intervals are ±20 %: alone, b and c have the places 1 and 2; a, which has heard the test, would be first."""
    heard = Exposure("same speakers", "VoxCeleb1 was seen", ("VoxCeleb1",), ("SITW/eval",))
    clean = Exposure("nothing in common")
    records = [
        replace(make_record("a", 0.01), exposure=heard),
        replace(make_record("b", 0.10), exposure=clean),
        replace(make_record("c", 0.40), exposure=replace(clean, relation="unknown")),
    ]
    panel = board_of(*records).panels[0]
    assert _names(panel.rows) == ["a", "b", "c"]
    cells = [panel.cell(row, panel.main) for row in panel.rows]
    assert [(cell.rank, cell.span) for cell in cells] == [(1, (1, 1)), (1, (1, 1)), (2, (2, 2))]
    assert [panel.mark(row) for row in panel.rows] == ["has heard the same speakers", "", "may have heard the test"]


def test_files_and_page_tell_what_the_weights_have_heard() -> None:
    from voxboard.boards.markdown import markdown
    from voxboard.boards.page import page
    from voxboard.boards.tables import comma_separated, data

    heard = Exposure("same speakers", "60 speakers are in both", ("VoxCeleb1",), ("SITW/eval",))
    board = board_of(replace(make_record("a", 0.1), exposure=heard), make_record("b", 0.2))
    cell = next(cell for cell in data(board)["cells"] if cell["exposure"])
    assert (cell["exposure"], cell["seen"], cell["tested"]) == ("same speakers", "VoxCeleb1", "SITW/eval")
    assert "same speakers,60 speakers are in both,VoxCeleb1,SITW/eval" in comma_separated(board)
    assert "has heard the same speakers" in markdown(board)
    assert "has heard the same speakers" in page(board)
    assert "60 speakers are in both" in page(board)
