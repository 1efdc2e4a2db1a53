"""What utterances teach: labels by name, classes in order, and nothing from a label that is missing."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lhotse import MonoCut

from tests.cuts import noise_cuts
from voxboard.data import tokens
from voxboard.data.labels import MISSING, age_group, label_of, ordered
from voxboard.data.targets import Targets, learn, read_map
from voxboard.data.vocabulary import BLANK, Vocabulary
from voxboard.errors import UserError

WAVE = np.zeros(10, dtype=np.float32)


@pytest.fixture
def cuts(tmp_path: Path) -> list[MonoCut]:
    """Four utterances: two with a gender, one whose gender is the string null, three with an age, two with a text."""
    found = noise_cuts(tmp_path, [0.1] * 4)
    for cut, gender, age, text in zip(
        found, ("female", "male", "null", None), (17, "39", 70.5, None), ("A b", "", None, None), strict=True
    ):
        cut.supervisions[0].gender, cut.supervisions[0].text = gender, text
        cut.supervisions[0].custom = {"age": age, "emotion": None}
    return found


def characters(texts: Any) -> Vocabulary:
    return tokens.make("characters", texts, "basic")


def test_labels_are_found_by_name(cuts: list[MonoCut]) -> None:
    assert [label_of(cut, "gender") for cut in cuts] == ["female", "male", None, None]
    assert [label_of(cut, "age_group") for cut in cuts] == ["teenager", "young adult", "senior", None]
    assert [label_of(cut, "text") for cut in cuts] == ["A b", "", None, None]
    assert label_of(cuts[0], "speaker") == "0"
    assert label_of(cuts[0], "emotion") is None


@pytest.mark.parametrize(
    ("age", "group"),
    [(17.9, "teenager"), (18, "young adult"), (39.9, "young adult"), (40, "middle-age adult"), (60, "middle-age adult"),
     (61, "senior"), ("33", "young adult"), ("thirties", None), (None, None)],
)  # fmt: skip
def test_an_age_has_audens_group(age: object, group: str | None) -> None:
    assert age_group(age) == group


@given(st.permutations(["teenager", "young adult", "middle-age adult", "senior"]))
def test_known_sets_have_their_own_order(names: list[str]) -> None:
    assert ordered(names) == ["teenager", "young adult", "middle-age adult", "senior"]


def test_numbers_are_ordered_by_value_and_words_by_the_alphabet() -> None:
    assert ordered(["10", "9", "9", "-1"]) == ["-1", "9", "10"]
    assert ordered(["b", "a", "10"]) == ["10", "a", "b"]


def test_every_kind_gives_what_its_loss_takes_and_survives_json(cuts: list[MonoCut]) -> None:
    needs = {"gender": "classes", "age": "values", "text": "tokens"}
    learned = learn(needs, cuts, characters)
    again = Targets.from_dict(json.loads(json.dumps(learned.to_dict())))
    assert again.sizes == learned.sizes == {"gender": 2, "age": 1, "text": 4}
    for targets in (learned, again):
        rows = [targets.of(cut, WAVE, 16_000) for cut in cuts]
        assert [int(row["gender"]) for row in rows] == [0, 1, MISSING, MISSING]
        assert [float(row["age"]) for row in rows[:3]] == [17, 39, 70.5]
        assert np.isnan(rows[3]["age"])
        assert [row["text"].tolist() for row in rows] == [[2, 1, 3], [BLANK], [MISSING], [MISSING]]
        assert [targets.known(cut) for cut in cuts] == [True, True, True, False]


def test_one_task_alone_has_one_size(cuts: list[MonoCut]) -> None:
    assert learn({"gender": "classes"}, cuts, characters).sizes == 2


def test_a_label_that_nobody_has_is_refused_alone_and_announced_among_others(
    cuts: list[MonoCut], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(UserError, match="No training utterance has a label emotion"):
        learn({"emotion": "classes"}, cuts, characters)
    with caplog.at_level(logging.WARNING, "voxboard"):
        assert learn({"gender": "classes", "emotion": "classes"}, cuts, characters).sizes == {"gender": 2, "emotion": 0}
    assert "emotion: it trains nothing" in caplog.text


def test_label_maps_fix_classes_and_their_order(cuts: list[MonoCut], tmp_path: Path) -> None:
    (tmp_path / "id2label_gender.json").write_text('{"1": "female", "0": "male", "2": "other"}')
    (tmp_path / "id2label_id.json").write_text('{"0": "3", "1": "0"}')
    learned = learn({"speaker": "classes", "gender": "classes"}, cuts, characters, tmp_path)
    assert learned.sizes == {"speaker": 2, "gender": 3}
    assert [int(learned.of(cut, WAVE, 16_000)["gender"]) for cut in cuts[:2]] == [1, 0]
    assert [int(learned.of(cut, WAVE, 16_000)["speaker"]) for cut in cuts] == [1, MISSING, MISSING, 0]


def test_a_number_that_is_none_is_named(cuts: list[MonoCut]) -> None:
    cuts[0].supervisions[0].custom["age"] = "old"
    with pytest.raises(UserError, match="The age of u0 is 'old'"):
        learn({"age": "values"}, cuts, characters).of(cuts[0], WAVE, 16_000)


def test_audens_name_of_a_map_serves_too(
    tmp_path: Path, cut_of: Any, speak: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The speakers' map is called id, that of age groups age; labels that a map lacks are told, not guessed."""
    (tmp_path / "id2label_age.json").write_text('{"0": "senior", "1": "child"}')
    cuts = [cut_of(speak(tmp_path / f"{age}.wav"), custom={"age": age}) for age in (70, 30, 31)]
    learned = learn({"age_group": "classes"}, cuts, lambda texts: tokens.make("characters", texts, "none"), tmp_path)
    assert learned.classes("age_group").names == ("senior", "child")
    assert [learned.known(cut) for cut in cuts] == [True, False, False]
    assert caplog.messages == [
        "The label map of age_group does not have young adult: 2 training utterances do not train it."
    ]


@pytest.mark.parametrize("content", ['["female"]', '{"0": 1}', '{"female": "0"}', "{"])
def test_a_file_that_is_no_map_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "map.json").write_text(content)
    with pytest.raises(UserError, match="map.json"):
        read_map(tmp_path / "map.json")
