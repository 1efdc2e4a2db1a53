"""Sidecars: what is kept beside a list, and that a list which is another one is found out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.trials.test_trials_build import regular
from voxboard.errors import UserError
from voxboard.trials import Trials, read, sidecar, write
from voxboard.trials.build import VERSION, build
from voxboard.trials.design import Design


def test_every_written_list_has_a_sidecar_with_digest_format_and_counts(tmp_path: Path) -> None:
    trials = Trials.of([1, 0], ["a", "a"], ["b", "c"])
    for name, format in (("list.csv.gz", "unipool"), ("list.tsv", "nist"), ("list.txt", "voxceleb")):  # noqa: A001
        path = write(trials, tmp_path / name)
        content = json.loads((tmp_path / f"{name}.json").read_text())
        assert (content["digest"], content["format"]) == (trials.digest(), format)
        assert (content["findings"]["targets"], content["findings"]["non_targets"]) == (1, 1)
        assert content["findings"]["exposure"]["utterance"]["histogram"] == {"1": 2, "2": 1}
        assert sidecar.disagreement(path, read(path)) is None


def test_a_built_list_says_how_it_was_built_and_can_be_built_again(tmp_path: Path) -> None:
    data = regular(8, 12)
    built = build(data, Design(40, 40), seed=5)
    write(built.trials, tmp_path / "list.csv", sidecar=sidecar.of_built(built, training_speakers=["s003", "other"]))
    content = json.loads((tmp_path / "list.csv.json").read_text())
    origin = content["origin"]
    assert (origin["version"], origin["seed"]) == (VERSION, 5)
    again = build(data.sample(frac=1, random_state=0), Design(**origin["design"]), origin["seed"])
    assert again.trials.digest() == content["digest"]
    assert again.table.digest == origin["table"]
    assert build(data.assign(gender="F"), Design(40, 40), seed=5).table.digest != origin["table"]
    assert content["balance"]["strata"]["non-targets GENDER_MATCH=1"] == {
        "asked": 20, "made": 20, "groups": 12, "least": 1, "most": 2, "exhausted": 0,
    }  # fmt: skip
    findings = content["findings"]
    assert set(findings["exposure"]) == {
        "utterance", "session", "targets of a speaker", "non-targets of a speaker", "non-targets of a speaker pair",
    }  # fmt: skip
    assert findings["exposure"]["targets of a speaker"] == {
        "count": 8, "least": 5, "most": 5, "mean": 5.0, "histogram": {"5": 8},
    }  # fmt: skip
    assert (findings["same_session_targets"], findings["training_speakers"]) == (0, ["s003"])
    assert content["problems"][0].startswith(f"{findings['training_trials']} trials involve training speakers (s003)")


def test_shortages_stand_in_the_sidecar() -> None:
    content = sidecar.of_built(build(regular(4, 3).assign(gender="F"), Design(10, 100)))
    assert content["problems"] == ["non-targets GENDER_MATCH=0: 0 of 50 trials, as no pairs of speakers fit."]


def test_a_changed_list_disagrees_with_its_sidecar(tmp_path: Path) -> None:
    path = write(Trials.of([1, 0], ["a", "a"], ["b", "c"]), tmp_path / "list.txt")
    path.write_text("1 a b\n1 a c\n")
    sentence = sidecar.disagreement(path, read(path))
    assert sentence is not None
    assert "list.txt.json is of another list" in sentence
    (tmp_path / "list.txt.json").write_text("{}")
    with pytest.raises(UserError, match=r"list.txt.json is no sidecar of a trial list \('digest'\)"):
        sidecar.disagreement(path, read(path))
    (tmp_path / "list.txt.json").unlink()
    assert sidecar.disagreement(path, read(path)) is None


def test_list_and_sidecar_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "list.txt.json").mkdir()  # cannot be replaced by a file
    with pytest.raises(UserError, match="cannot be written"):
        write(Trials.of([1], ["a"], ["b"]), tmp_path / "list.txt")
    assert not [entry for entry in tmp_path.iterdir() if entry.name.endswith(".tmp")]
