"""Label files of Double Multi-Head Attention: lines `path label -1`."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxboard.data.corpus import Corpus
from voxboard.data.labels import label_of
from voxboard.data.prepare_options import PrepareOptions
from voxboard.errors import UserError
from voxboard.preparation import prepare


def label_file(folder: Path, speak, text: str) -> PrepareOptions:
    for name in ("a/one.wav", "a/two.wav", "b/three.wav"):
        speak(folder / name)
    (folder / "train.lst").write_text(text)
    return PrepareOptions(metadata=Path("train.lst"), split="train")


def test_labels_are_speakers(tmp_path: Path, speak, corpora: Path) -> None:
    options = label_file(tmp_path / "clips", speak, "a/one 0 -1\na/two 0 -1\nb/three.wav 1 -1\n")
    corpus = prepare(str(tmp_path / "clips"), options=options)
    assert {cut.id: label_of(cut, "speaker") for cut in corpus.cuts("train")} == {
        "a/one": "0",
        "a/two": "0",
        "b/three": "1",
    }


def test_labels_are_ages_where_that_is_said(tmp_path: Path, speak, corpora: Path) -> None:
    options = label_file(tmp_path / "clips", speak, "a/one 3 -1\n\na/two 0 -1\n")
    options = PrepareOptions(metadata=options.metadata, split="train", columns={"age_group": "label"})
    corpus = prepare(str(tmp_path / "clips"), options=options)
    found = {cut.id: (label_of(cut, "speaker"), label_of(cut, "age_group")) for cut in corpus.cuts("train")}
    assert found == {"a/one": ("a/one", 3), "a/two": ("a/two", 0)}
    assert any("train.lst names no speakers" in note for note in corpus.info.notes)


@pytest.mark.parametrize(
    ("text", "columns", "words"),
    [
        ("a/one 0 -1\na/two 0\n", {}, "Line 2 of .*train.lst is 'a/two 0'"),
        ("a/one 0 -1\n", {"age_group": "lable"}, "Did you mean label"),
    ],
)
def test_a_line_or_column_that_is_none_is_named(tmp_path, speak, corpora, text, columns, words) -> None:
    options = label_file(tmp_path / "clips", speak, text)
    with pytest.raises(UserError, match=words):
        prepare(
            str(tmp_path / "clips"), options=PrepareOptions(metadata=options.metadata, split="train", columns=columns)
        )


def test_the_files_for_training_and_validation_make_one_corpus(tmp_path: Path, speak, corpora: Path) -> None:
    clips = tmp_path / "clips"
    label_file(clips, speak, "a/one 3 -1\na/two 0 -1\n")
    (clips / "valid.lst").write_text("b/three 3 -1\n")
    ages = {"age_group": "label"}
    for split in ("train", "valid", "train"):  # once more: it replaces that split and no other
        options = PrepareOptions(metadata=Path(f"{split}.lst"), split=split, columns=ages, name="ages")
        prepare(str(clips), options=options)
    corpus = Corpus.open(corpora / "ages")
    found = {split: {cut.id: label_of(cut, "age_group") for cut in corpus.cuts(split)} for split in corpus.splits}
    assert found == {"train": {"a/one": 3, "a/two": 0}, "valid": {"b/three": 3}}
    assert sum("stays" in note for note in corpus.info.notes) == 2
