"""Questions: exact matches by class, answers of a chat model that a projector was trained into."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tests.cuts import noise_cuts
from tests.language_models import chat_model
from voxboard import model, systems
from voxboard.benchmarks.questions import MAIN_METRIC, Answered, Questions
from voxboard.benchmarks.utterances import Utterances
from voxboard.cli.train import read
from voxboard.data.corpus import Corpus, CorpusInfo
from voxboard.data.targets import Targets, learn
from voxboard.embedding.embed import Spent
from voxboard.errors import UserError
from voxboard.settings import Evaluation

MOOD = Questions(Questions.Config(label="mood", answers=("h", "o")))


def answered(truth: list[str], answers: list[str], speakers: list[str]) -> Answered:
    cuts: Any = tuple(
        SimpleNamespace(
            id=f"u{n}", supervisions=[SimpleNamespace(speaker=speaker, gender=None, language=None, custom={})]
        )
        for n, speaker in enumerate(speakers)
    )
    corpus: Any = SimpleNamespace(name="made up")
    return Answered(Utterances(corpus, "test", cuts, "digest", tuple(truth)), Spent(), tuple(answers), "lm")


def test_an_answer_is_right_when_it_is_the_name_of_the_class_and_nothing_else() -> None:
    truth = ["sad", "sad", "sad", "happy", "young adult"]
    outputs = answered(truth, ["Sad.", "sad sad", "", "happy!", "young  adult"], ["a"] * 5)
    assert outputs.right.tolist() == [True, False, False, True, True]


def test_accuracy_is_given_by_class_too_with_clustered_intervals() -> None:
    truth = ["sad", "happy"] * 50 + ["angry"] * 2
    answers = ["sad"] * 100 + ["angry", "sad"]
    outputs = answered(truth, answers, [f"s{n % 10}" for n in range(100)] + ["s0", "s0"])
    measured = Questions(Questions.Config(label="emotion")).measure(outputs, None, replicates=50)
    assert measured.values[MAIN_METRIC].value == pytest.approx(51 / 102)
    assert measured.values[MAIN_METRIC].clusters == 10
    assert measured.values["balanced_accuracy@exact"].value == pytest.approx((1 + 0 + 0.5) / 3)
    found = {group.name: group for group in measured.groups}
    assert found["emotion=sad"].values[MAIN_METRIC].value == 1.0
    assert found["emotion=happy"].values[MAIN_METRIC].value == 0.0
    assert found["emotion=happy"].count == 50
    assert found["emotion=angry"].reason == "fewer than 3 speakers"


def test_questions_name_the_answers_that_are_known() -> None:
    assert MOOD.question == "What is the mood of the speaker? Answer with one of: h, o."
    assert Questions(Questions.Config()).question.endswith("Answer with one of: female, male.")
    assert "age group of" in Questions(Questions.Config(label="age_group")).question
    assert Questions(Questions.Config(label="accent")).question == "What is the accent of the speaker?"
    assert Questions(Questions.Config(question="Who?")).question == "Who?"


def test_what_is_asked_on_the_command_line_reaches_the_head() -> None:
    words = ["Voices", "fbank+frames", "--task", "questions", "--label", "accent", "--lm", "/some/lm"]
    options = read(words).system.head.options
    assert options == {"label": "accent", "lm": "/some/lm", "question": "What is the accent of the speaker?"}
    assert read([*words, "--head.question", "Where from?"]).system.head.options["question"] == "Where from?"


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Eight utterances: every other one is quiet, and in another mood."""
    import soundfile

    cuts = noise_cuts(tmp_path, [0.3] * 8)
    for number, cut in enumerate(cuts):
        quiet = number % 2 == 0
        cut.supervisions[0].custom = {"mood": "o" if quiet else "h"}
        wave, rate = soundfile.read(tmp_path / f"{number}.wav")
        soundfile.write(tmp_path / f"{number}.wav", wave * (0.001 if quiet else 1.0), rate)
    return Corpus.write(tmp_path / "c", CorpusInfo("c"), {"train": cuts[:4], "test": cuts[4:]}, tmp_path)


def test_a_chat_model_answers_as_the_projector_was_taught(corpus: Corpus, tmp_path: Path) -> None:
    lm, train = chat_model(tmp_path / "lm"), list(corpus.cuts("train"))
    targets = Targets.from_dict(learn({"mood": "texts"}, train, pytest.fail).to_dict())
    system = systems.parse("fbank+frames+question-answer").with_options(
        "head", {"lm": lm, "frames": 2, "hidden": 64, "question": MOOD.question, "label": "mood"}
    )
    network = model.build(system, targets.sizes, 0)
    network.targets = targets
    assert network.head is not None
    from voxboard.data import audio

    waves = torch.stack([torch.from_numpy(audio.load(cut, 16_000)) for cut in train])
    labels = torch.from_numpy(np.stack([targets.of(cut, waves[0].numpy(), 16_000)["mood"] for cut in train]))
    frames = network.training_output(waves, torch.tensor([waves.shape[1]] * 4))
    optimizer = torch.optim.Adam(network.head.parameters(), lr=0.01)
    for _ in range(70):
        optimizer.zero_grad()
        network.head.loss(frames, labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    outputs = MOOD.run(network, MOOD.items(corpus, "train"), Evaluation(), show_progress=False)
    assert outputs.answers == ("o", "h", "o", "h")
    assert MOOD.fix(outputs).error == 0.0
    assert outputs.spent.utterances == 4
    protocol = MOOD.protocol(outputs, Evaluation(), None)
    assert (protocol.options["question"], protocol.options["chat model"]) == (MOOD.question, "lm")
    MOOD.save(outputs, tmp_path, "c-digest")
    rows = [json.loads(line) for line in (tmp_path / "answers-c-digest.jsonl").read_text().splitlines()]
    assert [(row["truth"], row["answer"], row["right"]) for row in rows[:2]] == [("o", "o", True), ("h", "h", True)]
    assert not any("network" in name or "lm" in name for name in network.state())


def test_a_text_is_taught_as_code_points(corpus: Corpus) -> None:
    targets = learn({"mood": "texts"}, list(corpus.cuts("train")), pytest.fail)
    cut = next(iter(corpus.cuts("test")))
    wave = np.zeros(1, dtype=np.float32)
    assert "".join(map(chr, targets.of(cut, wave, 16_000)["mood"])) == "o"
    cut.supervisions[0].custom = {}
    assert (targets.known(cut), targets.of(cut, wave, 16_000)["mood"].tolist()) == (False, [-100])


def test_a_head_that_cannot_answer_is_refused(corpus: Corpus) -> None:
    network = model.build(systems.parse("fbank+frames"), None, 0)
    with pytest.raises(UserError, match="Train with the head question-answer"):
        MOOD.run(network, MOOD.items(corpus, "test"), Evaluation())
