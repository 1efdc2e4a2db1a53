"""A board as one HTML page that needs nothing else: no network, no server, no build step."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from voxboard.board import facts
from voxboard.board.chart import UNITS, percent_across, percent_down
from voxboard.board.confusion import Matrix, matrix
from voxboard.board.det import det
from voxboard.board.forest import forest
from voxboard.board.group_forest import group_forests
from voxboard.board.groups import counted, divisions, gaps
from voxboard.board.model import SYNTHETIC, Board, Cell, Panel, Row
from voxboard.board.names import meaning
from voxboard.board.numbers import count, known, plain, quantity, show, show_interval, size
from voxboard.board.scores import bayes_error, histogram
from voxboard.board.tasks import sections
from voxboard.records import Filed, Stratum, Value

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_ROWS = 40  # of one table in the details; the record has all
_MONTHS = "January February March April May June July August September October November December".split()  # noqa: SIM905


def page(board: Board) -> str:
    """The page. Every text of a record is escaped by the template; the one script runs by its digest only."""
    from markupsafe import Markup

    style, script = (_read(f"page.{kind}") + _read(f"charts.{kind}") for kind in ("css", "js"))
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            board=board,
            sections=sections(board),
            clusters=facts.clusters(board.values),
            det=partial(det, board),
            synthetic=SYNTHETIC,
            style=Markup(style),
            script=Markup(script),
            style_digest=_digest(style),
            script_digest=_digest(script),
        )
    )


@cache
def _environment() -> Environment:
    """The templates with everything that they call."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        loader=FunctionLoader(_read),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        plain=plain,
        known=known,
        count=count,
        size=size,
        quantity=quantity,
        day=_day,
        anchor=_anchor,
        url=_url,
        breakable=_breakable,
        across=percent_across,
        down=percent_down,
    )
    environment.globals.update(
        facts=facts, forest=forest, meaning=meaning, words=_words, strata=_strata, runs=_runs, glossary=_glossary
    )
    environment.globals.update(
        histogram=histogram,
        bayes_error=bayes_error,
        units=UNITS,
        group_forests=group_forests,
        gaps=gaps,
        matrix=matrix,
        crowds=_crowds,
        best_matrix=_best_matrix,
    )
    environment.globals.update(show=show, show_interval=show_interval)
    return environment


def _read(name: str) -> str:
    return (files("voxboard.board") / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """A digest as Content-Security-Policy wants it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _day(moment: str) -> str:
    """`2026-11-20T…` → `20 November 2026`."""
    year, month, day = moment[:10].split("-")
    return f"{int(day)} {_MONTHS[int(month) - 1]} {year}"


def _anchor(filed: Filed) -> str:
    """The id of a record's details; two files with the same content stay apart."""
    return "r-" + hashlib.sha256(f"{filed.path}\0{filed.record.id}".encode()).hexdigest()[:12]


def _url(path: str) -> str:
    """From results/board to results/records: always this way, so that the bytes do not depend on the folder."""
    return f"../records/{quote(path)}"


def _breakable(text: str) -> Markup:
    """Escaped text that may break after a plus sign, with the options of its parts set back."""
    from markupsafe import Markup, escape

    safe = re.sub(r"\([^()]*\)", r'<span class="option">\g<0></span>', str(escape(text)))
    return Markup(safe.replace("+", "+<wbr>"))


def _words(panel: Panel | None, row: Row) -> str:
    """What the filter box searches in."""
    system = row.system
    words = [row.label, system.spec, row.variant, row.trained_on, f"seed {row.seed}"]
    words += [known(text) for text in (system.code_licence, system.weights_licence, row.training_licence)]
    if panel and row.id in panel.filed:
        words.append(panel.filed[row.id].record.status)
    return plain(" ".join(words)).lower()


def _runs(panel: Panel, row: Row) -> list[tuple[Cell, int]]:
    """A row's cells; neighbours that lack a number for the same reason are one cell over several columns."""
    runs: list[tuple[Cell, int]] = []
    for column in panel.columns:
        cell = panel.cell(row, column)
        if runs and not cell.text and not runs[-1][0].text and runs[-1][0].reason == cell.reason:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((cell, 1))
    return runs


def _strata(panel: Panel, filed: Filed, groups: bool = False) -> dict[str, Any]:
    """The match strata of a record, or its groups, under the columns that any of them has a value for.

    Labels with very many groups are not among them: those are `_crowds`.
    """
    large = {part.label for part in divisions(filed.record, panel.main.metric) if part.many}
    strata = [s for s in filed.record.strata if bool(s.label) == groups and plain(s.label) not in large]
    return _table_of(panel, strata)


def _crowds(panel: Panel, filed: Filed) -> list[dict[str, Any]]:
    """Labels with very many groups, such as recordings: a sentence, and a table of the worst."""
    found = []
    for part in divisions(filed.record, panel.main.metric):
        if part.many:
            strata = [stratum for stratum in filed.record.strata if plain(stratum.label) == part.label]
            strata.sort(key=lambda stratum: _badness(stratum, panel))
            table = _table_of(panel, strata[:_ROWS])
            more = {"label": part.label, "spread": part.spread, "left_out": len(strata) - _ROWS}
            found.append(table | more)
    return found


def _best_matrix(panel: Panel) -> tuple[Row, Matrix] | None:
    """The confusion matrix of the best system that has one."""
    for row in panel.rows:
        if found := matrix(panel.filed[row.id].record.confusion):
            return row, found
    return None


def _badness(stratum: Stratum, panel: Panel) -> tuple[bool, float, str]:
    value = stratum.values.get(panel.main.metric)
    if value is None or value.value is None:
        return True, 0.0, stratum.name
    return False, value.value if panel.main.better == "higher" else -value.value, stratum.name


def _table_of(panel: Panel, strata: Sequence[Stratum]) -> dict[str, Any]:
    columns = [c for c in panel.columns if any(c.metric in stratum.values for stratum in strata)]
    rows = [
        {
            "name": plain(stratum.name),
            "count": stratum.count,
            "targets": stratum.targets,
            "reason": plain(stratum.reason),
            "texts": [_pair(stratum.values.get(c.metric), c.digits) for c in columns],
        }
        for stratum in strata
    ]
    kind = panel.protocol.items.kind if panel.protocol else "items"
    labels = {stratum.label for stratum in strata}
    return {"columns": columns, "rows": rows, "counted": counted(labels.pop(), kind) if len(labels) == 1 else kind}


def _pair(value: Value | None, digits: int) -> tuple[str, str, str]:
    return (show(value, digits), show_interval(value, digits), plain(value.reason)) if value else ("", "", "")


def _glossary(panels: Sequence[Panel]) -> list[tuple[str, str]]:
    """The metrics of a board that have a sentence, each once."""
    labels = dict.fromkeys(column.label for panel in panels for column in panel.columns)
    return [(label, meaning(label)) for label in labels if meaning(label)]
