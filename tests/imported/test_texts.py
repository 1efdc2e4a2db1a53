"""Transcripts and owners of utterances as files."""

from __future__ import annotations

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
