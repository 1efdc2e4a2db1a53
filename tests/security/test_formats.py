"""Hostile lists, scores, transcripts and turns: a sentence and exit code 2, never a traceback, and nothing is run."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from tests.security.conftest import Arena
from voxboard.cli import main

ESCAPE = "\x1b]0;owned\x07\x1b[2J"
SCORES = {
    "escape in a name": f"a {ESCAPE} 0.5\na {ESCAPE} 0.7\n",
    "escape in a score": f"a b {ESCAPE}\n",
    "escape in a header": f"enrol,test,score,{ESCAPE},{ESCAPE}\na,b,1,2,3\n",
    "nul": "a\0b c 0.5\n",
    "code as a number": "a b __import__('os').system('touch it')\n",
    "one endless line": "a" * 3_000_000,
    "a thousand fields": " ".join("a" * 1000) + "\n",
    "quote without end": 'enrol,test,score\na,"b,1\n' + "x" * 200_000,
    "no number": "a b nan\na c 1\n",
    "overflow": "a b 1e999999x\n",
    "digits without end": f"a b {'9' * 5000}\na c {'1' * 4000}x\n",
    "column twice": "LABEL,SAMPLE1,SAMPLE2,SCORE,SCORE\n1,a,b,1,2\n",
    "header alone": "LABEL,SAMPLE1,SAMPLE2,SCORE\n",
    "empty": "",
    "hdf5": "\x89HDF\r\n\x1a\n",
}
TEXTS = {
    "nested json.json": "[" * 300_000 + "]" * 300_000,
    "nested map.json": '{"a":' * 200_000 + "1" + "}" * 200_000,
    "braces.trn": "{ " * 5000 + "a (u1)\n",
    "closing.trn": "} a (u1)\n",
    "brackets": "(" * 300_000 + "\n(" + ")" * 300_000 + "\n",
    "escape.trn": f"a ({ESCAPE})\nb (u2)\n",
    "huge number.jsonl": '{"id": "u1", "text": 1e999999}\n',
    "endless digits.jsonl": '{"id": "u1", "text": ' + "9" * 10_000 + "}\n",
    "lone surrogate.json": '{"u1": "\\ud800"}',
    "nan.stm": "f 1 s nan 1 a\nf 1 s 0 inf b\n",
    "nul": "u1 \0\n",
    "quote.csv": 'id,text\nu1,"' + "a" * 200_000 + "\n",
}
TURNS = {
    "mdtm": "f 1 0 4 speaker <NA> <NA> a\n",
    "escape": f"{ESCAPE} f 1 0 4 <NA> <NA> a <NA>\n",
    "overflow": "SPEAKER f 1 0 1e308 <NA> <NA> a <NA>\n",
    "infinite": "SPEAKER f 1 inf 1 <NA> <NA> a <NA>\n",
    "nothing but noscore": "NOSCORE f 1 0 100 <NA> <NA> <NA> <NA>\n",
    "nul": "SPEAKER f\0 1 0 1 <NA> <NA> a <NA>\n",
    "short noise": "NON-LEX f 1 0\n",
    "endless digits": f"SPEAKER f 1 {'9' * 5000} 1 <NA> <NA> a <NA>\n",
}


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What the command line says when it refuses; no escape sequence is in it, and no traceback."""
    assert main(["score", *words, "--replicates", "50"]) == 2
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    assert "\x1b" not in printed.err + printed.out
    assert not Path("results/records").exists(), "no record is left of what was refused"
    return printed.err


@pytest.mark.usefixtures("arena")
@pytest.mark.parametrize("kind", SCORES)
def test_hostile_scores_are_refused(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("s").write_text(SCORES[kind], encoding="latin-1")
    Path("list").write_text("1 a b\n0 a c\n")
    assert refused(["--scores", "s", "--trials", "list"], capsys)


@pytest.mark.usefixtures("arena")
@pytest.mark.parametrize("kind", SCORES)
def test_hostile_lists_are_refused(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("list").write_text(SCORES[kind], encoding="latin-1")
    Path("s").write_text("a b 0.5\na c 0.1\n")
    assert refused(["--scores", "s", "--trials", "list"], capsys)


@pytest.mark.usefixtures("arena")
@pytest.mark.parametrize("kind", TEXTS)
def test_hostile_transcripts_are_refused(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(kind).write_text(TEXTS[kind], encoding="utf-8")
    Path("ref").write_text("u1 a b\n")
    assert refused(["--hypotheses", kind, "--references", "ref"], capsys)


@pytest.mark.usefixtures("arena")
@pytest.mark.parametrize("kind", TURNS)
def test_hostile_turns_are_refused(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.rttm").write_text(TURNS[kind], encoding="utf-8")
    Path("h.rttm").write_text("SPEAKER f 1 0 4 <NA> <NA> a <NA>\n")
    assert refused(["--rttm", "h.rttm", "--reference", "x.rttm"], capsys)


@pytest.mark.usefixtures("arena")
def test_a_small_gzip_does_not_fill_the_memory(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voxboard.text_files.available", lambda: 1 << 22)
    for name in ("s", "r.rttm.gz", "hyp"):
        Path(name).write_bytes(gzip.compress(b"1 a b\n" * 2_000_000))
    Path("list").write_text("1 a b\n0 a c\n")
    Path("ref").write_text("u1 a\n")
    assert "memory" in refused(["--scores", "s", "--trials", "list"], capsys)
    assert "memory" in refused(["--scores", "list", "--trials", "s"], capsys)
    assert "memory" in refused(["--rttm", "r.rttm.gz", "--reference", "r.rttm.gz"], capsys)
    assert "memory" in refused(["--hypotheses", "hyp", "--references", "ref"], capsys)


@pytest.mark.usefixtures("arena")
def test_names_of_paths_are_names_only(arena: Arena) -> None:
    """An utterance may be called like a file elsewhere: nothing is read or written there."""
    name = f"../outside/{arena.secret.name}"
    Path("ref").write_text(f"{name} a b\n/etc/passwd c\n")
    Path("hyp").write_text(f"{name} a\n/etc/passwd c\n")
    words = ["--hypotheses", "hyp", "--references", "ref", "--system", "../../outside/x", "--corpus", "../outside"]
    assert main(["score", *words, "--replicates", "50"]) == 0
    assert {path.parts[0] for path in Path().rglob("*.json")} <= {"results", "cache"}


@pytest.mark.usefixtures("arena")
def test_folders_are_read_without_what_is_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("ref").mkdir()
    Path("ref/a.rttm").write_text("SPEAKER a 1 0 4 <NA> <NA> x <NA>\n")
    Path("ref/b.rttm").mkdir()
    os.mkfifo("ref/c.rttm")
    Path("ref/._a.rttm").write_bytes(b"\0\5\26\7")
    assert main(["score", "--rttm", "ref", "--reference", "ref", "--replicates", "50"]) == 0
    assert "Traceback" not in capsys.readouterr().err
