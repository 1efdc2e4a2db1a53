"""Tables of the page: which cells stand where, of a panel and of the details of a record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from voxboard.boards.groups import counted, divisions
from voxboard.boards.model import BoardCell, BoardRow, Panel
from voxboard.charts.confusion import Matrix, matrix
from voxboard.charts.numbers import known, plain, show, show_interval
from voxboard.records import Filed, Group, Record, Value

__all__ = ["best_matrix", "crowds", "glossary", "runs", "strata", "tied", "words"]

_ROWS = 40  # of one table in the details; the record has all


def words(panel: Panel | None, row: BoardRow) -> str:
    """Text that the filter box searches in."""
    system = row.system
    words = [row.label, system.spec, row.variant, row.trained_on, f"seed {row.seed}"]
    words += [known(text) for text in (system.code_licence, system.weights_licence, row.training_licence)]
    if panel and row.id in panel.filed:
        words.append(panel.filed[row.id].record.status)
        if (exposure := panel.exposure(row)) is not None:
            words += [exposure.relation, "clean" if exposure.clean else ""]
    return plain(" ".join(words)).lower()


def runs(panel: Panel, row: BoardRow) -> list[tuple[BoardCell, int]]:
    """A row's cells; neighbours that lack a number for the same reason are one cell over several columns."""
    runs: list[tuple[BoardCell, int]] = []
    for column in panel.columns:
        cell = panel.cell(row, column)
        if runs and not cell.text and not runs[-1][0].text and runs[-1][0].reason == cell.reason:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((cell, 1))
    return runs


def strata(panel: Panel, filed: Filed, groups: bool = False) -> dict[str, Any]:
    """The match strata of a record, or its groups, under the columns that any of them has a value for.

    Labels with very many groups are not among them: those are `_crowds`.
    """
    large = {part.label for part in divisions(filed.record, panel.main.metric) if part.many}
    strata = [s for s in filed.record.groups if bool(s.label) == groups and plain(s.label) not in large]
    return _table_of(panel, filed.record, strata)


def crowds(panel: Panel, filed: Filed) -> list[dict[str, Any]]:
    """Labels with very many groups, such as recordings: a sentence, and a table of the worst."""
    crowds = []
    for part in divisions(filed.record, panel.main.metric):
        if part.many:
            strata = [stratum for stratum in filed.record.groups if plain(stratum.label) == part.label]
            strata.sort(key=lambda stratum: _badness(stratum, panel))
            table = _table_of(panel, filed.record, strata[:_ROWS])
            more = {"label": part.label, "spread": part.spread, "left_out": len(strata) - _ROWS}
            crowds.append(table | more)
    return crowds


def best_matrix(panel: Panel) -> tuple[BoardRow, Matrix] | None:
    """The confusion matrix of the best system that has one."""
    for row in panel.rows:
        if cells := matrix(panel.filed[row.id].record.confusion):
            return row, cells
    return None


def tied(panel: Panel) -> int:
    """Number of systems beside the best that may share the first place of a panel."""
    spans = (panel.cell(row, panel.main).span for row in panel.rows[1:])
    return sum(span is not None and span[0] == 1 for span in spans)


def _badness(stratum: Group, panel: Panel) -> tuple[bool, float, str]:
    value = stratum.values.get(panel.main.metric)
    if value is None or value.value is None:
        return True, 0.0, stratum.name
    return False, value.value if panel.main.better == "higher" else -value.value, stratum.name


def _table_of(panel: Panel, record: Record, strata: Sequence[Group]) -> dict[str, Any]:
    columns = [c for c in panel.columns if any(c.of(record, stratum.values) for stratum in strata)]
    rows = [
        {
            "name": plain(stratum.name),
            "count": stratum.count,
            "targets": stratum.targets,
            "reason": plain(stratum.reason),
            "texts": [_pair(c.of(record, stratum.values), c.digits) for c in columns],
        }
        for stratum in strata
    ]
    kind = panel.protocol.items.kind if panel.protocol else "items"
    labels = {stratum.label for stratum in strata}
    return {"columns": columns, "rows": rows, "counted": counted(labels.pop(), kind) if len(labels) == 1 else kind}


def _pair(value: Value | None, digits: int) -> tuple[str, str, str]:
    return (show(value, digits), show_interval(value, digits), plain(value.reason)) if value else ("", "", "")


def glossary(panels: Sequence[Panel]) -> list[tuple[str, str]]:
    """The metrics of a board that have a sentence, each once."""
    sentences: dict[str, str] = {}
    for column in (column for panel in panels for column in panel.columns if column.meaning):
        sentences.setdefault(column.label, column.meaning)
    return list(sentences.items())
