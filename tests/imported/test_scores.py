"""Score files in the layouts of several toolkits."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

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
