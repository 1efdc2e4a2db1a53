"""Trial sets, operating points and strata."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cuts import noise_cuts
from voxboard import trials as trial_lists
from voxboard.benchmarks import verification
from voxboard.benchmarks.trial_sets import TrialSet, trial_set
from voxboard.benchmarks.verification import OperatingPoint, Scored, Verification
from voxboard.data.corpus import Corpus, CorpusInfo
from voxboard.embedding.embed import Spent
from voxboard.errors import UserError
from voxboard.metrics import detection
from voxboard.metrics.enough import SPEAKERS
from voxboard.records import Value
from voxboard.records.codec import decode, encode
from voxboard.scoring.calibration import Calibration
from voxboard.trials import Trials

GENDERS = ("female", "male")
PLAIN = Verification(Verification.Config())


def _scored(count: int = 400, seed: int = 0) -> Scored:
    """Scores of 20 speakers' made-up trials with one match column and one that is continuous."""
    random = np.random.default_rng(seed)
    cuts: Any = tuple(
        SimpleNamespace(
            id=f"s{n // 2}-{n % 2}",
            duration=3.0,
            supervisions=[SimpleNamespace(speaker=f"s{n // 2}", gender=GENDERS[n // 2 % 2], custom={})],
        )
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
    items = TrialSet(corpus, "test", cuts, "digest", trials)
    return Scored(items, Spent(), labels + random.standard_normal(count))


def _known(threshold: float) -> OperatingPoint:
    return OperatingPoint(0.1, threshold, Calibration(1.0, 0.0), "valid")


def test_numbers_carry_their_ids_and_their_speakers() -> None:
    values = PLAIN.measure(_scored(), _known(0.5), replicates=100).values
    assert set(values) == set(verification.METRICS)
    assert all(interval.clusters == 20 for interval in values.values())
    assert all(interval.low <= interval.value <= interval.high for interval in values.values())
    both = values["far@valid_threshold"].value + values["frr@valid_threshold"].value
    assert values["hter@valid_threshold"].value == pytest.approx(both / 2)


def test_without_a_validation_list_there_are_no_starred_numbers() -> None:
    measured = PLAIN.measure(_scored(), None, replicates=20)
    assert not [name for name in measured.values if "valid" in name]
    assert not measured.curves.actual


def test_strata_follow_the_match_columns_and_skip_continuous_ones() -> None:
    scored = _scored()
    measured = PLAIN.measure(scored, None, replicates=20)
    crossed, same = [group for group in measured.groups if not group.label]
    assert crossed.name == "GENDER_MATCH=0, against all targets"
    assert crossed.targets == 0
    assert same.name == "GENDER_MATCH=1"
    assert crossed.count + same.count == 400
    column = scored.items.trials.matches["GENDER_MATCH"]
    labels = scored.items.trials.labels
    inside = (column == 0) | (labels == 1)
    expected = verification.detection.eer(scored.scores[inside], labels[inside])[0]
    assert crossed.values[verification.MAIN_METRIC].value == pytest.approx(expected)


def test_groups_of_speakers_have_numbers_and_a_gap() -> None:
    scored = _scored(4000)
    measured = PLAIN.measure(scored, None, replicates=20)
    groups = {part.name: part for part in measured.groups if part.label == "gender"}
    assert set(groups) == {"gender=female", "gender=male"}
    gap = next(gap for gap in measured.gaps if (gap.label, gap.metric) == ("gender", verification.MAIN_METRIC))
    worst, best = (groups[name].values[verification.MAIN_METRIC].value for name in (gap.worst, gap.best))
    assert gap.value.value == pytest.approx(worst - best)


def test_a_stratum_that_is_too_small_says_so() -> None:
    measured = PLAIN.measure(_scored(count=60), None, replicates=20)
    assert all("fewer than 30" in part.reason and not part.values for part in measured.groups)
    assert not measured.gaps


def test_the_cohort_is_of_training_speakers_and_depends_on_the_seed_alone(corpus: Corpus) -> None:
    from voxboard import model, systems
    from voxboard.settings import Evaluation

    network = model.build(systems.parse("fbank+statistics"), None, 0)
    benchmark = Verification(Verification.Config(score_norm="as-norm", cohort_speakers=2))
    cuts = list(corpus.cuts("test"))
    cohort = benchmark.learned_from(network, cuts, Evaluation(), seed=1, show_progress=False).cohort
    again = benchmark.learned_from(network, cuts[::-1], Evaluation(), seed=1, show_progress=False).cohort
    assert cohort is not None
    assert again is not None
    assert cohort.matrix.shape[0] == benchmark.top(cohort) == 2
    assert cohort.digest == again.digest
    assert np.array_equal(cohort.matrix, again.matrix)
    with pytest.raises(UserError, match="--cohort_speakers"):
        Verification(replace(benchmark.config, cohort_speakers=99)).learned_from(network, cuts, Evaluation(), seed=1)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus.write(tmp_path / "c", CorpusInfo("c"), {"test": noise_cuts(tmp_path, [0.1, 0.1, 0.1, 0.1])}, tmp_path)


def test_a_given_list_is_resolved_by_file_name(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("1 0.wav 1.wav\n0 2.wav 0.wav\n")
    found = trial_set(corpus, "test", tmp_path / "list.txt")
    assert [cut.id for cut in found.cuts] == list(found.trials.utterances) == ["u0", "u1", "u2"]
    assert found.digest == trial_lists.read(tmp_path / "list.txt").digest()
    assert len(found.first(1).trials.labels) == 2


def test_speakers_without_a_second_utterance_give_no_list(corpus: Corpus) -> None:
    with pytest.raises(UserError, match="--test_trials"):
        trial_set(corpus, "test")


def test_a_threshold_and_a_calibration_of_too_few_speakers_are_not_used(caplog: pytest.LogCaptureFixture) -> None:
    scored = _scored()
    fixed = PLAIN.fix(scored)
    assert fixed.speakers == 20
    assert PLAIN.fixed_from(fixed.to_dict()) == fixed
    enough = PLAIN.measure(scored, replace(fixed, speakers=SPEAKERS), replicates=20)
    assert all(value.value is not None for value in enough.values.values())
    assert not caplog.text
    measured = PLAIN.measure(scored, replace(fixed, speakers=SPEAKERS - 1), replicates=20)
    left_out = {"far", "frr", "hter", "act_dcf", "cllr"}
    absent = {name for name, value in measured.values.items() if value.value is None}
    assert {name.partition("@")[0] for name in absent} == left_out
    assert not measured.curves.actual
    assert "too few validation speakers: 5 with target trials, 6 are needed" in caplog.text
    assert all(measured.values[name].reason for name in absent)


def test_a_list_without_errors_leaves_a_bound_in_the_record() -> None:
    scored = _scored()
    perfect = replace(scored, scores=scored.items.trials.labels * 2.0)
    values = PLAIN.measure(perfect, _known(1.0), replicates=20).values
    for name, value in values.items():
        value.validate(f"values.{name}")
        assert value.interval == "bound" or value.low is None or value.low < value.high
    frr = values["frr@valid_threshold"]
    assert (frr.value, frr.low, frr.high) == (0.0, 0.0, pytest.approx(0.139, abs=1e-3))
    assert frr.reason.startswith("0 of 200 targets rejected; ≤ 13.91 % (20 speakers, one-sided 95 %); ≤ 1.49 % if all")
    assert decode(Value, encode(frr)) == frr


def test_a_cost_says_how_many_false_alarms_its_optimum_has() -> None:
    scored = _scored()
    values = PLAIN.measure(scored, None, replicates=20).values
    labels = scored.items.trials.labels
    for p in (0.01, 0.05):
        threshold = detection.min_dcf(scored.scores, labels, p)[1]
        expected = int(((scored.scores >= threshold) & (labels == 0)).sum())
        assert values[f"min_dcf@p={p:g}"].false_alarms == expected
    assert values["eer@interpolated"].false_alarms is None


@given(st.integers(0, 10**6), st.floats(-1.0, 4.0), st.sampled_from([0, 1, 6]), st.sampled_from([-9.0, 0.5, 9.0]))
@settings(deadline=None, max_examples=25)
def test_no_record_has_an_interval_without_width(seed: int, shift: float, decimals: int, threshold: float) -> None:
    scored = _scored(160, seed)
    scores = (scored.scores + shift * scored.items.trials.labels).round(decimals)
    measured = PLAIN.measure(replace(scored, scores=scores), _known(threshold), replicates=15)
    parts = [measured.values, *(group.values for group in measured.groups)]
    values = [value for part in parts for value in part.values()] + [gap.value for gap in measured.gaps]
    for value in values:
        if value.low is None:
            assert value.reason.startswith("no interval: ")
        else:
            assert value.low < value.high
            assert value.interval != "bound" or (value.reason and value.low <= value.value <= value.high)


@pytest.mark.parametrize(
    "settings",
    [{"center": True}, {"center": True, "score_norm": "s-norm"}],
    ids=["center", "center and s-norm"],
)
def test_a_backend_is_learned_from_training_and_is_part_of_the_protocol(
    corpus: Corpus, settings: dict[str, Any]
) -> None:
    from voxboard import model, systems
    from voxboard.settings import Evaluation

    network = model.build(systems.parse("fbank+statistics"), None, 0)
    benchmark = Verification(Verification.Config(**settings))
    items = _scored().items
    learned = benchmark.learned_from(network, corpus.cuts("test"), Evaluation(), seed=1, show_progress=False)
    assert learned.backend is not None
    assert (learned.cohort is not None) == ("score_norm" in settings)
    assert not benchmark.reusable()
    protocol = benchmark.protocol(Scored(items, Spent(), np.zeros(len(items))), Evaluation(), learned)
    assert protocol.scoring is not None
    assert protocol.scoring.options["learned from"] == learned.backend.digest[:12]
    plain = PLAIN.protocol(Scored(items, Spent(), np.zeros(len(items))), Evaluation(), None)
    assert protocol.id != plain.id


def test_plda_takes_no_normalization_of_cosines() -> None:
    with pytest.raises(UserError, match="--backend cosine"):
        Verification(Verification.Config(backend="plda", score_norm="s-norm"))
