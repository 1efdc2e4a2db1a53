"""EER, minDCF and their bootstrap beside WeSpeaker's way, scikit-learn and SpeechBrain: `make bench`."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import det_curve

from tests.conformance.detection_rows import sklearn_eer, speechbrain_eer, speechbrain_min_dcf, wespeaker_rates
from tests.perf.measure import added_mib, interleaved, report
from voxboard.metrics import bootstrap, detection
from voxboard.metrics.clusters import Clusters

pytestmark = pytest.mark.perf
PRIORS = [0.01, 0.05]
Scored = tuple[np.ndarray, np.ndarray]


def scored(size: int) -> Scored:
    """float32 scores with an EER of 2 %, half of them targets."""
    rng = np.random.default_rng(0)
    labels = rng.random(size) < 0.5
    return (rng.normal(size=size) + 4.1 * labels).astype(np.float32), labels


def ours(scores: np.ndarray, labels: np.ndarray) -> list[float]:
    """EER and both minDCF."""
    ranked = detection.rank(scores, labels)
    return [detection.eer(ranked)[0], *detection.min_dcf(ranked, None, PRIORS)[0]]


def wespeaker(scores: np.ndarray, labels: np.ndarray) -> list[float]:
    """The same by one argsort for the EER and one for the costs, as WeSpeaker does it; the costs by NumPy."""
    far, frr = wespeaker_rates(scores, labels, stable=False)
    nearest = np.argmin(np.abs(far - frr))
    found = [(far[nearest] + frr[nearest]) / 2]
    far, frr = wespeaker_rates(scores, labels, stable=False)
    return found + [float(np.min(p * frr + (1 - p) * far) / p) for p in PRIORS]


def scikit_learn(scores: np.ndarray, labels: np.ndarray) -> list[float]:
    """The same by roc_curve with brentq, and by det_curve."""
    far, frr, _ = det_curve(labels, scores)
    return [sklearn_eer(scores, labels), *(float(np.min(p * frr + (1 - p) * far) / p) for p in PRIORS)]


def sorts(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All that sorting targets and non-targets apart takes."""
    return np.sort(scores[labels]), np.sort(scores[~labels])


def test_ten_million_scores_cost_less_than_two_sorts() -> None:
    data = scored(10_000_000)
    assert ours(*data) == pytest.approx(wespeaker(*data), abs=1e-6)
    ways = {"ours": ours, "wespeaker": wespeaker, "sorts": sorts}
    took = interleaved(3, **{name: lambda way=way: way(*data) for name, way in ways.items()})
    took |= interleaved(1, sklearn=lambda: scikit_learn(*data))
    memory = {"ours": added_mib(lambda: ours(*data)), "wespeaker": added_mib(lambda: wespeaker(*data))}
    report("EER + minDCF(0.01, 0.05), 10⁷ float32", took, "≥ 8 × fastest peer, ≤ 1.3 × sorts, ≤ 300 MiB", memory)
    assert min(took["wespeaker"], took["sklearn"]) >= 8 * took["ours"]
    assert took["ours"] <= 1.3 * took["sorts"]
    assert memory["ours"] <= 300


def test_a_list_of_vox1_o_size_costs_milliseconds() -> None:
    data = scored(37_720)
    few = tuple(column[:2000] for column in data)
    took = interleaved(9, ours=lambda: ours(*data), wespeaker=lambda: wespeaker(*data))
    took |= interleaved(3, sklearn=lambda: scikit_learn(*data))
    report("EER + minDCF(0.01, 0.05), 37,720", took, "≤ 5 ms")
    assert took["ours"] <= 0.005
    assert took["ours"] <= took["wespeaker"]
    quadratic = interleaved(
        1, ours=lambda: ours(*few), speechbrain=lambda: (speechbrain_eer(*few), speechbrain_min_dcf(*few))
    )
    report("the same, 2,000 scores (SpeechBrain is quadratic: × 356 at 37,720)", quadratic, "faster")
    assert quadratic["speechbrain"] > 50 * quadratic["ours"]


def trials(size: int, speakers: int) -> tuple[np.ndarray, ...]:
    """A list with speaker effects: scores, labels, both speakers."""
    rng = np.random.default_rng(1)
    labels = rng.random(size) < 0.5
    first = rng.integers(0, speakers, size)
    second = np.where(labels, first, (first + rng.integers(1, speakers, size)) % speakers)
    place = 0.3 * rng.normal(size=speakers)
    scores = rng.normal(size=size) + 4.1 * labels + place[first] + place[second]
    return scores.astype(np.float32), labels, first.astype(np.int32), second.astype(np.int32)


def naive(scores: np.ndarray, labels: np.ndarray, first: np.ndarray, second: np.ndarray, replicates: int) -> list:
    """Every trial repeated by its weight, then an argsort."""
    clusters = Clusters.of(scores.size, first, second)
    rows = np.arange(scores.size)
    found = []
    for column in next(clusters.draws(replicates, 0)).T:
        chosen = np.repeat(rows, clusters.weights(column))
        found.append(wespeaker(scores[chosen], labels[chosen]))
    return found


@pytest.mark.parametrize(("size", "speakers", "limit", "repeated"), [(37_720, 40, 0.2, 20), (1_000_000, 5_000, 2.0, 2)])
def test_a_thousand_resamples_cost_less_than_forty_naive_ones(
    size: int, speakers: int, limit: float, repeated: int
) -> None:
    data = trials(size, speakers)
    bootstrap.detection(*data, replicates=10)
    took = interleaved(3, ours=lambda: bootstrap.detection(*data))
    one = interleaved(1, naive=lambda: naive(*data, repeated))["naive"] / repeated
    memory = {"ours": added_mib(lambda: bootstrap.detection(*data))}
    work = f"1,000 resamples of EER + minDCF, {size:,} trials, {speakers:,} speakers"
    report(work, took | {f"naive ({repeated} timed)": 1000 * one}, f"≤ {limit} s, ≤ 200 MiB", memory)
    assert took["ours"] <= limit
    assert 1000 * one > 25 * took["ours"]
    assert memory["ours"] <= 200


def test_utterance_metrics_need_no_repeated_rows() -> None:
    rng = np.random.default_rng(2)
    words, who = rng.integers(3, 30, 50_000), rng.integers(0, 40, 50_000)
    errors = rng.poisson(0.1 * words)
    took = interleaved(
        3,
        ours=lambda: bootstrap.ratio(errors, words, clusters=who),
        rows=lambda: bootstrap.interval(
            lambda above, below: above.sum() / below.sum(), errors, words, clusters=who, method="percentile"
        ),
    )
    report("1,000 resamples of a WER, 50,000 utterances", took, "≥ 20 × repeating rows")
    assert took["rows"] > 20 * took["ours"]
