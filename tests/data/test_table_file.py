"""Tables whose quotation marks are meant, or are those of sentences: every row is read."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxboard.data import table_file
from voxboard.errors import UserError

HEADER = ("file", "speaker", "text")
TEXTS = ["plain", '"Stop, she called', 'and then"  he left', '"whole"', 'two "inner" ones', '"', "last"]


def rows(tmp_path: Path, text: str, **options: object) -> list[list[str]]:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8", newline="")
    return table_file.read(tmp_path / "t.csv", **options).rows


@pytest.mark.parametrize("separator", "\t|;")
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_quotation_marks_of_sentences_lose_no_row(tmp_path, separator, end, mark):
    lines = [separator.join((f"{n}.wav", "s", text)) for n, text in enumerate(TEXTS)]
    found = rows(tmp_path, mark + end.join([separator.join(HEADER), *lines, ""]))
    assert [row[0] for row in found] == [f"{n}.wav" for n in range(len(TEXTS))]
    assert [row[2] for row in found] == [text if text != '"whole"' else "whole" for text in TEXTS]


def test_an_unpaired_mark_in_a_table_with_commas_loses_no_row(tmp_path):
    found = rows(tmp_path, 'file,speaker,text\na,s,"Stop\nb,s,plain"\nc,s,"quoted, rightly"\n')
    assert found == [["a", "s", '"Stop'], ["b", "s", 'plain"'], ["c", "s", "quoted, rightly"]]


def test_cells_with_line_breaks_are_one_cell(tmp_path):
    found = rows(tmp_path, 'file,speaker,text\na,s,"one\ntwo, and ""three"""\nb,s,four\n')
    assert found == [["a", "s", 'one\ntwo, and "three"'], ["b", "s", "four"]]


@given(
    table=st.lists(
        st.lists(st.text(st.sampled_from('ab,"\t|; é\u2028'), max_size=6).map(str.strip), min_size=3, max_size=3),
        min_size=1,
        max_size=6,
    ),
    separator=st.sampled_from(table_file.SEPARATORS),
)
def test_what_a_spreadsheet_writes_is_read_as_it_was(tmp_path_factory, table, separator):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(table)
    assert rows(tmp_path_factory.mktemp("t"), out.getvalue()) == [row for row in table if any(row)]


@given(st.lists(st.text(st.sampled_from('ab," é'), min_size=1, max_size=6), min_size=1, max_size=6))
def test_a_table_without_quoting_keeps_every_sentence(tmp_path_factory, sentences):
    text = "file\tspeaker\ttext\n" + "".join(f"{n}\ts\t{each}\n" for n, each in enumerate(sentences))
    found = rows(tmp_path_factory.mktemp("t"), text, separators="\t", quoted=False)
    assert found == [[str(n), "s", each.strip()] for n, each in enumerate(sentences)]


def test_cells_left_out_at_the_end_are_empty_and_columns_without_a_name_are_none(tmp_path):
    (tmp_path / "t.csv").write_text("file,speaker,text,,\na,s,,,\nb,s\n")
    assert table_file.read(tmp_path / "t.csv").dicts() == [
        {"file": "a", "speaker": "s", "text": ""},
        {"file": "b", "speaker": "s", "text": ""},
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,speaker\n\na,s\nb,s,too,many\n", r"line 4, has 4 cells where the header has 2: b,s,too,many"),
        ("file,speaker,file\na,s,b\n", "the column file twice"),
    ],
)
def test_a_table_that_is_ambiguous_is_one_sentence(tmp_path, text, words):
    with pytest.raises(UserError, match=words):
        rows(tmp_path, text)
