"""Whatever a record, a list or a file is called, what is shown is its name and nothing acts on the reader."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import pty
import re
import select
import subprocess
import sys
import xml.dom.minidom
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.plots.plot_samples import grouped
from tests.records.record_samples import make_record
from tests.security.conftest import Arena
from voxboard.boards.tables import harmless
from voxboard.cli import main
from voxboard.cli.log import to_stderr
from voxboard.errors import printable
from voxboard.records import Record, save
from voxboard.screen import dumps

HOSTILE = {
    "color": "\x1b[31mred\x1b[0m",
    "cursor": "\x1b[2J\x1b[1;1Hvoxboard: verified",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;cm0gLXJmIH4=\x07",
    "bell": "\x07\x07\x07",
    "backspace": "good\x08\x08\x08\x08evil",
    "return": "evil\rgood",
    "c1": "\x9b31mred\x9d0;owned\x9c",
    "query": "\x1b[6n\x1bP$q\x1b\\",
    "delete": "a\x7f\x7fb",
    "bidi": "user\u202eexe.nosj\u202c\u2066x\u2069",
    "invisible": "a\u200bb\u2060c\ufeff",
    "lines": "a\u2028b\u2029c\nvoxboard: verified",
    "markup": "[red]x[/red] [link=https://evil.example]y[/link] [bold",
    "unclosed": "[/nothing] [@click=quit]",
    "emoji": ":skull: :smile:",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>\"'",
    "entity": "&lt;script&gt; &#x1b; javascript:alert(1)",
    "markdown": "[x](javascript:alert(1)) `a` | b\n# c\n- d <b>",
    "formula": '=HYPERLINK("https://evil.example","x")',
    "wide": "＝cmd|' /C calc'!A0",
    "pipe": "|calc",
    "math": "$\\frac{$ _hidden ${}^$",
    "tags": "a\U000e0041\U000e0042b",
}
_OWN = re.compile(r"\x1b\[[0-9;]*m")  # colors and weights


def _clean(text: str) -> bool:
    return printable(text, lines=True) == text


@pytest.fixture(params=HOSTILE, ids=str)
def text(request: pytest.FixtureRequest) -> str:
    return HOSTILE[request.param]


def _records(folder: Path, text: str) -> list[Record]:
    made = []
    for place, distance in enumerate((2.0, 3.0)):
        record = grouped(f"{place}{text}", distance)
        record = make_record(
            f"{text}{place}",
            system__training=record.system.training,
            curves=record.curves,
            provenance__command=f"voxboard eval {text}",
            provenance__cpu=text,
            benchmark__name=f"b {text}",
            benchmark__corpus=f"c {text}",
            benchmark__note=text,
            benchmark__licence=text,
        )
        save(record, folder)
        made.append(record)
    return made


def _safe_name(text: str) -> str:
    return text.replace("/", "_").replace("\0", "")[:60]


def test_every_command_shows_the_text_of_a_record_as_text(
    text: str, arena: Arena, capfd: pytest.CaptureFixture[str]
) -> None:
    _records(arena.work / "a", text)
    _records(arena.work / "b", f"{text}!")
    broken = arena.work / "a" / f"{_safe_name(text)}.json"
    broken.write_text("{")
    commands = {
        ("board", "--records", "a", "--out", "board"): 3,
        ("board", "--records", "a", "--out", "board", "--json"): 3,
        ("plot", "det", "a", "--out", "x.svg"): 3,
        ("plot", "histogram", "b", "--out", "y.svg"): 0,
        ("compare", "b", "b"): 0,
        ("compare", "b", "b", "--json"): 0,
        ("compare", "a", "b"): 2,
    }
    for words, code in commands.items():
        assert main(words) == code, words
        shown = capfd.readouterr()
        assert _clean(shown.out), words
        assert _clean(shown.err), words
        if "--json" in words:
            json.loads(shown.out)
    for picture in ("x.svg", "y.svg"):
        drawing = Path(picture).read_text(encoding="utf-8")
        assert _clean(drawing)
        assert not xml.dom.minidom.parseString(drawing).getElementsByTagName("script")


def test_every_error_names_a_file_as_text(text: str, arena: Arena, capfd: pytest.CaptureFixture[str]) -> None:
    name = _safe_name(text)
    Path(name).write_text(text * 3)
    Path(f"{name}.json").write_text("{")
    Path(f"{name}.toml").write_text("[")
    for words in (
        ("verify", f"{name}.json"),
        ("compare", name, f"{name}.json"),
        ("plot", "det", name, "--out", "x.svg"),
        ("plot", "det", f"{name}.json", "--out", "x.svg"),
        ("board", "--records", name),
        ("show", f"no {name}"),
        ("score", "--scores", f"no {name}", "--trials", name),
        ("trials", "check", name),
        ("grid", "status", f"{name}.toml"),
        (f"no {name}",),
    ):
        try:
            code = main(words)
        except SystemExit as ended:  # of the parser, for a name that begins like a flag
            code = int(ended.code or 0)
        assert code == 2, words
        shown = capfd.readouterr()
        assert _clean(shown.out), words
        assert _clean(shown.err), words
        assert "Traceback" not in shown.err


class _Page(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, list[str]] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")


def test_the_files_of_a_board_hold_text(text: str, arena: Arena) -> None:
    _records(arena.work / "a", text)
    assert main(["board", "--records", "a", "--out", "board"]) == 0
    files = {path.suffix: path.read_text(encoding="utf-8") for path in (arena.work / "board").iterdir()}
    assert all(map(_clean, files.values()))
    page = _Page(files[".html"])
    assert page.tags.count("script") == 1
    assert not [name for name in page.attributes if name.startswith("on")]
    assert not {"img", "b-evil"} & set(page.tags)
    assert all(link.startswith(("#", "../records/")) for link in page.attributes["href"])
    outside = re.sub(r"^(`{3,})sh\n.*?^\1$", "", files[".md"], flags=re.DOTALL | re.MULTILINE)
    assert "<script" not in outside
    assert "<img" not in outside
    assert "](javascript:" not in re.sub(r"\\\]\(", "", outside)
    assert "https://" not in outside
    for block in re.findall(r"(?:^\|.*\|\n)+", outside, re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1
    for line in csv.reader(io.StringIO(files[".csv"])):
        assert not [cell for cell in line if harmless(cell) != cell], line
    json.loads(files[".json"])


def test_a_terminal_gets_no_escape_but_our_own_styles(arena: Arena) -> None:
    for place, hostile in enumerate(HOSTILE.values()):
        save(make_record(f"{hostile} {place}", 0.01 + place / 50, provenance__command=hostile), arena.work / "a")
    shown = _on_a_terminal([sys.executable, "-m", "voxboard.cli", "board", "--records", "a", "--out", "board"])
    assert "Places" in shown
    assert _OWN.search(shown), "it is styled"
    assert _clean(_OWN.sub("", shown).replace("\r\n", "\n"))
    assert "31mred" in shown, "the names are there"


def _on_a_terminal(words: list[str]) -> str:
    """What a command writes to a terminal."""
    upper, lower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "200"}
    command = [words[0], "-c", "import sys; from voxboard.cli import main; sys.exit(main(sys.argv[1:]))", *words[3:]]
    with subprocess.Popen(command, stdin=lower, stdout=lower, stderr=lower, env=environment) as process:
        os.close(lower)
        parts = []
        while select.select([upper], [], [], 60)[0]:
            try:
                part = os.read(upper, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            parts.append(part)
        process.wait(60)
    os.close(upper)
    return b"".join(parts).decode()


def test_the_log_and_progress_are_text(text: str, arena: Arena, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.text import Text

    from voxboard.console import Console
    from voxboard.training.run_folder import log_to

    to_stderr()
    log = logging.getLogger("voxboard")
    handler = log_to(arena.work)
    try:
        log.warning("%s cannot be used", text)
    finally:
        handler.close()
        log.removeHandler(handler)
    assert _clean(capsys.readouterr().err)
    assert _clean((arena.work / "training.log").read_text())
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    console.print(Text(text), text)
    shown = _OWN.sub("", console.file.getvalue())
    assert _clean(shown)
    assert "".join(printable(text, lines=True).split()) in "".join(shown.split()), "nothing is interpreted or lost"


def test_json_that_is_shown_means_the_same(text: str) -> None:
    shown = dumps({"name": text})
    assert _clean(shown)
    assert json.loads(shown) == {"name": text}


@pytest.mark.parametrize("cell", ["=1", "+x", "-x", "@x", "＝1", "＋1", "－1", "＠x", "|x", "\tx", "\rx", " =x", "﹣x"])
def test_a_cell_that_a_spreadsheet_would_run_is_disarmed(cell: str) -> None:
    assert harmless(cell).startswith("'")


@pytest.mark.parametrize("cell", ["-1.5", "+2e-3", "1–3", "", "x=1", "6.4 %", -1.5, 3, None])
def test_numbers_and_words_stay_as_they_are(cell: object) -> None:
    assert harmless(cell) == cell
