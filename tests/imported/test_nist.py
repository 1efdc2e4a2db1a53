"""STM against CTM, as sclite places words in segments."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxboard.errors import UserError
from voxboard.imported import texts
from voxboard.imported.nist import ctm, stm
from voxboard.imported.text_source import TextSource

STM = ";; a note\nf A ann 0 2 a b\nf A bob 2 4 <o,f0> c d\n"


def pair(tmp_path: Path, reference: str, hypothesis: str) -> texts.Pair:
    (tmp_path / "r.stm").write_text(reference)
    (tmp_path / "h.ctm").write_text(hypothesis)
    return texts.pair(tmp_path / "h.ctm", tmp_path / "r.stm")


def test_a_word_belongs_to_the_segment_that_holds_its_middle(tmp_path: Path) -> None:
    found = pair(tmp_path, STM, "f A 0.5 0.2 a\nf A 1.8 0.5 b\nf A 3 0.1 d\nf A 2.5 0.1 c 0.7\n")
    assert found.references == {"f-A-0-2": "a b", "f-A-2-4": "c d"}
    assert found.hypotheses == {"f-A-0-2": "a", "f-A-2-4": "b c d"}
    assert found.speakers == {"f-A-0-2": "ann", "f-A-2-4": "bob"}


def test_words_in_a_gap_go_to_the_next_segment_and_late_ones_to_the_last(tmp_path: Path) -> None:
    found = pair(tmp_path, "f A ann 0 2 a\nf A ann 3 4 b\n", "f A 2.4 0 x\nf A 5.1 0 y\nf A 0 0 a\n")
    assert found.hypotheses == {"f-A-0-2": "a", "f-A-3-4": "x y"}


def test_a_file_without_hypothesis_is_deleted_and_one_without_reference_is_refused(tmp_path: Path) -> None:
    assert pair(tmp_path, STM + "g A ann 0 1 e\n", "f A 0 0 a\n").hypotheses["g-A-0-1"] == ""
    with pytest.raises(UserError, match="words of g A, which the reference does not have"):
        pair(tmp_path, STM, "g A 0 0 a\n")


def test_ignored_segments_drop_their_words(tmp_path: Path) -> None:
    text = "f A ann 0 2 ignore_time_segment_in_scoring\nf A ann 2 4 c\n"
    found = pair(tmp_path, text, "f A 1 0 x\nf A 3 0 c\n")
    assert (found.references, found.hypotheses) == ({"f-A-2-4": "c"}, {"f-A-2-4": "c"})


def test_alternations_of_ctm_stay_together() -> None:
    rows = "f 1 2 0 z\nf 1 * * <ALT_BEGIN>\nf 1 1 0.2 a\nf 1 * * <ALT>\nf 1 1 0.3 b\nf 1 * * <ALT_END>\nf 1 0 0 y\n"
    assert [word.text for word in ctm(TextSource.of(rows, "x.ctm"))] == ["y", "{", "a", "/", "b", "}", "z"]


def test_only_the_exact_form_is_a_label() -> None:
    text = "f 1 s 0 1 <o,f0> a\nf 1 s 1 2 <um a> b\nf 1 s 2 3 <o>\n"
    assert [segment.text for segment in stm(TextSource.of(text, "x"))] == ["a", "<um a> b", ""]


def test_overlapping_segments_of_a_channel_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="overlap, so that a word may belong to either"):
        pair(tmp_path, "f A ann 0 2 a\nf A bob 1 3 b\n", "f A 0 0 a\n")


@pytest.mark.parametrize("line", ["f A ann 2 1 a", "f A ann x 1 a", "f A", "f A ann 0 inf a"])
def test_a_bad_segment_is_named(line: str) -> None:
    with pytest.raises(UserError, match="x.stm, line 2: no segment"):
        stm(TextSource.of(f"f A ann 0 1 a\n{line}\n", "x.stm"))


@pytest.mark.parametrize("line", ["f A 1 a", "f A -1 0 a", "f A nan 0 a", "f A 1 2 3 4 5"])
def test_a_bad_word_is_named(line: str) -> None:
    with pytest.raises(UserError, match="x.ctm, line 2: "):
        ctm(TextSource.of(f"f A 0 1 a\n{line}\n", "x.ctm"))
