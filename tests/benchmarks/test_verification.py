"""Trial sets, operating points and strata."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.cuts import noise_cuts
from voxboard import trials as trial_lists
from voxboard.benchmarks import verification
from voxboard.benchmarks.verification import Scored, TrialSet
from voxboard.data.corpus import Corpus, CorpusInfo
from voxboard.errors import UserError
from voxboard.scoring.embed import Embeddings
from voxboard.trials import Trials


def _scored(count: int = 400, seed: int = 0) -> Scored:
    """Scores of 20 speakers' made-up trials with one match column and one that is continuous."""
    random = np.random.default_rng(seed)
    cuts: Any = tuple(
        SimpleNamespace(id=f"s{n // 2}-{n % 2}", supervisions=[SimpleNamespace(speaker=f"s{n // 2}")])
        for n in range(40)
    )
    labels = np.arange(count) % 2
    speakers = random.integers(20, size=count)
    others = np.where(labels == 1, speakers, (speakers + 1 + random.integers(18, size=count)) % 20)
    match = np.where(labels == 1, 1.0, (speakers % 2 == others % 2).astype(float))
    trials = Trials(
        utterances=[cut.id for cut in cuts],
        enrol=(2 * speakers).astype(np.int32),
        test=(2 * others + 1).astype(np.int32),
        labels=labels.astype(np.int8),
        matches={"GENDER_MATCH": match, "FREQ_MATCH": random.uniform(size=count)},
        name="made up",
    )
    corpus: Any = SimpleNamespace(name="made up")
    embeddings = Embeddings(ids=(), matrix=np.zeros((0, 1)))
    return Scored(TrialSet(corpus, "test", trials, cuts, "digest"), labels + random.standard_normal(count), embeddings)


def test_numbers_carry_their_ids_and_their_speakers() -> None:
    values = verification.measure(_scored(), threshold=0.5, seed=0, replicates=100)
    assert set(values) == set(verification.METRICS)
    assert all(interval.clusters == 20 for interval in values.values())
    assert all(interval.low <= interval.value <= interval.high for interval in values.values())
    both = values["far@valid_threshold"].value + values["frr@valid_threshold"].value
    assert values["hter@valid_threshold"].value == pytest.approx(both / 2)


def test_without_a_validation_threshold_there_are_no_starred_numbers() -> None:
    values = verification.measure(_scored(), threshold=None, seed=0, replicates=20)
    assert not [name for name in values if name.endswith("@valid_threshold")]


def test_strata_follow_the_match_columns_and_skip_continuous_ones() -> None:
    scored = _scored()
    crossed, same = verification.strata(scored, None, seed=0, replicates=20)
    assert crossed.name == "GENDER_MATCH=0, against all targets"
    assert crossed.targets == 0
    assert same.name == "GENDER_MATCH=1"
    assert crossed.trials + same.trials == 400
    column = scored.trial_set.trials.matches["GENDER_MATCH"]
    labels = scored.trial_set.trials.labels
    inside = (column == 0) | (labels == 1)
    expected = verification.detection.eer(scored.scores[inside], labels[inside])[0]
    assert crossed.values[verification.MAIN_METRIC].value == pytest.approx(expected)


def test_a_stratum_that_is_too_small_says_so() -> None:
    crossed, same = verification.strata(_scored(count=60), None, seed=0, replicates=20)
    assert not crossed.values
    assert not same.values
    assert "fewer than 30" in crossed.reason


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus.write(tmp_path / "c", CorpusInfo("c"), {"test": noise_cuts(tmp_path, [0.1, 0.1, 0.1, 0.1])}, tmp_path)


def test_a_given_list_is_resolved_by_file_name(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("1 0.wav 1.wav\n0 2.wav 0.wav\n")
    found = verification.trial_set(corpus, "test", tmp_path / "list.txt")
    assert [cut.id for cut in found.cuts] == list(found.trials.utterances) == ["u0", "u1", "u2"]
    assert found.digest == trial_lists.read(tmp_path / "list.txt").digest()
    assert len(found.first(1).trials.labels) == 2


def test_speakers_without_a_second_utterance_give_no_list(corpus: Corpus) -> None:
    with pytest.raises(UserError, match="--test_trials"):
        verification.trial_set(corpus, "test")
