"""Retrieval: numbers equal the metrics, equal captions are one, by the head or by a ridge regression."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.cuts import noise_cuts
from voxboard import model, systems
from voxboard.benchmarks.retrieval import MAIN_METRIC, METRICS, Matched, Retrieval, weighted_median
from voxboard.benchmarks.utterances import Utterances
from voxboard.data.corpus import Corpus, CorpusInfo
from voxboard.data.labels import texts_of
from voxboard.data.targets import Targets, VectorTarget, learn
from voxboard.embedding.embed import Spent
from voxboard.errors import UserError
from voxboard.metrics import retrieval
from voxboard.scoring.probe import ValueProbe
from voxboard.settings import Evaluation

LOUD, QUIET = "a loud voice", "a quiet voice"
WAVE = np.zeros(1, dtype=np.float32)


def utterance(name: str, speaker: str, captions: Any, gender: str = "female") -> Any:
    custom = {"captions": captions}
    return SimpleNamespace(
        id=name, supervisions=[SimpleNamespace(speaker=speaker, gender=gender, language=None, custom=custom)]
    )


def matched(count: int = 200, captions: int = 40, seed: int = 0) -> Matched:
    """Utterances of ten speakers with one or two captions each, which they resemble."""
    random = np.random.default_rng(seed)
    texts = [f"caption {number:02d}" for number in range(captions)]
    own = [sorted(random.choice(texts, 1 + n % 2, replace=False)) for n in range(count)]
    cuts = tuple(utterance(f"u{n}", f"s{n % 10}", found, ("female", "male")[n % 2]) for n, found in enumerate(own))
    matches = np.array([[text in found for text in texts] for found in own])
    corpus: Any = SimpleNamespace(name="made up")
    items = Utterances(corpus, "test", cuts, "digest", tuple(own))
    return Matched(items, Spent(), tuple(texts), matches + random.normal(size=matches.shape), matches, "x", "head")


def test_numbers_equal_the_metrics_and_have_clustered_intervals() -> None:
    outputs, benchmark = matched(), Retrieval(Retrieval.Config())
    values = benchmark.measure(outputs, None, replicates=50).values
    assert set(values) == set(METRICS)
    for direction, scores, matches in (
        ("audio-to-text", outputs.similarities, outputs.matches),
        ("text-to-audio", outputs.similarities.T, outputs.matches.T),
    ):
        right = [np.flatnonzero(row) for row in matches]
        assert values[f"map@10,{direction}"].value == pytest.approx(retrieval.map_at_k(scores, right, 10))
        recalls = retrieval.recall_at_k(scores, right, [1, 5, 10])
        assert [values[f"recall@{k},{direction}"].value for k in (1, 5, 10)] == pytest.approx(recalls)
        assert values[f"median_rank@{direction}"].value == np.median(retrieval.ranks(scores, right))
    assert all(value.clusters == 10 and value.low <= value.value <= value.high for value in values.values())
    assert values[MAIN_METRIC].low < values[MAIN_METRIC].high
    assert benchmark.fix(outputs).error == pytest.approx(1 - values[MAIN_METRIC].value)


def test_groups_search_among_all_items() -> None:
    outputs = matched()
    groups = Retrieval(Retrieval.Config()).measure(outputs, None, replicates=20).groups
    women = np.array([cut.supervisions[0].gender == "female" for cut in outputs.items.cuts])
    right = [np.flatnonzero(row) for row in outputs.matches[women]]
    found = {group.name: group.values for group in groups}
    assert set(found) == {"gender=female", "gender=male"}
    expected = retrieval.recall_at_k(outputs.similarities[women], right, 5)
    assert found["gender=female"]["recall@5,audio-to-text"].value == pytest.approx(expected)
    asked = outputs.matches[women].any(0)
    right = [np.flatnonzero(row) for row in outputs.matches.T[asked]]
    expected = retrieval.map_at_k(outputs.similarities.T[asked], right, 10)
    assert found["gender=female"]["map@10,text-to-audio"].value == pytest.approx(expected)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=12), st.integers(1, 3))
def test_a_weighted_median_is_the_median_of_repeated_values(values: list[int], times: int) -> None:
    weights = np.arange(len(values)) % 3 + 1.0
    repeated = np.repeat(values, weights.astype(int) * times)
    assert weighted_median(np.array(values), weights / 7) == np.median(repeated)


def test_captions_are_a_text_or_a_list() -> None:
    assert texts_of(utterance("u", "s", [LOUD, QUIET, LOUD, ""]), "caption") == (LOUD, QUIET)
    assert texts_of(utterance("u", "s", LOUD), "caption") == (LOUD,)
    assert texts_of(utterance("u", "s", []), "caption") == ()
    assert texts_of(utterance("u", "s", None), "caption") == ()


def test_a_ridge_regression_finds_a_linear_map() -> None:
    random = np.random.default_rng(0)
    rows, weights = random.normal(size=(200, 4)), random.normal(size=(4, 3))
    probe = ValueProbe.fit(rows, rows @ weights + 2.0, 1e-6)
    np.testing.assert_allclose(probe.predict(rows[:5] * 2), rows[:5] * 2 @ weights + 2.0, atol=1e-6)
    assert "alpha=1e-06" in probe.described


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a tiny random sentence encoder."""
    pytest.importorskip("sentence_transformers", reason="the extra `sentences` is not installed")
    from tests.language_models import sentence_encoder

    return sentence_encoder(tmp_path_factory.mktemp("sentences"), ["a", "loud", "quiet", "voice", "speech", "of"])


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Twelve utterances, one without a caption: every other is quiet, and says so in one caption or two."""
    import soundfile

    cuts = noise_cuts(tmp_path, [0.3] * 12)
    for number, cut in enumerate(cuts):
        quiet = number % 2 == 0
        cut.supervisions[0].custom = {"captions": [QUIET, "quiet speech"] if quiet else [LOUD]}
        wave, rate = soundfile.read(tmp_path / f"{number}.wav")
        soundfile.write(tmp_path / f"{number}.wav", wave * (0.001 if quiet else 1.0), rate)
    cuts[11].supervisions[0].custom = {"captions": []}
    return Corpus.write(tmp_path / "c", CorpusInfo("c"), {"train": cuts[:8], "test": cuts[8:]}, tmp_path)


def test_an_encoder_is_asked_through_a_probe(corpus: Corpus, encoder: str, tmp_path: Path) -> None:
    benchmark = Retrieval(Retrieval.Config(sentence_encoder=encoder))
    network = model.build(systems.parse("fbank+statistics"), None, 0)
    probe = benchmark.learn(network, corpus, Evaluation(), seed=0, show_progress=False)
    items = benchmark.items(corpus, "test")
    assert len(items) == 3
    outputs = benchmark.run(network, items, Evaluation(), probe, show_progress=False)
    assert outputs.captions == (LOUD, QUIET, "quiet speech")
    assert all(own[best] for own, best in zip(outputs.matches, outputs.similarities.argmax(1), strict=True))
    protocol = benchmark.protocol(outputs, Evaluation(), probe)
    assert protocol.options["matcher"] == "probe"
    assert protocol.options["sentence encoder"].startswith("sentences ")
    assert str(tmp_path.parent) not in str(protocol.options)
    benchmark.save(outputs, tmp_path, "c-digest")
    rows = [json.loads(line) for line in (tmp_path / "matches-c-digest.jsonl").read_text().splitlines()]
    assert [row["best"][0][0] in row["captions"] for row in rows] == [True] * 3


def test_a_head_that_was_trained_on_captions_answers(corpus: Corpus, encoder: str) -> None:
    train = list(corpus.cuts("train"))
    targets = Targets.from_dict(
        json.loads(json.dumps(learn({"caption": "vectors"}, train, pytest.fail, sentence_encoder=encoder).to_dict()))
    )
    system = systems.parse("fbank+statistics+contrastive(size=8)")
    network = model.build(system, targets.sizes, 0)
    network.targets = targets
    assert network.head is not None
    benchmark = Retrieval(Retrieval.Config())  # the run's own sentence encoder counts
    assert benchmark.learn(network, corpus, Evaluation(), seed=0) is None
    labels = torch.from_numpy(np.stack([targets.of(cut, WAVE, 16_000)["caption"] for cut in train]))
    assert labels.shape == (8, 2, 16)
    assert torch.isnan(labels[1, 1]).all()
    torch.testing.assert_close(labels[0].norm(dim=-1), torch.ones(2))
    from voxboard.embedding.embed import embed

    rows = torch.from_numpy(embed(network.encoder, train, normalized=False, show_progress=False).matrix)
    optimizer = torch.optim.Adam(network.head.parameters(), lr=0.001)
    for _ in range(200):
        optimizer.zero_grad()
        network.head.train().loss(rows, labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    outputs = benchmark.run(network, benchmark.items(corpus, "test"), Evaluation(), show_progress=False)
    assert outputs.by == "head"
    assert benchmark.fix(outputs).error == 0.0


def test_utterances_without_a_caption_teach_nothing(corpus: Corpus, encoder: str) -> None:
    target = VectorTarget.learn("caption", encoder, list(corpus.cuts("train")))
    mute = next(cut for cut in corpus.cuts("test") if cut.id == "u11")
    assert not target.known(mute)
    assert np.isnan(target.of(mute, WAVE, 16_000)).all()
    with pytest.raises(UserError, match="No training utterance has a label caption"):
        learn({"caption": "vectors"}, [mute], pytest.fail, sentence_encoder=encoder)


def test_what_cannot_be_matched_is_said(corpus: Corpus) -> None:
    network = model.build(systems.parse("fbank+statistics"), None, 0)
    benchmark = Retrieval(Retrieval.Config())
    with pytest.raises(UserError, match="not trained on caption"):
        Retrieval(Retrieval.Config(matcher="head")).learn(network, corpus, Evaluation(), 0)
    with pytest.raises(UserError, match="no training split that a probe for caption"):
        benchmark.learn(network, None, Evaluation(), 0)
    with pytest.raises(UserError, match="Nothing brings embeddings to captions"):
        benchmark.run(network, benchmark.items(corpus, "test"), Evaluation())
    with pytest.raises(UserError, match=r"no folder /nowhere|need the package sentence-transformers"):
        learn({"caption": "vectors"}, list(corpus.cuts("train")), pytest.fail, sentence_encoder="/nowhere")
