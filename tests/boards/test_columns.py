"""A column is one metric: what a task gains or counts otherwise moves no published row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.boards.task_samples import diarized
from tests.records.record_samples import DCF, EER, failed, make_record
from voxboard.benchmarks.verification import Verification
from voxboard.boards import Board, arrange, render
from voxboard.boards.model import Panel
from voxboard.comparison.compare import compare
from voxboard.comparison.sides import Side
from voxboard.imported import tasks
from voxboard.imported.record import ImportSource
from voxboard.records import Filed, Metric, Protocol, Record, Value


def board_of(*records: Record) -> Board:
    return arrange(Filed(f"{index}.json", record) for index, record in enumerate(records))


def texts(panel: Panel, metric: str) -> dict[str, list[str]]:
    """Row → what stands in the columns of a metric, in their order."""
    columns = [column for column in panel.columns if column.metric == metric]
    return {row.label: [panel.cell(row, column).full for column in columns] for row in panel.rows}


def protocol_of(record: Record) -> Protocol:
    assert record.protocol
    return record.protocol


def other_costs(record: Record, value: float) -> Record:
    """The record with a minDCF of other costs, and all else alike."""
    metrics = {**protocol_of(record).metrics, DCF: {"c_miss": 10, "c_fa": 1}}
    return replace(
        record,
        protocol=replace(protocol_of(record), metrics=metrics),
        values={**record.values, DCF: Value(value, unit="cost")},
    )


class WithMedian(Verification):
    """Verification with one metric more, as a package of somebody else's might have it."""

    metrics = (*Verification.metrics, Metric("median_score@all", "Median score", "Half of the scores are below."))

    def measure(self, outputs: Any, fixed: Any, replicates: int) -> Any:
        measured = super().measure(outputs, fixed, replicates)
        median = Value(float(np.median(outputs.scores)))
        return replace(measured, values={**measured.values, self.metrics[-1].id: median})


def evaluated(folder: Path, system: str, noise: float) -> Record:
    """The record of the scores that a system gives to 300 trials of 12 speakers."""
    random = np.random.default_rng(len(system))
    path = folder / f"{system}.txt"
    lines = []
    for number in range(300):
        same = number % 3 == 0
        one, two = number % 12, number % 12 if same else (number + 1 + number % 11) % 12
        score = 0.5 + 0.3 * same + noise * random.standard_normal()
        lines.append(f"{int(same)} s{one}-a{number} s{two}-b{number} {min(1.0, max(0.0, score))}\n")
    path.write_text("".join(lines))
    owners = {f"s{number % 12}-a{number}": f"s{number % 12}" for number in range(300)}
    owners |= {line.split()[2]: line.split()[2].partition("-")[0] for line in lines}
    return tasks.verification(ImportSource(system, "Toy", {"scores": path}, replicates=50), None, path, owners)


def test_a_metric_that_a_task_gains_moves_no_published_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [evaluated(tmp_path, "good", 0.1), evaluated(tmp_path, "bad", 0.3)]
    (old,) = board_of(*before).panels
    monkeypatch.setattr("voxboard.benchmarks.verification.Verification", WithMedian)
    after = [evaluated(tmp_path, "newer", 0.2), evaluated(tmp_path, "newest", 0.6)]
    board = board_of(*before, *after)
    (panel,) = board.panels
    assert (panel.id, panel.protocol_id) == (old.id, old.protocol_id)
    assert [row.label for row in panel.rows] == ["good", "newer", "bad", "newest"]
    for column in old.columns:
        for row in old.rows:
            assert panel.cell(row, column).full == old.cell(row, column).full
    (median,) = [column for column in panel.columns if column not in old.columns]
    assert median.label == "Median score"
    assert {row.label: panel.cell(row, median).reason for row in panel.rows} == {
        **dict.fromkeys(("good", "bad"), "not measured"),
        **dict.fromkeys(("newer", "newest"), ""),
    }
    assert board.superseded == 0


def test_a_repetition_with_one_metric_more_is_of_the_same_cell() -> None:
    old = make_record("a", 0.2)
    metrics = {**protocol_of(old).metrics, "new@all": {}}
    new = make_record(
        "a", 0.1, protocol=replace(protocol_of(old), metrics=metrics), provenance__created="2026-12-01T00:00:00Z"
    )
    assert new.cell == old.cell
    board = board_of(new, old, failed("a", protocol=new.protocol, provenance__created="2026-12-02T00:00:00Z"))
    (panel,) = board.panels
    assert (texts(panel, EER), board.superseded) == ({"a": ["10.00 % [8.00, 12.00]"]}, 2)


def test_one_metric_with_other_parameters_is_another_column() -> None:
    plain, dear = make_record("plain", 0.05), other_costs(make_record("dear", 0.06), 0.01)
    (panel,) = board_of(plain, dear).panels
    columns = [column for column in panel.columns if column.metric == DCF]
    assert len({column.id for column in columns}) == 2
    assert sorted(column.label for column in columns) == ["minDCF(0.01) (c_miss=1)", "minDCF(0.01) (c_miss=10)"]
    by_label = {
        column.label: {row.label: (panel.cell(row, column).rank, panel.cell(row, column).reason) for row in panel.rows}
        for column in columns
    }
    assert by_label == {
        "minDCF(0.01) (c_miss=1)": {"plain": (1, ""), "dear": (None, "not measured")},
        "minDCF(0.01) (c_miss=10)": {"plain": (None, "not measured"), "dear": (1, "")},
    }
    assert [panel.cell(row, panel.main).rank for row in panel.rows] == [1, 2], "the rest is ranked together"


def test_a_main_metric_with_other_parameters_ranks_on_its_own() -> None:
    def transcribed(name: str, normalizer: str, errors: float) -> Record:
        base = make_record(name, groups=(), values={"wer@basic": Value(errors)}, benchmark__main_metric="wer@basic")
        return replace(base, protocol=replace(protocol_of(base), metrics={"wer@basic": {"normalizer": normalizer}}))

    board = board_of(transcribed("a", "basic@1", 0.3), transcribed("b", "basic@2", 0.1))
    assert [[row.label for row in panel.rows] for panel in board.panels] in ([["a"], ["b"]], [["b"], ["a"]])
    assert len({panel.id for panel in board.panels}) == 2
    assert len({panel.protocol_id for panel in board.panels}) == 1
    assert {panel.hint for panel in board.panels} == {
        "WER (basic) (normalizer=basic@1)",
        "WER (basic) (normalizer=basic@2)",
    }
    assert all(panel.cell(row, panel.main).rank == 1 for panel in board.panels for row in panel.rows)
    files = render(board)
    assert all("normalizer=basic@2" in files[name] for name in ("leaderboard.md", "leaderboard.json", "index.html"))


def test_two_collars_of_one_system_are_two_cells() -> None:
    one = diarized("a", 0.1, 2)
    metrics = {"der@collar=0": {"collar": 0}}
    two = replace(
        one,
        benchmark=replace(one.benchmark, main_metric="der@collar=0"),
        protocol=replace(protocol_of(one), metrics=metrics),
        values={"der@collar=0": Value(0.2)},
        groups=(),
    )
    board = board_of(one, two)
    assert one.cell != two.cell
    assert (len(board.panels), board.superseded) == (2, 0)


def test_numbers_of_other_parameters_are_not_compared() -> None:
    first, second = make_record("a", 0.05), other_costs(make_record("a", 0.05), 0.01)
    sides = [Side(name, {record.cell: record}) for name, record in (("before", first), ("after", second))]
    found = compare(*sides)
    assert {row.metric for row in found.rows} == {EER}
    assert [(gone.metric, gone.reason) for gone in found.vanished] == [(DCF, "measured with other parameters")]


def _listed(record: Record, name: str, digest: str, cohort: str = "") -> Record:
    protocol = protocol_of(record)
    assert protocol.scoring
    items = replace(protocol.items, name=name, digest=digest * 32)
    scoring = replace(protocol.scoring, cohort=cohort)
    return replace(record, protocol=replace(protocol, items=items, scoring=scoring))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"condition": {"noise": "babble"}}, {"Condition: none", "Condition: noise=babble"}),
        ({"options": {"label": "age"}}, {"label: none", "label: age"}),
    ],
)
def test_protocols_are_told_apart_in_words(changes: Mapping[str, Any], words: set[str]) -> None:
    base = make_record("a")
    board = board_of(base, replace(base, protocol=replace(protocol_of(base), **changes)))
    assert {panel.hint for panel in board.panels} == words


def test_digests_stand_where_words_are_the_same() -> None:
    base = make_record("a")
    named = board_of(_listed(base, "easy.csv", "aa"), _listed(base, "hard.csv", "bb"))
    lists = {f"{name}.csv, 6,000 trials, 3,000 targets, 24 speakers" for name in ("easy", "hard")}
    assert {panel.hint for panel in named.panels} == lists
    twins = board_of(_listed(base, "t.csv", "aa", "cc" * 8), _listed(base, "t.csv", "aa", "dd" * 8))
    assert all(panel.hint.startswith("Cohort digest: ") for panel in twins.panels)
    assert len({panel.hint for panel in twins.panels}) == 2
