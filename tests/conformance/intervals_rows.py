"""Intervals beside naive resampling, SciPy's bootstrap and independent trials, and what they cover."""

from __future__ import annotations

import json

import numpy as np
from scipy import stats

from tests.conformance.section import Row, Section
from tests.perf.coverage import RESULT, table
from voxboard.metrics import bootstrap, detection
from voxboard.metrics.bootstrap import Interval
from voxboard.metrics.clusters import Clusters

TEXT = """
95 % intervals by a bootstrap over clusters: whole speakers are drawn with replacement, both speakers of a trial count,
and every interval says how many clusters and replicates stand behind it. `percentile` reads the quantiles of the
resampled values, `bca` corrects for bias and skewness (Efron 1987), `bca_t`, the default, is BCa with Student's
quantiles for as many degrees of freedom as the speakers' influences carry, scaled down where products of counts vary
more than a jackknife over speakers. The rows give the lower and upper bound on one list of 40 speakers whose scores
have speaker effects. An interval of independent trials is far narrower because it pretends that there are as many
speakers as trials: it answers what other trials of the *same speakers* would give.

### What they cover

Lists of 40 speakers are drawn from designs with random effects of speakers, sessions and pairs, and the share of
intervals is counted that hold the population's value: coverage in percent ± its standard error, the mean width in
brackets (`python -m tests.perf.coverage`). FAR and FRR are taken at a fixed threshold. Percentiles of minDCF lie too
low: a minimum over thresholds is optimistic, and more so when resampled. FAR is covered too often where chance meetings
of two speakers decide it: resampled with either speaker, a pair's chance counts twice. Where a handful of
the speakers decide a number (*goats*), all methods cover too little: 40 such speakers do not tell how bad the next is.
"""

Trials = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
REPLICATES = 400
LEVELS = [(1 - 0.95) / 2, (1 + 0.95) / 2]


def section() -> Section:
    """Both bounds of every interval, and the coverage that was last simulated."""
    coverage = table(json.loads(RESULT.read_text(encoding="utf-8")))
    return Section("Intervals", f"{TEXT}\n{coverage}\n", [*_trial_rows(), *_utterance_rows()], tolerance=1e-12)


def trials(seed: int = 0, speakers: int = 40, size: int = 6000) -> Trials:
    """Scores, labels and both speakers of a list with speaker effects."""
    rng = np.random.default_rng(seed)
    labels = rng.random(size) < 0.5
    first = rng.integers(0, speakers, size)
    second = np.where(labels, first, (first + rng.integers(1, speakers, size)) % speakers)
    own, loud = 0.6 * rng.normal(size=speakers), 0.3 * rng.normal(size=speakers)
    effect = np.where(labels, 4 + own[first], loud[first] + loud[second])
    return rng.normal(size=size) + effect, labels.astype(int), first, second


def _trial_rows() -> list[Row]:
    data = trials()
    scores, labels, first, second = data
    clusters = Clusters.of(scores.size, first, second)
    (counts,) = clusters.draws(REPLICATES, 0)
    repeated = [np.repeat(np.arange(scores.size), clusters.weights(column)) for column in counts.T]
    rng = np.random.default_rng(0)
    single = [rng.integers(0, scores.size, scores.size) for _ in range(REPLICATES)]
    found = bootstrap.detection(*data, replicates=REPLICATES, method="percentile")
    metrics = {
        "eer": lambda rows: detection.eer(scores[rows], labels[rows])[0],
        "min_dcf_0.01": lambda rows: detection.min_dcf(scores[rows], labels[rows])[0],
    }
    reason = "independent trials: the same speakers again, not other ones"
    rows = []
    for name, metric in metrics.items():
        naive, independent = (np.quantile([metric(rows) for rows in drawn], LEVELS) for drawn in (repeated, single))
        peers = [
            {"naive repetition": one, "independent trials": other}
            for one, other in zip(naive, independent, strict=True)
        ]
        rows += _bounds(f"{name}, percentile", found[name], peers, reason)
    return rows


def _utterance_rows() -> list[Row]:
    """A mean over clusters of one row each, where SciPy's bootstrap is the same thing."""
    values = np.random.default_rng(1).gamma(2, size=40)
    ours = {
        method: bootstrap.ratio(values, clusters=np.arange(40), replicates=20_000, method=method)
        for method in ("percentile", "bca", "bca_t")
    }
    rows = []
    for method in ("percentile", "bca"):  # on the same draws, as SciPy takes them from the generator as we do
        theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method=method, rng=np.random.default_rng(0))
        peers = [{"SciPy": bound} for bound in theirs.confidence_interval]
        rows += _bounds(f"mean of 40 clusters, {method}", ours[method], peers, "")
    student = stats.t.interval(0.95, 39, values.mean(), stats.sem(values))
    reason = "Student's interval knows no skewness"
    rows += _bounds("mean of 40 clusters, bca_t", ours["bca_t"], [{"Student's t": bound} for bound in student], reason)
    return rows


def _bounds(case: str, ours: Interval, peers: list[dict[str, float]], reason: str) -> list[Row]:
    ends = (("lower", ours.low), ("upper", ours.high))
    return [Row(f"{case}, {end}", value, peer, reason) for (end, value), peer in zip(ends, peers, strict=True)]
