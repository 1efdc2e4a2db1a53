"""Score files in the layouts of several toolkits."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voxboard.benchmarks.trial_sets import TrialSet
from voxboard.benchmarks.verification import Scored, Verification
from voxboard.data.corpus import Corpus, CorpusInfo
from voxboard.embedding.embed import Spent
from voxboard.errors import UserError
from voxboard.imported import scores
from voxboard.trials import Trials

LIST = Trials.of([1, 0, 0], ["a/1.wav", "a/1.wav", "b/1.wav"], ["a/2.wav", "b/1.wav", "c/1.wav"])
LAYOUTS = {
    "kaldi": "a/1.wav a/2.wav 0.75\na/1.wav b/1.wav -0.5\nb/1.wav c/1.wav 1e-3\n",
    "wespeaker": "a/1.wav a/2.wav 0.75 target\na/1.wav b/1.wav -0.5 nontarget\nb/1.wav c/1.wav 1e-3 nontarget\n",
    "speechbrain": "a/1.wav a/2.wav 1 0.75\na/1.wav b/1.wav 0 -0.5\nb/1.wav c/1.wav 0 0.001\n",
    "own": "1 a/1.wav a/2.wav 0.75\n0 a/1.wav b/1.wav -0.5\n0 b/1.wav c/1.wav 0.001\n",
    "unipool": "LABEL,SAMPLE1,SAMPLE2,GENDER_MATCH,SCORE\n1,a/1.wav,a/2.wav,1,0.75\n0,a/1.wav,b/1.wav,,-0.5\n"
    "0,b/1.wav,c/1.wav,0,0.001\n",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_scores(tmp_path: Path, layout: str) -> None:
    (tmp_path / "s").write_bytes(gzip.compress(LAYOUTS[layout].encode()))
    found = scores.read(tmp_path / "s")
    assert found.of(LIST).tolist() == [0.75, -0.5, 0.001]
    if layout == "kaldi":
        assert found.labels is None
        with pytest.raises(UserError, match="has no labels"):
            found.trials()
    else:
        assert found.trials().digest() == LIST.digest()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a/1.wav a/2.wav 0.75\na/1.wav b/1.wav -0.5\n", "no score for 1 of 3 trials .first: b/1.wav c/1.wav"),
        (LAYOUTS["kaldi"] + "a/1.wav d/1.wav 0.1\n", "1 pairs that are no trial"),
        (LAYOUTS["kaldi"] + "a/1.wav a/2.wav 0.7\n", "scores a/1.wav a/2.wav twice"),
        (LAYOUTS["own"].replace("0 b", "1 b"), "disagree about labels"),
        (LAYOUTS["kaldi"].replace("-0.5", "nan"), "the score of trial 2 is nan"),
        (LAYOUTS["kaldi"].replace("-0.5", "low"), "the score of trial 2 is 'low'"),
        ("a b\n", "is no file of scores"),
        ("a b c d e\n", "is no file of scores"),
        ("a b c d e f\n", "is no file of scores"),
        ("x y 1 2\nx z 0 q\n", "is no file of scores"),
        ("1 x 0 1\n0 y 1 0\n", "in several ways"),
        ("", "is no file of scores"),
    ],
)
def test_what_is_no_score_of_the_list_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "s").write_text(text)
    with pytest.raises(UserError, match=problem):
        scores.read(tmp_path / "s").of(LIST)


def test_target_trials_link_the_utterances_of_a_speaker() -> None:
    trials = Trials.of([1, 1, 0, 0], ["a", "b", "a", "d"], ["b", "c", "d", "e"])
    found = dict(zip(trials.utterances, scores.linked(trials).tolist(), strict=True))
    assert found["a"] == found["b"] == found["c"]
    assert len({found[name] for name in "ade"}) == 3
    assert scores.linked(trials).dtype == np.int32


MORE = {
    "voxsrc": "0.75 a/1.wav a/2.wav\n-0.5 a/1.wav b/1.wav\n1e-3 b/1.wav c/1.wav\n",
    "voxceleb_trainer": "0.75 1 a/1.wav a/2.wav\n-0.5 0 a/1.wav b/1.wav\n1e-3 0 b/1.wav c/1.wav\n",
    "commas": "0.75,1,a/1.wav,a/2.wav\n-0.5,0,a/1.wav,b/1.wav\n1e-3,0,b/1.wav,c/1.wav\n",
    "espnet": "a/1.wav*a/2.wav 0.75 1\na/1.wav*b/1.wav -0.5 0\nb/1.wav*c/1.wav 0.001 0\n",
    "espnet, no labels": "a/1.wav*a/2.wav 0.75\na/1.wav*b/1.wav -0.5\nb/1.wav*c/1.wav 0.001\n",
    "words": "a/1.wav a/2.wav 0.75 TGT\na/1.wav b/1.wav -0.5 imp\nb/1.wav c/1.wav 1e-3 imp\n",
    "floats": "a/1.wav a/2.wav 1.0 0.75\na/1.wav b/1.wav 0.0 -0.5\nb/1.wav c/1.wav 0.0 0.001\n",
    "windows": "\ufeffa/1.wav a/2.wav 0.75\r\n\r\na/1.wav b/1.wav -0.5\r\nb/1.wav c/1.wav 1e-3",
    "no suffix": "a/1 a/2 0.75\na/1 b/1 -0.5\nb/1 c/1 1e-3\n",
    "reversed": "a/2.wav a/1.wav 0.75\na/1.wav b/1.wav -0.5\nc/1.wav b/1.wav 1e-3\n",
    "twice the same": "a/1.wav a/2.wav 0.75\na/1.wav a/2.wav 0.75\na/1.wav b/1.wav -0.5\nb/1.wav c/1.wav 1e-3\n",
    "nist": "modelid\tsegmentid\tside\tLLR\na/1.wav\ta/2.wav\ta\t0.75\na/1.wav\tb/1.wav\ta\t-0.5\n"
    "b/1.wav\tc/1.wav\ta\t0.001\n",
    "asvspoof5": "spk\tfilename\tcm-score\tasv-score\tsasv-score\na/1.wav\ta/2.wav\t-\t0.75\t-\n"
    "a/1.wav\tb/1.wav\t-\t-0.5\t-\nb/1.wav\tc/1.wav\t-\t0.001\t-\n",
}


@pytest.mark.parametrize("layout", MORE)
def test_layouts_of_other_toolkits_give_the_same_scores(tmp_path: Path, layout: str) -> None:
    (tmp_path / "s").write_text(MORE[layout], encoding="utf-8", newline="")
    assert scores.read(tmp_path / "s").of(LIST).tolist() == [0.75, -0.5, 0.001]


def test_utf_16_is_read(tmp_path: Path) -> None:
    (tmp_path / "s").write_text(LAYOUTS["kaldi"], encoding="utf-16")
    assert scores.read(tmp_path / "s").of(LIST).tolist() == [0.75, -0.5, 0.001]


def test_a_file_is_decided_from_all_its_lines(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("a b 1 1\na c 0 0.5\n")
    assert scores.read(tmp_path / "s").layout == "speechbrain"


def test_infinite_scores_are_legal(tmp_path: Path) -> None:
    (tmp_path / "s").write_text(LAYOUTS["kaldi"].replace("0.75", "inf").replace("1e-3", "-inf"))
    assert scores.read(tmp_path / "s").of(LIST).tolist() == [np.inf, -0.5, -np.inf]


def test_names_that_are_numbers_are_told_from_scores_by_the_list(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("1 2 0.5\n1 3 0.25\n")
    with pytest.raises(UserError, match=r"several ways: kaldi \(enrol test score\) or voxsrc"):
        scores.read(tmp_path / "s")
    listed = Trials.of([1, 0], ["1", "1"], ["2", "3"])
    assert scores.read(tmp_path / "s", listed).of(listed).tolist() == [0.5, 0.25]
    assert scores.read(tmp_path / "s", format="kaldi").of(listed).tolist() == [0.5, 0.25]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1 a b\n0 a c\n", "may be a list of labels, or scores that are all 0 or 1"),
        ("a b 1\na c 0\n", "may be a list of labels, or scores that are all 0 or 1"),
        ("a b 1 0\na c 0 1\n", "several ways: wespeaker .* or speechbrain"),
        ("a b 0,5\na c 0,25\n", "decimal point"),
        ("0.5\n0.25\n", "has 1 fields"),
        ("0.5 1\n0.25 0\n", "is no file of scores"),
        ("a b 0.5\na c\n", "trial 2 has not 3 fields"),
        ("a b 0.5\na c 0.1 x\n", "trial 2 has not 3 fields|not every line has 3 fields"),
        ("enrol,test,score,score\na,b,1,2\n", "names the column score twice"),
        ("enrol,test,score\n", "holds a header and no trials"),
        ("enrol,test,score\na,b\n", "line 2: 2 fields where the header has 3"),
        ("enrol,test,score,label\na,b,1,maybe\n", "a label is 'maybe'"),
        ("enrol,test,score\na,b,x\n", "the score of trial 1 is 'x'"),
        ("a b 1_0\n", "is no file of scores"),
        ("a\0 b 0.5\n", "NUL"),
        ("\n\n", "there are no scores"),
    ],
)
def test_odd_files_are_told_in_a_sentence(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "s").write_text(text)
    with pytest.raises(UserError) as caught:
        scores.read(tmp_path / "s")
    assert re.search(problem, str(caught.value))


def test_a_third_class_is_named(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("m a 1.5 target\nm b 0.5 nontarget\nm c 0.1 spoof\n")
    found = scores.read(tmp_path / "s")
    assert found.layout == "sasv"
    with pytest.raises(UserError, match="1 trials of a third class, spoof"):
        found.trials()


def test_scores_of_unequal_repetitions_name_the_pair(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("x y 1\nx z 2\nx y 3\n")
    with pytest.raises(UserError, match="scores x y twice, and differently"):
        scores.read(tmp_path / "s").of(Trials.of([1, 0], ["x", "x"], ["y", "z"]))


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6)


@given(st.lists(NAMES, min_size=2, max_size=5, unique=True))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_any_name_comes_back_as_an_evaluation_wrote_it(tmp_path: Path, names: list[str]) -> None:
    trials = Trials.of([1, *[0] * (len(names) - 2)], names[:-1], names[1:])
    values = np.linspace(-1, 1, len(trials)) / 3
    items = TrialSet(Corpus(Path(), CorpusInfo("toy"), {}), "test", (), trials.digest(), trials)
    Verification(Verification.Config()).save(Scored(items, Spent(), values), tmp_path, "x")
    found = scores.read(tmp_path / "scores-x.txt.gz")
    assert found.of(trials).tolist() == values.tolist()
    assert found.trials().digest() == trials.digest()
