"""Classification of utterances: by the head where it was trained for it, else by a probe; groups and confusion."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.cuts import noise_cuts
from voxboard import model, systems
from voxboard.benchmarks import attributes
from voxboard.benchmarks.attributes import Attributes, Predicted
from voxboard.benchmarks.identification import Identification
from voxboard.benchmarks.utterances import Utterances
from voxboard.data.corpus import Corpus, CorpusInfo
from voxboard.data.targets import learn
from voxboard.embedding.embed import Spent
from voxboard.errors import UserError
from voxboard.metrics import classification
from voxboard.records import Confusion
from voxboard.settings import Evaluation

GENDER = Attributes(Attributes.Config(label="gender"))
EMOTIONS = ("angry", "happy", "sad")


def predicted(count: int = 400, seed: int = 0) -> Predicted:
    """Predictions of 20 speakers' utterances that are right more often for the women."""
    random = np.random.default_rng(seed)
    speakers = np.arange(count) % 20
    cuts: Any = tuple(
        SimpleNamespace(
            id=f"u{n}",
            supervisions=[
                SimpleNamespace(speaker=f"s{speaker}", gender=("female", "male")[speaker % 2], language=None, custom={})
            ],
        )
        for n, speaker in enumerate(speakers)
    )
    truth = random.integers(3, size=count)
    right = random.uniform(size=count) < np.where(speakers % 2 == 0, 0.9, 0.6)
    guess = np.where(right, truth, (truth + 1) % 3)
    corpus: Any = SimpleNamespace(name="made up")
    items = Utterances(corpus, "test", cuts, "digest", tuple(EMOTIONS[label] for label in truth))
    return Predicted(items, Spent(), EMOTIONS, np.eye(3)[guess], "head")


def test_numbers_equal_the_metrics_and_have_clustered_intervals() -> None:
    outputs = predicted()
    benchmark = Attributes(Attributes.Config(label="emotion"))
    measured = benchmark.measure(outputs, None, replicates=100)
    truth, guess = outputs.truth, outputs.predictions
    expected = {
        attributes.MAIN_METRIC: classification.balanced_accuracy(truth, guess),
        "accuracy@top1": classification.accuracy(truth, guess),
        "macro_f1@all": classification.macro_f1(truth, guess),
    }
    assert {name: value.value for name, value in measured.values.items()} == pytest.approx(expected)
    assert all(value.clusters == 20 and value.low < value.value < value.high for value in measured.values.values())
    groups = {group.name: group for group in measured.groups}
    assert set(groups) == {"gender=female", "gender=male"}
    women = np.array([cut.supervisions[0].gender == "female" for cut in outputs.items.cuts])
    recalled = classification.accuracy(truth[women], guess[women])
    assert groups["gender=female"].values["accuracy@top1"].value == pytest.approx(recalled)
    assert measured.confusion is not None
    assert measured.confusion.classes == EMOTIONS
    assert sum(map(sum, measured.confusion.counts)) == 400
    assert measured.confusion.counts[0][2] == 0  # a mistake is always the next class


def test_a_class_that_nothing_predicts_counts_as_missed() -> None:
    outputs = predicted()
    known = Predicted(outputs.items, Spent(), EMOTIONS[:2], outputs.scores[:, :2], "head")
    measured = GENDER.measure(known, None, replicates=20)
    assert measured.confusion is not None
    assert measured.confusion.classes == EMOTIONS
    assert measured.confusion.counts[2][2] == 0


def test_small_groups_say_so() -> None:
    groups = GENDER.measure(predicted(40), None, 20).groups
    assert not groups  # gender is what is predicted
    benchmark = Attributes(Attributes.Config(label="emotion"))
    assert {group.reason for group in benchmark.measure(predicted(40), None, 20).groups} == {"fewer than 30 utterances"}


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Twelve utterances: the women's are quiet."""
    cuts = noise_cuts(tmp_path, [0.3] * 12)
    import soundfile

    for number, cut in enumerate(cuts):
        gender = ("female", "male")[number % 2]
        cut.supervisions[0].gender = gender
        wave, rate = soundfile.read(tmp_path / f"{number}.wav")
        soundfile.write(tmp_path / f"{number}.wav", wave * (0.001 if gender == "female" else 1.0), rate)
    return Corpus.write(tmp_path / "c", CorpusInfo("c"), {"train": cuts[:8], "test": cuts[8:]}, tmp_path)


def test_an_encoder_is_asked_through_a_probe(corpus: Corpus, tmp_path: Path) -> None:
    network = model.build(systems.parse("fbank+statistics"), None, 0)
    probe = GENDER.learn(network, corpus, Evaluation(), seed=0, show_progress=False)
    assert probe is not None
    items = GENDER.items(corpus, "test")
    outputs = GENDER.run(network, items, Evaluation(), probe, show_progress=False)
    assert outputs.predictions.tolist() == list(items.labels)
    assert GENDER.fix(outputs).error == 0.0
    protocol = GENDER.protocol(outputs, Evaluation(), probe)
    assert protocol.options["classifier"] == "probe"
    assert "logistic" in protocol.options["probe"]
    GENDER.save(outputs, tmp_path, "c-digest")
    rows = [json.loads(line) for line in (tmp_path / "predictions-c-digest.jsonl").read_text().splitlines()]
    assert [row["prediction"] for row in rows] == list(items.labels)
    assert set(rows[0]["scores"]) == {"female", "male"}


def test_a_head_that_was_trained_for_it_answers(corpus: Corpus) -> None:
    system = systems.parse("fbank+statistics+multi-task(tasks=('speaker', 'gender'))")
    targets = learn({"speaker": "classes", "gender": "classes"}, list(corpus.cuts("train")), pytest.fail)
    network = model.build(system, targets.sizes, 0)
    network.targets = targets
    assert GENDER.learn(network, corpus, Evaluation(), seed=0) is None
    outputs = GENDER.run(network, GENDER.items(corpus, "test"), Evaluation(), show_progress=False)
    assert (outputs.by, outputs.classes, outputs.scores.shape) == ("head", ("female", "male"), (4, 2))
    forced = Attributes(Attributes.Config(label="gender", classifier="probe"))
    assert forced.learn(network, corpus, Evaluation(), seed=0, show_progress=False) is not None


def test_what_cannot_be_asked_is_said(corpus: Corpus) -> None:
    network = model.build(systems.parse("fbank+statistics"), None, 0)
    with pytest.raises(UserError, match="not trained on gender"):
        Attributes(Attributes.Config(classifier="head")).learn(network, corpus, Evaluation(), 0)
    with pytest.raises(UserError, match="no training split that a probe for gender"):
        GENDER.learn(network, None, Evaluation(), 0)
    with pytest.raises(UserError, match="No test utterance of c has a label emotion"):
        Attributes(Attributes.Config(label="emotion")).items(corpus, "test")


def test_identification_is_of_speakers_and_may_know_them() -> None:
    benchmark = Identification(Identification.Config())
    assert (benchmark.label, benchmark.name, benchmark.disjoint) == ("speaker", "identification", False)
    assert benchmark.head_options() == {"label": "speaker"}


@pytest.mark.filterwarnings("error")
def test_means_of_no_utterance_are_nan_without_a_word() -> None:
    """As the resamples of a single speaker have them."""
    hit, true = np.array([[0, 0], [1, 0]]), np.array([[0, 0], [2, 0]])
    np.testing.assert_array_equal(attributes.mean_recall(hit, true), [np.nan, 0.5])
    np.testing.assert_array_equal(attributes.mean_f1(hit, true, true), [np.nan, 0.5])


def test_a_confusion_of_thousands_is_not_kept() -> None:
    many = np.arange(attributes.MOST_CLASSES + 1).astype(str)
    assert attributes.confusion(many, many, ()) is None
    few = attributes.confusion(many[:3], many[[0, 0, 2]], ("5",))
    assert few == Confusion(("0", "1", "2", "5"), ((1, 0, 0, 0), (1, 0, 0, 0), (0, 0, 1, 0), (0, 0, 0, 0)))
