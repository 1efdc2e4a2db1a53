"""A board as one HTML page that needs nothing else: no network, no server, no build step."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING
from urllib.parse import quote

from voxboard.boards import cross, facts, page_tables
from voxboard.boards.det import det
from voxboard.boards.doubts import CHOSEN
from voxboard.boards.forest import forest
from voxboard.boards.group_forest import group_forests
from voxboard.boards.groups import gaps
from voxboard.boards.model import SYNTHETIC, Board
from voxboard.boards.scores import bayes_error, histogram
from voxboard.boards.tasks import sections
from voxboard.charts.chart import UNITS, percent_across, percent_down
from voxboard.charts.confusion import matrix
from voxboard.charts.numbers import count, known, plain, quantity, show, show_interval, size
from voxboard.errors import printable
from voxboard.ranking import NOTE as PLACES_NOTE
from voxboard.records import Filed

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_MONTHS = "January February March April May June July August September October November December".split()  # noqa: SIM905


def page(board: Board) -> str:
    """The page. Every text of a record is escaped by the template; the one script runs by its digest only."""
    from markupsafe import Markup

    style = "".join(_read(f"{name}.css") for name in ("page", "charts", "cross"))
    script = _read("page.js") + _read("charts.js")
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            board=board,
            sections=sections(board),
            crosses=cross.crosses(board),
            cross_about=cross.ABOUT,
            cross_note=cross.NOTE,
            places_note=PLACES_NOTE,
            chosen_note=CHOSEN,
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
        finalize=_visible,
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
    environment.globals.update({name: getattr(page_tables, name) for name in page_tables.__all__})
    environment.globals.update(
        facts=facts,
        forest=forest,
        histogram=histogram,
        bayes_error=bayes_error,
        units=UNITS,
        group_forests=group_forests,
        gaps=gaps,
        matrix=matrix,
    )
    environment.globals.update(show=show, show_interval=show_interval)
    return environment


def _visible(item: object) -> object:
    """Value that the template is about to write, without control codes and characters that turn text around."""
    from markupsafe import Markup

    if not isinstance(item, str) or isinstance(item, Markup) or item.isprintable():
        return item
    return "".join(character for character in item if character in "\n\t" or printable(character) == character)


@cache
def _read(name: str) -> str:
    """A template, style or script, read once: pages of one process are made of the same files."""
    return (files("voxboard.boards") / name).read_text(encoding="utf-8")


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
