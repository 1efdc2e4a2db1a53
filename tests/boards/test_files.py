"""The files of a board: the same bytes from the same records, and records are data, never code."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.plots.plot_samples import grouped
from tests.records.record_samples import DCF, EER, any_record, failed, make_record
from voxboard.boards import FILES, arrange, build, render
from voxboard.boards.forest import forest
from voxboard.boards.markdown import escape
from voxboard.boards.terminal import overview
from voxboard.cli.board import BoardArgs, run
from voxboard.errors import UserError
from voxboard.records import Benchmark, Filed, Gap, Group, Record, Training, Value, save

HOSTILE = "<script>alert(1)</script>\"'`|*_[x](javascript:x)</pre>\n\x1b[31m\u202e"


def _hostile() -> Record:
    """Every text of a record tries to break out."""
    return make_record(
        HOSTILE,
        system__code_licence=HOSTILE,
        status="imported",
        reason=HOSTILE,
        curves=grouped().curves,
        groups=(
            Group(HOSTILE, 9, 3, {EER: Value(0.1)}, label=HOSTILE),
            Group("other", 9, 3, reason=HOSTILE, label=HOSTILE),
        ),
        gaps=(Gap(HOSTILE, EER, HOSTILE, HOSTILE, Value(0.1, unit=HOSTILE)),),
        provenance__command=f"voxboard eval ``` {HOSTILE}",
        provenance__cpu=HOSTILE,
        benchmark=Benchmark(HOSTILE, HOSTILE, HOSTILE, EER, HOSTILE, note=HOSTILE, licence="=cmd()"),
    )


def _hostile_crossed() -> list[Record]:
    """The same where train × test shows it: two weights of one name on three corpora, two ways of measuring."""
    found = []
    for place, corpus in enumerate((HOSTILE, f"b{HOSTILE}", f"c{HOSTILE}")):
        for weights in (f"1{HOSTILE}", HOSTILE):
            base = replace(_hostile(), benchmark=Benchmark(corpus, HOSTILE, corpus, EER))
            assert base.protocol
            items = replace(base.protocol.items, digest=f"{place}{weights}")
            protocol = replace(base.protocol, items=items, options={HOSTILE: weights[0]})
            digests = replace(base.provenance, digests={"weights": weights})
            values = {EER: Value(0.1 + 0.1 * place, unit=HOSTILE, low=0.05, high=0.5)}
            training = Training(HOSTILE)
            system = replace(base.system, training=training)
            found.append(replace(base, protocol=protocol, provenance=digests, values=values, system=system))
    return found


def _store(folder: Path) -> Path:
    for index, name in enumerate(("fbank+mean", "x-vector+statistics+aam", "ecapa-tdnn+attentive+aam")):
        save(make_record(name, 0.3 / (index + 1)), folder)
        save(make_record(name, 0.4 / (index + 1), system__training=None, system__head=None), folder)
    save(make_record("UniPool", 0.02, benchmark=Benchmark("Real", "verification", "VCTK", EER)), folder)
    save(grouped("hubert-base+double-mha+aam", 1.4), folder)
    save(failed("sincnet+native+softmax"), folder)
    for record in (_hostile(), *_hostile_crossed()):
        save(record, folder)
    return folder


def _bytes(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.mark.smoke
def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    records = _store(tmp_path / "records")
    build(records, tmp_path / "board")
    copy = tmp_path / "elsewhere" / "deep" / "records"
    for index, path in enumerate(sorted(records.rglob("*.json"), reverse=True)):
        target = copy / path.relative_to(records)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        os.utime(target, (index, index))
    build(copy, tmp_path / "other" / "board")
    assert _bytes(tmp_path / "board") == _bytes(tmp_path / "other" / "board")
    build(records, tmp_path / "board")
    assert _bytes(tmp_path / "board") == _bytes(tmp_path / "other" / "board")


def test_a_new_record_changes_the_board(tmp_path: Path) -> None:
    records = _store(tmp_path / "records")
    build(records, tmp_path / "board")
    before = _bytes(tmp_path / "board")
    save(make_record("new"), records)
    build(records, tmp_path / "board")
    assert all(before[name] != after for name, after in _bytes(tmp_path / "board").items())


def test_a_broken_record_is_left_out_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = _store(tmp_path / "records")
    whole = build(records, tmp_path / "board")
    (records / "broken.json").write_text("{")
    (records / "sub").mkdir()
    (records / "sub" / "|gone\x1b[31m.json").symlink_to(tmp_path / "nowhere")
    assert run(BoardArgs(str(records), tmp_path / "board")) == 3
    told = capsys.readouterr().err
    assert f"{records / 'broken.json'}: It is not readable as JSON" in told
    assert "|gone\\x1b[31m.json: It is no regular file." in told
    data = json.loads((tmp_path / "board" / "leaderboard.json").read_text())
    assert [one["path"] for one in data["left_out"]] == ["broken.json", "sub/|gone\x1b[31m.json"]
    assert len(data["systems"]) == len(whole.rows)
    for name in ("leaderboard.md", "index.html"):
        text = (tmp_path / "board" / name).read_text()
        assert "2 files among the records could not be read" in text
        assert "broken.json" in text
        assert "\x1b" not in text
        assert str(tmp_path) not in text, "the bytes depend on no place"


def test_records_that_are_all_broken_make_no_board(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(UserError, match=r"broken\.json"):
        build(tmp_path, tmp_path / "board")
    assert not (tmp_path / "board").exists()


def test_no_records_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no records"):
        build(tmp_path, tmp_path / "board")
    assert not (tmp_path / "board").exists()


# --- HTML ---


class _Page(HTMLParser):
    """The elements, ids, links and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        (self.scripts if self._inside == "script" else self.text).append(data)

    def values(self, attribute: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(attribute))]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    build(_store(folder / "records"), folder / "board")
    return (folder / "board" / "index.html").read_text(encoding="utf-8")


def test_hostile_text_is_text(page: str) -> None:
    parsed = _Page(page)
    assert [tag for tag, _ in parsed.tags].count("script") == 1
    assert not [name for _, attributes in parsed.tags for name in attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in "".join(parsed.text)
    assert "alert(1)" not in "".join(parsed.scripts)
    assert not any("javascript:" in link for link in parsed.values("href"))


def test_the_page_needs_no_network_and_allows_no_other_script(page: str) -> None:
    parsed = _Page(page)
    policy = next(a["content"] or "" for tag, a in parsed.tags if tag == "meta" and "http-equiv" in a)
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert not {"src", "srcset", "style"} & {name for _, attributes in parsed.tags for name in attributes}
    assert not {"link", "img", "iframe", "object"} & {tag for tag, _ in parsed.tags}
    assert all(link.startswith(("#", "../records/")) for link in parsed.values("href"))
    assert "url(" not in page
    assert "@import" not in page


def test_the_policy_has_the_digests_of_what_is_there(page: str) -> None:
    from voxboard.boards.page import _digest

    for tag in ("style", "script"):
        content = page.split(f"<{tag}>", 1)[1].split(f"</{tag}>", 1)[0]
        assert _digest(content) in page


def test_every_link_inside_the_page_has_its_target(page: str) -> None:
    parsed = _Page(page)
    ids = parsed.values("id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in parsed.values("href") if link.startswith("#")} <= set(ids)


def test_links_to_records_point_to_files(tmp_path: Path) -> None:
    build(_store(tmp_path / "records"), tmp_path / "board")
    links = _Page((tmp_path / "board" / "index.html").read_text()).values("href")
    files = [link for link in links if link.startswith("../records/")]
    assert len(files) == 16
    assert all((tmp_path / "board" / link).is_file() for link in files)


def test_details_have_what_reproduces_a_number(page: str) -> None:
    text = " ".join(" ".join(_Page(page).text).split())
    for part in (
        "voxboard eval _ _ --eval_path results/runs/local-1",
        "95 % interval over 24 speakers, 1,000 replicates",
        "GENDER_MATCH=1",
        "no target trials",
        "Embeddings per second 41.2",
        "trials-test.csv.gz, 6,000 trials, 3,000 targets, 24 speakers",
        "Weights licence unknown",
        "Failed: not enough memory",
        "Synthetic speech",
        "untrained",
    ):
        assert part in text


def test_details_have_scores_calibration_and_groups(page: str) -> None:
    text = " ".join(" ".join(_Page(page).text).split())
    for part in (
        "95 % BCa interval over 24 speakers, 1,000 replicates",
        "2,000 non-targets",
        "calibrated scores as they are",
        "By gender. Worst: female, 30.32 %. Gap to male: 9.69 points [2.91, 17.44].",
        "too small: 12 targets, a number needs 30",
        "Groups of speakers",
        "bootstrapped over speakers, not trials: BCa bootstrap over speakers",
    ):
        assert part in text


def test_charts_are_complete_without_the_script(page: str) -> None:
    parsed = _Page(page)
    lines = [attributes for tag, attributes in parsed.tags if tag == "path" and "data-label" in attributes]
    assert lines
    assert all(re.fullmatch(r"m[\d -]+", attributes["d"] or "") for attributes in lines)
    charts = [attributes for tag, attributes in parsed.tags if tag == "svg" and attributes.get("class") == "canvas"]
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in charts)
    assert "button" not in {tag for tag, _ in parsed.tags}  # what works by the script alone is made by it
    for attributes in charts:
        for axis in ("data-x", "data-y"):
            scale, low, high, unit, *words = (attributes[axis] or "").split()
            assert scale in ("probit", "linear")
            assert float(low) < float(high)
            assert unit in ("%", "-")
            assert words


def test_records_without_curves_and_groups_make_no_charts() -> None:
    shown = render(arrange([Filed("a.json", make_record()), Filed("b.json", failed("f"))]))
    body = shown["index.html"].partition("</style>")[2].partition("<script>")[0]
    for part in ("canvas", "Trade-off", "Scores", "Calibration", "By group", "Groups of speakers", "readout"):
        assert part not in body
    assert "By stratum" in body
    assert "Worst" not in shown["leaderboard.md"]


@given(any_record())
@settings(
    max_examples=12, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
def test_any_valid_record_makes_a_board(record: Record) -> None:
    shown = render(arrange([Filed("a.json", record)]))
    places = re.findall(r' (?:x|y|x1|x2|y1|y2|cx|cy|d|width|height)="([^"]*)"', shown["index.html"])
    assert not [place for place in places if "nan" in place or "inf" in place]
    json.loads(shown["leaderboard.json"])


def test_the_forest_plot_spans_all_intervals() -> None:
    records = [make_record(f"s{i}", eer) for i, eer in enumerate((0.05, 0.1, 0.5))]
    plot = forest(arrange(Filed(f"{r.id}.json", r) for r in records).panels[0])
    assert plot
    ends = [float(x.rstrip("%")) for mark in plot.marks for x in (mark.low, mark.x, mark.high)]
    assert 0 <= min(ends) <= max(ends) <= 100
    assert [float(mark.x.rstrip("%")) for mark in plot.marks] == sorted(float(m.x.rstrip("%")) for m in plot.marks)
    assert [text for _, text in plot.ticks] == ["0", "20", "40", "60"]


@pytest.mark.parametrize("values", [(0.0,), (0.25, 0.25), (1e-9,), (0.999, 1.0)])
def test_odd_ranges_still_give_an_axis(values: tuple[float, ...]) -> None:
    records = [make_record(f"s{i}", values={EER: Value(v)}, groups=()) for i, v in enumerate(values)]
    plot = forest(arrange(Filed(f"{i}.json", r) for i, r in enumerate(records)).panels[0])
    assert plot
    assert 2 <= len(plot.ticks) <= 8
    assert len({text for _, text in plot.ticks}) == len(plot.ticks)


# --- the other formats ---


def test_markdown_shows_intervals_reasons_and_marks(tmp_path: Path) -> None:
    build(_store(tmp_path / "records"), tmp_path / "board")
    text = (tmp_path / "board" / "leaderboard.md").read_text(encoding="utf-8")
    assert "**10.00 %** [8.00, 12.00]" in text
    assert "*failed: not enough memory*" in text
    assert "## Voices verification (synthetic)" in text
    assert "| unknown |" in text
    outside_code = re.sub(r"^(`{3,})sh\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert "````sh" in text  # a command with three backticks stays inside its block
    assert "<script" not in outside_code
    assert "\x1b" not in text
    assert "### " in text.partition("## Train × test")[2]
    blocks = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    assert len(blocks) > 5
    for block in blocks:  # no row torn apart by a pipe in a name
        assert len({line.count("|") for line in block.splitlines()}) == 1


@pytest.mark.parametrize("text", ["a|b", "a\\|b", "`x`", "**b**", "[x](y)", "<b>", "![i](j)", "~~s~~"])
def test_markdown_escapes_what_markdown_acts_on(text: str) -> None:
    shown = escape(text)
    assert "<" not in shown
    assert "|" not in shown
    for mark in "`*[]~":
        assert shown.count(mark) == shown.count(f"\\{mark}")


def test_csv_and_json_have_every_cell_with_full_precision(tmp_path: Path) -> None:
    build(_store(tmp_path / "records"), tmp_path / "board")
    lines = list(csv.DictReader(io.StringIO((tmp_path / "board" / "leaderboard.csv").read_text(encoding="utf-8"))))
    data = json.loads((tmp_path / "board" / "leaderboard.json").read_text(encoding="utf-8"))
    assert len(lines) == len(data["cells"])
    third = next(line for line in lines if line["name"] == "fbank+mean" and line["metric"] == EER and line["value"])
    assert float(third["value"]) == 0.3 / 1 or float(third["value"]) == 0.4
    assert {line["status"] for line in lines} == {"ok", "failed", "imported", "not run"}
    assert {line["reason"] for line in lines if line["status"] == "failed"} == {"failed: not enough memory"}
    assert not any(value.startswith(("=", "+", "@")) for line in lines for value in line.values())
    names = {system["id"]: system["name"] for system in data["systems"]}
    best = [cell for cell in data["cells"] if cell["rank"] == 1 and cell["metric"] == DCF]
    assert "ecapa-tdnn+attentive+aam" in {names[cell["system"]] for cell in best}


def test_groups_and_gaps_are_in_every_format() -> None:
    record = grouped("a+b")
    shown = render(arrange([Filed("a.json", record), Filed("b.json", make_record("c"))]))
    assert (
        "| a+b | Voices | 42 | gender | female 7.99 % [5.59, 10.79] | 2.55 points [0.77, 4.60] to male |"
        in shown["leaderboard.md"]
    )
    assert "(BCa bootstrap over speakers, 1,000 replicates)" in shown["leaderboard.md"]
    data = json.loads(shown["leaderboard.json"])
    assert data["intervals"] == "BCa bootstrap over speakers, 1,000 replicates"
    assert [(gap["label"], gap["worst"], gap["value"]) for gap in data["gaps"]] == [
        (gap.label, gap.worst, gap.value.value) for gap in record.gaps
    ]
    welsh = next(group for group in data["groups"] if group["group"] == "accent=Welsh")
    assert (welsh["value"], welsh["reason"]) == (None, "too small: 12 targets, a number needs 30")
    assert len(data["groups"]) == 8
    lines = list(csv.DictReader(io.StringIO(shown["leaderboard.csv"])))
    found = {(line["name"], line["metric"]): line for line in lines}
    assert found["a+b", EER]["worst_group"] == "accent=Indian"  # of all labels the widest gap
    assert float(found["a+b", EER]["gap"]) == record.gaps[1].value.value
    assert found["a+b", EER]["interval"] == "bca"
    assert (found["c", EER]["worst_group"], found["c", EER]["gap"], found["c", EER]["interval"]) == ("", "", "")


def test_the_command_prints_a_table_or_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _store(tmp_path / "records")
    assert run(BoardArgs(tmp_path / "records", tmp_path / "board")) == 0
    shown = capsys.readouterr()
    assert "10.00 % [8.00, 12.00]" in shown.out
    assert "failed: not enough memory" in shown.out
    assert "\x1b" not in shown.out
    assert "leaderboard.md" in shown.err
    assert run(BoardArgs(tmp_path / "records", tmp_path / "board", json=True)) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "board" / "leaderboard.json").read_text())


def test_a_narrow_terminal_gets_fewer_columns_and_is_told() -> None:
    board = arrange([Filed("a.json", make_record())])
    wide, narrow = overview(board), overview(board, 60)
    assert len(wide.columns) == 7
    assert len(narrow.columns) < 7
    assert "more column" in str(narrow.caption)


def test_render_names_all_files() -> None:
    assert tuple(render(arrange([Filed("a.json", make_record())]))) == FILES
