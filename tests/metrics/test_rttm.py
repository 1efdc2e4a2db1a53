"""RTTM and UEM: what is read is what was written, and a line that cannot be meant is named."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voxboard.errors import UserError
from voxboard.metrics.diarization import score
from voxboard.metrics.rttm import read_rttm, read_uem, worded, write_rttm, write_uem

TURN = "SPEAKER a 1 0.5 1.25 <NA> <NA> MÉO069 <NA> <NA>"

NAMES = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=6).filter(
    lambda name: not name.startswith(";;") and len(name.split()) == 1
)
# Windows and macOS fold case and forms; what is tested is the format, so files are named in ASCII.
FILES = st.text("abcdefgh0123456789_-", min_size=1, max_size=8)
TIMES = st.tuples(st.integers(0, 10**13), st.integers(0, 10**12)).map(
    lambda ticks: (ticks[0] / 10**9, (ticks[0] + ticks[1]) / 10**9)
)
TURNS = st.lists(st.tuples(NAMES, TIMES).map(lambda turn: (turn[0], *turn[1])), min_size=1, max_size=6)
CORPUS = st.dictionaries(FILES, TURNS, min_size=1, max_size=4)
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)


@given(CORPUS)
@same_folder
def test_one_file_reads_as_it_was_written(tmp_path: Path, turns: dict[str, list[tuple[str, float, float]]]) -> None:
    write_rttm(turns, tmp_path / "all.rttm")
    assert read_rttm(tmp_path / "all.rttm") == turns


def test_a_folder_reads_as_it_was_written_silence_included(tmp_path: Path) -> None:
    turns = {"b": [("x", 0.1, 0.30000000000000004)], "a": [], "c.d": [("é", 131.6, 437.44), ("y", 2.0, 2.0)]}
    write_rttm(turns, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.rttm", "b.rttm", "c.d.rttm"]
    assert read_rttm(tmp_path / "out") == {**turns, "b": [("x", 0.1, 0.3)]}


def test_regions_read_as_they_were_written(tmp_path: Path) -> None:
    regions = {"a": [(0.0, 1546.333312), (1600.0, 1601.5)], "b": [(2.25, 3.0)]}
    write_uem(regions, tmp_path / "all.uem")
    write_uem(regions, tmp_path / "folder")
    assert read_uem(tmp_path / "all.uem") == read_uem(tmp_path / "folder") == regions
    assert (tmp_path / "folder" / "b.uem").read_text() == "b 1 2.250 3.000\n"


def test_lines_are_as_other_tools_write_them(tmp_path: Path) -> None:
    write_rttm({"a": [("MÉO069", 0.5, 1.75), ("x", 1.0, 1.123456)]}, tmp_path / "a.rttm")
    assert (tmp_path / "a.rttm").read_text(encoding="utf-8").splitlines() == [
        "SPEAKER a 1 0.500 1.250 <NA> <NA> MÉO069 <NA> <NA>",
        "SPEAKER a 1 1.000 0.123456 <NA> <NA> x <NA> <NA>",
    ]


def test_comments_blank_lines_other_objects_and_nine_fields_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.rttm.gz"
    text = f"\ufeff;; made by hand\r\n\r\nSPKR-INFO a 1 <NA> <NA> <NA> unknown A <NA>\r\n{TURN}\r\n{TURN[:-5]}\n"
    path.write_bytes(gzip.compress(text.encode()))
    assert read_rttm(path) == {"a": [("MÉO069", 0.5, 1.75)] * 2}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("SPEAKER a 1 0.5 -1.25 <NA> <NA> A <NA> <NA>", "the duration is -1.25"),
        ("SPEAKER a 1 -0.5 1.25 <NA> <NA> A <NA> <NA>", "the onset is -0.5"),
        ("SPEAKER a 1 nan 1.25 <NA> <NA> A <NA> <NA>", "the onset is nan"),
        ("SPEAKER a 1 0.5 inf <NA> <NA> A <NA> <NA>", "the duration is inf"),
        ("SPEAKER a 1 0,5 1.25 <NA> <NA> A <NA> <NA>", "'0,5' is not a number"),
        ("SPEAKER a 1 0.5 1.25 <NA> <NA> A B <NA> <NA>", "11 fields where 9 or 10 are due"),
        ("SPEAKER a 1 0.5 1.25 <NA> <NA> A", "8 fields"),
        ("SPEAKER a 2 0.5 1.25 <NA> <NA> A <NA> <NA>", "turns on channels 1 and 2"),
        ("NOSCORE a 1 0.5 1.25 <NA> <NA> <NA> <NA>", "takes time out of scoring"),
        ("speaker a 1 0.5 1.25 <NA> <NA> A <NA> <NA>", "'speaker' is no type"),
    ],
)
def test_a_bad_line_is_named(line: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.rttm"
    path.write_text(f"{TURN}\n\n{line}\n", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_rttm(path)
    assert caught.value.problem.startswith(f"{path}, line 3: ")
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("a 1 5", "3 fields where 4 are due"),
        ("a 1 5 5", "ends at 5 s"),
        ("a 1 5 4", "ends at 4 s"),
        ("a 1 x 4", "'x' is not a number"),
        (TURN, "10 fields"),
    ],
)
def test_a_bad_region_is_named(line: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.uem"
    path.write_text(f"a 1 0 4\n{line}\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 2") as caught:
        read_uem(path)
    assert problem in caught.value.problem


def test_what_is_no_such_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "latin.rttm").write_bytes(TURN.encode("latin-1"))
    (tmp_path / "cut.rttm.gz").write_bytes(gzip.compress(TURN.encode())[:-9])
    (tmp_path / "plain.rttm.gz").write_text("SPEAKER")
    (tmp_path / "empty.uem").write_text(";; nothing\n")
    (tmp_path / "nothing").mkdir()
    for name, problem in {
        "latin.rttm": "not UTF-8",
        "cut.rttm.gz": "cannot be read",
        "plain.rttm.gz": "cannot be read",
        "absent.rttm": "No such file",
        "nothing": "holds no .rttm file",
    }.items():
        with pytest.raises(UserError, match=problem):
            read_rttm(tmp_path / name)
    with pytest.raises(UserError, match="names no region"):
        read_uem(tmp_path / "empty.uem")


def test_a_recording_in_two_files_of_a_folder_is_refused(tmp_path: Path) -> None:
    for system in ("one", "two"):
        (tmp_path / f"{system}.rttm").write_text(TURN, encoding="utf-8")
    with pytest.raises(UserError, match=r"two\.rttm is about a, and so is another"):
        read_rttm(tmp_path)


@pytest.mark.parametrize("name", ["", "a b", "a\tb", ";;a", "a/b", "a\n"])
def test_a_name_that_would_not_be_read_again_is_not_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        write_rttm({name: [("x", 0.0, 1.0)]}, tmp_path / "out")
    if name != "a/b":
        with pytest.raises(ValueError, match="cannot be"):
            write_rttm({"a": [(name, 0.0, 1.0)]}, tmp_path / "a.rttm")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("turn", [("x", 2.0, 1.0), ("x", -1.0, 1.0), ("x", 0.0, float("nan"))])
def test_a_turn_that_would_not_be_read_again_is_not_written(turn: tuple[str, float, float], tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_rttm({"a": [turn]}, tmp_path / "a.rttm")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_other_recordings_is_not_mixed_with(tmp_path: Path) -> None:
    (tmp_path / "old.rttm").write_text(TURN, encoding="utf-8")
    with pytest.raises(UserError, match=r"already holds old\.rttm"):
        write_rttm({"new": [("x", 0.0, 1.0)]}, tmp_path)


def test_real_files_are_read(shared_data: Path) -> None:
    folder = shared_data / "diarization" / "ami-excerpts"
    turns, regions = read_rttm(folder / "rttm"), read_uem(folder / "uem")
    assert set(turns) == set(regions)
    assert any("É" in speaker for rows in turns.values() for speaker, _, _ in rows)
    assert len(read_rttm(shared_data / "diarization" / "voxconverse" / "dev")) == 216


REFERENCE = "SPEAKER f 1 0.0 4.0 <NA> <NA> A <NA>\nSPEAKER f 1 4.0 4.0 <NA> <NA> B <NA>\n"
HYPOTHESIS = "SPEAKER f 1 0.0 3.5 <NA> <NA> x <NA>\nSPEAKER f 1 3.5 5.5 <NA> <NA> y <NA>\n"


@pytest.mark.parametrize(
    ("line", "total", "miss", "false_alarm", "confusion"),
    [
        ("", 8, 0, 1, 0.5),
        ("NOSCORE f 1 3.0 2.0 <NA> <NA> <NA> <NA>", 6, 0, 1, 0),
        ("NOSCORE f 1 1.0 1.0 <NA> <NA> <NA> <NA>", 7, 0, 1, 0.5),
        ("NOSCORE f 1 7.5 3.0 <NA> <NA> <NA> <NA>", 7.5, 0, 0, 0.5),
        ("NOSCORE f 1 9.5 1e8 <NA> <NA> <NA> <NA>", 8, 0, 1, 0.5),
        ("NO_RT_METADATA f 1 3.0 2.0 <NA> <NA> <NA> <NA>", 8, 0, 1, 0.5),
        ("NON-LEX f 1 1.0 0.5 laughs laugh A <NA>", 6.5, 0, 1, 0.5),
        ("NON-LEX f 1 *1.0 0.5* laughs laugh A <NA>", 6.5, 0, 1, 0.5),
        ("NON-LEX f 1 1.0 0.5 x laugh A <NA>\nLEXEME f 1 1.6 0.1 hello lex A <NA>", 6.9, 0, 1, 0.5),
        ("NON-LEX f 1 0.1 0.1 x laugh A <NA>", 7.3, 0, 1, 0.5),
        ("NON-SPEECH f 1 1.0 1.0 <NA> noise <NA> <NA>", 8, 0, 1, 0.5),
        ("SPKR-INFO f 1 <NA> <NA> <NA> adult_male A <NA>", 8, 0, 1, 0.5),
        ("# a comment\n; another", 8, 0, 1, 0.5),
    ],
)
def test_every_type_counts_as_in_md_eval(
    line: str, total: float, miss: float, false_alarm: float, confusion: float, tmp_path: Path
) -> None:
    for name, text in {"r.rttm": f"{REFERENCE}{line}\n", "h.rttm": HYPOTHESIS, "u.uem": "# all\nf 1 0 10\n"}.items():
        (tmp_path / name).write_text(text)
    found = score(tmp_path / "r.rttm", tmp_path / "h.rttm", 0.0, uem=tmp_path / "u.uem", mapping="all")
    assert (found.total, found.miss, found.false_alarm, found.confusion) == pytest.approx(
        (total, miss, false_alarm, confusion)
    )


def test_noscore_without_a_uem_leaves_the_time_of_the_turns(tmp_path: Path) -> None:
    for name, text in {"r.rttm": f"{REFERENCE}NOSCORE f 1 3 2 <NA> <NA> <NA> <NA>\n", "h.rttm": HYPOTHESIS}.items():
        (tmp_path / name).write_text(text)
    sides = tmp_path / "r.rttm", tmp_path / "h.rttm"
    assert score(*sides, 0.0).false_alarm == 1
    assert score(*sides, 0.0, span="reference").false_alarm == 0
    with pytest.raises(UserError, match="line 3: NOSCORE takes time out of scoring"):
        read_rttm(sides[0])


def test_a_folder_is_read_in_any_case_and_without_hidden_files(tmp_path: Path) -> None:
    (tmp_path / "A.RTTM").write_text(TURN, encoding="utf-8")
    for name in ("._A.rttm", ".b.rttm"):
        (tmp_path / name).write_bytes(b"\0\5\26\7Mac OS X")
    assert list(read_rttm(tmp_path)) == ["a"]
    (tmp_path / "A.RTTM").unlink()
    with pytest.raises(UserError, match=r"holds no \.rttm file"):
        read_rttm(tmp_path)


def test_regions_that_overlap_are_scored_once_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "all.uem").write_text("; note\nf 1 0 6\nf 1 5 8\n")
    caplog.set_level("WARNING", "voxboard")
    assert read_uem(tmp_path / "all.uem") == {"f": [(0.0, 6.0), (5.0, 8.0)]}
    assert "regions of f that overlap: they are scored once" in caplog.text
    turns = {"f": [("A", 0.0, 8.0)]}
    assert score(turns, turns, 0.0, uem=tmp_path / "all.uem").total == 8


def test_mdtm_and_utf_16_are_told_from_rttm(tmp_path: Path) -> None:
    (tmp_path / "x.rttm").write_text("f 1 0.0 4.0 speaker <NA> <NA> ann\n")
    with pytest.raises(UserError, match="line 1: this is MDTM"):
        read_rttm(tmp_path / "x.rttm")
    (tmp_path / "x.rttm").write_text(TURN, encoding="utf-16")
    assert list(read_rttm(tmp_path / "x.rttm")) == ["a"]


def test_names_that_rttm_cannot_hold_get_others(tmp_path: Path) -> None:
    turns = {"my talk": [("Anna M", 0.0, 1.0), ("Anna_M", 1.0, 2.0)], "a/b": []}
    found = worded(turns)
    assert found == {"my_talk": [("Anna_M", 0.0, 1.0), ("Anna_M_2", 1.0, 2.0)], "a_b": []}
    write_rttm(found, tmp_path / "out")
    assert read_rttm(tmp_path / "out") == found


def test_a_name_that_would_be_a_comment_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="would be a comment"):
        write_uem({"#1": [(0.0, 1.0)]}, tmp_path / "all.uem")


def test_saved_reports_of_md_eval_are_reproduced(shared_data: Path) -> None:
    folder = shared_data / "published-scores" / "sctk-md-eval"
    scored = {
        "md_test23": 7.5,
        "md_test25": 6.618,
        "md_test27": 96.671,
        "md_test_greg": 197.0,
        "sd_test1": 7.8,
        "sd_test3": 8.9,
    }
    for name, seconds in scored.items():
        sides = folder / f"{name}.ref.rttm", folder / f"{name}.sys.rttm"
        found = score(*sides, 0.0, name.startswith("sd"), folder / f"{name}.uem", mapping="all")
        assert (found.total, found.der) == pytest.approx((seconds, 0.0), abs=5e-3), name
