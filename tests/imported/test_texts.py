"""Transcripts and owners of utterances as files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from voxboard.errors import UserError
from voxboard.imported import speakers, texts

EXPECTED = {"u1": "a b, c", "u2": "", "u3": "ä"}
FORMS = {
    "t.txt": "u1 a b, c\nu2\nu3\tä\n",
    "t.csv": 'id,text\nu1,"a b, c"\nu2,\nu3,ä\n',
    "t.jsonl": '{"id": "u1", "text": "a b, c"}\n{"id": "u2", "text": ""}\n\n{"id": "u3", "text": "ä"}\n',
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_texts(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FORMS[name], encoding="utf-8")
    assert texts.read(tmp_path / name) == EXPECTED


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("t.txt", "u1 a\nu1 b\n", "line 2: u1 has a second text"),
        ("t.txt", "", "holds no texts"),
        ("t.csv", "name,words\nu1,a\n", "no columns id and text"),
        ("t.csv", "id,text\nu1,a,b\n", "line 2"),
        ("t.jsonl", '{"id": "u1"}\n', "line 1 has no id and text"),
        ("t.jsonl", '{"id": 1, "text": "a"}\n', "line 1: id and text are not both text"),
        ("t.jsonl", "u1 a\n", "line 1 has no id and text"),
    ],
)
def test_what_is_no_transcript_is_refused(tmp_path: Path, name: str, text: str, problem: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=problem):
        texts.read(tmp_path / name)


def test_speakers_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "utt2spk"
    file.write_text("u1 anna\nu2 ben\n\nu3 anna\n")
    found = speakers.known(str(file))
    assert speakers.of_each(["u3", "u2"], found).tolist() == ["anna", "ben"]
    with pytest.raises(UserError, match="1 of 2 utterances have no speaker .first: u9"):
        speakers.of_each(["u1", "u9"], found)
    for text, problem in (("u1 a b\n", "line 1"), ("u1 a\nu1 b\n", "u1 has two speakers")):
        file.write_text(text)
        with pytest.raises(UserError, match=problem):
            speakers.known(str(file))
    with pytest.raises(UserError, match="corpus"):
        speakers.known(str(tmp_path / "nothing"))


SAME = {"u1": "a b", "u2": "c"}
WRITTEN = {
    "ref.trn": "a b (u1)\nc (u2)\n",
    "ref.txt": "u1 a b\nu2 c\n",
    "bom.txt": "\ufeffu1 a b\r\nu2 c\r\n",
    "ref.tsv": "id\ttext\nu1\ta b\nu2\tc\n",
    "semi.csv": "id;text\nu1;a b\nu2;c\n",
    "quotes.tsv": 'file_name\ttranscription\nu1\ta b\nu2\tc\n',
    "lj.csv": "u1|x|a b\nu2|y|c\n",
    "manifest.json": '{"audio_filepath": "u1", "text": "a b"}\n{"audio_filepath": "u2", "text": "c"}\n',
    "list.json": '[{"id": "u1", "text": "a b"}, {"id": "u2", "text": "c"}]',
    "map.json": '{"u1": "a b", "u2": "c"}',
    "x.stm": "u1 1 ann 0 1 a\nu1 1 ann 1 2 <o,f0> b\n;; note\nu2 1 bob 0 1 c\n",
    "x.ctm": "u1 1 0.5 0.1 b\nu1 1 0.1 0.1 a 0.9\nu2 1 0 0.1 c\n",
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("other", ["ref.txt", "ref.trn"])
def test_either_side_may_be_in_any_format(tmp_path: Path, name: str, other: str) -> None:
    one, two = tmp_path / name, tmp_path / f"other-{other}"
    one.write_text(WRITTEN[name], encoding="utf-8")
    two.write_text(WRITTEN[other], encoding="utf-8")
    found = texts.pair(one, two)
    assert found.hypotheses == found.references == SAME


def test_utf_16_is_read(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("u1 ä b\n", encoding="utf-16")
    assert texts.read(tmp_path / "t.txt") == {"u1": "ä b"}


BOTH = "hello there (a-1)\ngood day (a-2)\n"


def test_what_two_formats_fit_is_decided_by_the_other_side_or_refused(tmp_path: Path) -> None:
    both, kaldi = tmp_path / "hyp.txt", tmp_path / "ref.txt"
    both.write_text(BOTH)
    kaldi.write_text("a-1 hello there\na-2 good bye\n")
    assert texts.pair(both, kaldi).hypotheses == {"a-1": "hello there", "a-2": "good day"}
    kaldi.write_text("hello a\ngood b\n")
    assert texts.pair(both, kaldi).hypotheses == {"hello": "there (a-1)", "good": "day (a-2)"}
    kaldi.write_text("hello a\na-1 b\n")
    with pytest.raises(UserError, match=r"several ways: trn \(line 1 is of utterance a-1\) or kaldi .*hello"):
        texts.pair(both, kaldi)
    kaldi.write_text(BOTH)
    with pytest.raises(UserError, match="several ways"):
        texts.pair(both, kaldi)
    assert texts.pair(both, kaldi, ("trn", "trn")).references == {"a-1": "hello there", "a-2": "good day"}
    kaldi.write_text(BOTH.replace("hello", "goodbye"))
    assert texts.pair(both, kaldi).references["a-1"] == "goodbye there", "one pair of readings agrees about ids"


def test_numbers_that_look_like_times_are_decided_by_the_other_side(tmp_path: Path) -> None:
    digits, other = tmp_path / "hyp", tmp_path / "ref"
    digits.write_text("u1 7 1 2 3 4\n")
    other.write_text("u1 7 1 2 3 5\nu2\n")
    with pytest.raises(UserError, match="several ways: stm .* or ctm .* or kaldi"):
        texts.read(digits)
    digits.write_text("u1 7 1 2 3 4\nu2 x\n")
    assert texts.pair(digits, other).hypotheses == {"u1": "7 1 2 3 4", "u2": "x"}


def test_ids_that_differ_in_case_folders_or_suffix_are_matched(tmp_path: Path) -> None:
    for name, line in {"hyp": "A/B/U1.WAV x\n", "ref": "u1 x\n"}.items():
        (tmp_path / name).write_text(line)
    assert texts.pair(tmp_path / "hyp", tmp_path / "ref").hypotheses == {"u1": "x"}


def test_one_manifest_holds_both_sides(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text('{"audio_filepath": "a.wav", "text": "a b", "pred_text": "a"}\n')
    assert texts.two_in_one(path)
    found = texts.pair(path, path)
    assert (found.references, found.hypotheses) == ({"a.wav": "a b"}, {"a.wav": "a"})
    path.write_text('{"audio_filepath": "a.wav", "text": "a b"}\n')
    assert not texts.two_in_one(path)


def test_folders_of_whisper_and_of_audio_with_a_table_are_read(tmp_path: Path) -> None:
    whisper, audio = tmp_path / "whisper", tmp_path / "audio"
    whisper.mkdir()
    audio.mkdir()
    for name in ("u1", "u2", "._u1"):
        (whisper / f"{name}.json").write_text(f'{{"text": " {name} x", "segments": [], "language": "en"}}')
    (audio / "metadata.csv").write_text("file_name,transcription\nu1.wav,u1 x\nu2.wav,u2 y\n")
    found = texts.pair(whisper, audio)
    assert found.hypotheses == {"u1.wav": "u1 x", "u2.wav": "u2 x"}


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("t.json", '{"u1": "a", "u1": "b"}', "names 'u1' twice"),
        ("t.json", '{"u1": {"text": "a"}}', "no map of id to text: it holds dict under 'u1'"),
        ("t.json", "{}", "it holds nothing"),
        ("t.json", "[1]", "entry 1 has no id and text"),
        ("t.json", "not json", "line 1 has no id and text"),
        ("t.json", "[" * 100_000, "nested too deeply|has no id and text"),
        ("t.tsv", "id\ttext\ttext\nu1\ta\tb\n", "names the column text twice"),
        ("t.tsv", "id\twords_of_mine\nu1\ta\n", "no columns id and text"),
        ("t.csv", 'id,text\nu1,"a\n', "line 2: not a row of the table"),
        ("t.tsv", "id\ttext\nu1\n", "line 2: fields are missing"),
        ("t.csv", "id,text\n", "holds no texts"),
        ("t", "a (u1)\na (u1)\n", "line 2: u1 has a second text"),
        ("t.trn", "a (u1)\nb (u1)\n", "line 2: u1 has a second text"),
        ("t", "u1 \0\n", "is no text file: it holds a NUL byte"),
        ("t", "a\xff".encode("latin-1").decode("latin-1"), ""),
    ],
)
def test_odd_transcripts_are_told_in_a_sentence(tmp_path: Path, name: str, text: str, problem: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8" if problem else "latin-1")
    with pytest.raises(UserError, match=problem or "line 1: not UTF-8 text"):
        texts.read(tmp_path / name)


def test_a_table_of_markdown_has_no_row_of_dashes(tmp_path: Path) -> None:
    (tmp_path / "t.md").write_text("| id | text |\n|:---|---:|\n| u1 | a |\n")
    assert texts.read(tmp_path / "t.md") == {"u1": " a "}


def test_ids_that_look_like_words_are_doubted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING", "voxboard")
    (tmp_path / "t").write_text("hello there\ngood day\n")
    texts.pair(tmp_path / "t", tmp_path / "t")
    assert "are taken for ids, though they look like words" in caplog.text


def test_stretches_of_one_recording_are_utterances(tmp_path: Path) -> None:
    rows = [{"audio_filepath": "a.wav", "offset": at, "text": "x"} for at in (0, 1.5)]
    (tmp_path / "m.json").write_text("\n".join(map(json.dumps, rows)))
    assert list(texts.read(tmp_path / "m.json")) == ["a.wav@0", "a.wav@1.5"]


@pytest.mark.parametrize(
    ("name", "lines", "problem"),
    [
        ("r.trn", "a b (s_1)\nc d\n", "line 2: this is no line of trn"),
        ("r.stm", "f A s 0 2 a b\ng A s 3 2 c\n", "line 2: this is no line of stm"),
        ("r.ctm", "f A 0.1 0.5 a\ng A 0.1 -0.5 b\n", "line 2: this is no line of ctm"),
    ],
)
def test_a_line_that_is_broken_does_not_make_a_text_of_kaldi(
    tmp_path: Path, name: str, lines: str, problem: str
) -> None:
    (tmp_path / name).write_text(lines)
    with pytest.raises(UserError, match=problem):
        texts.read(tmp_path / name)
    assert len(texts.read(tmp_path / name, format="kaldi")) == 2


def test_kaldi_text_under_a_wrong_suffix_is_read(tmp_path: Path) -> None:
    (tmp_path / "r.stm").write_text("u1 a b\nu2 c\n")
    assert texts.read(tmp_path / "r.stm") == {"u1": "a b", "u2": "c"}
