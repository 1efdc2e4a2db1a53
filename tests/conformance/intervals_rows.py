"""Intervals beside naive resampling, SciPy's bootstrap and independent trials, and what they cover."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from scipy import stats

from tests.conformance.section import Row, Section
from tests.perf.coverage import RESULT, table
from voxboard.metrics import bootstrap, detection
from voxboard.metrics.bootstrap import Interval
from voxboard.metrics.bounds import Rate, separated
from voxboard.metrics.clusters import Clusters
from voxboard.metrics.enough import FALSE_ALARMS, SPEAKERS
from voxboard.metrics.exact import zero_error_bound
from voxboard.records import PackedEvidence
from voxboard.records.codec import encode
from voxboard.records.standard_metrics import FAMILIES

TEXT = """
95 % intervals that know who spoke: both speakers of a trial count, and every interval says how many clusters stand
behind it. The default, `t`, is Student's interval by the *influences* of the speakers (how far each moves the
number), with as many degrees of freedom as these carry, on the logit of a share (`logit_t`: EER, FAR, FRR, HTER,
accuracy, macro-F1, recall) or the logarithm of an error rate or a loss (`log_t`: WER, DER, Cllr, actual DCF, RMSE).
What has no such scale (minDCF, correlations, median ranks) gets `bca_t`: a bootstrap over speakers with Efron's
correction for bias and skewness and Student's quantiles, scaled down where products of counts vary more than a
jackknife over speakers. Rates of trials take the wider of the two at either end. `percentile` and `bca` (Efron 1987)
are there for comparison.

**Resamples depend on the list alone**: counts of S draws by the raw 64-bit words of Philox, keyed by the SHA-256 of
the speakers' sorted names. No seed, machine or release of NumPy changes them, so that two results on one list,
whenever they were made, have seen the same resamples. A record keeps of every metric the influences, and of EER,
minDCF and median ranks the resamples (about {kilobytes:.0f} kB for a list of 40 speakers): any two records of a list
can be compared in pairs.

The rows give the lower and upper bound on one list of 40 speakers whose scores have speaker effects. An interval of
independent trials is far narrower because it pretends that there are as many speakers as trials: it answers what
other trials of the *same speakers* would give.

### What they cover, and how often equals are told apart

Lists are drawn from a model with normal effects of speakers, sessions and pairs, whose population values are known
exactly: *short* ones with 12 targets and 25 non-targets per speaker, *long* ones with 60 and 300, some speakers with
many times as many as others. Two systems share 60 % of the variance of every effect. *Held* is the percentage of 95 %
intervals (bounds of systems without errors included) that contain the population's value; *called different* that of
lists on which two systems of equal EER have p < 0.05 (and p < 0.001); *found* that of lists on which a difference
that is there has p < 0.05 (`python -m tests.perf.coverage`). Standard errors are up to 1.3 points for 5 and 95 %, 2.9
for 50.

With `bca_t` alone, as before, {bca_least:.0f} to {bca_most:.0f} % of intervals of EER and FRR held; short lists
cannot show minDCF. Where the errors of one of two systems sit with few speakers, 10 to 20 of these are too few: its
equal EER is called different in up to {skewed:.0f} %.
"""

LIMITS = """
### Where no error is seen

Resampling a list without errors gives lists without errors: its interval would be [0, 0], as if everything were
known. In its place stands a one-sided 95 % bound, written ≤ (≥ where there was nothing but errors), in records as an
`interval` that is "bound", with what it rests on in `reason`. No interval has the width zero: where every resample
gives the same value and that is no rate of 0 or 1, there is none.

S speakers, none of whom failed: were a share u of all speakers to fail always, a list without errors would have the
probability (1 − u)^S. So FRR, WER, accuracy and other shares of items have u = 1 − 0.05^(1/S) (Clopper and Pearson
1934, over speakers or recordings; balanced accuracy and macro-F1 over the speakers of the smallest class, times the
classes). A non-target has two speakers: for FAR, u = 1 − 0.05^(1/ν), ν the fractional matching number of the graph of
speakers who meet, at most S/2 (Finner 1992). An EER of 0 at the list's own threshold has the u with (1 − u)^S + (1 −
u)^ν = 0.05. Costs follow: actual DCF and HTER are sums of the bounds of FRR and FAR, minDCF is the cost of u at both,
at most 1. The bound if all trials were independent stands beside it in words: it is the best case, not the likely
one. Where only one of the two rates of a cost is without errors, its interval is that of the other, and too narrow.

{bounds}

`voxboard.metrics.exact` has the same for independent trials (`clopper_pearson`, `wilson`, `zero_error_bound`), and
the exact sign-flip test (`sign_flip`, `smallest_p`).

### What a list cannot show

**minDCF of short lists.** Its threshold is chosen by the few false alarms that are left at it, so that it comes out
too low, and its interval with it: in simulations of 6 to 100 speakers with 150 to 2,100 non-targets, 15 to 80 % of
the intervals of minDCF(0.01) held the truth; with about {alarms} false alarms at the optimum (8,500 non-targets at an
EER of 5 %, 21,700 at 1 %) 92 %. Records hold that number (`false_alarms`), and below {alarms} a sheet and a board say
that the list cannot show this cost.

**Fewer than {speakers} speakers** tell nothing apart: no p, no verdict, no place. A test over S speakers cannot reach
a p below 2^(1 − S), which of five is 0.0625; no p of a comparison is below that. A table of m comparisons corrected
by Holm needs S ≥ 1 + log₂(m / 0.05) speakers to show anything: 10 for 20, 13 for 200. `voxboard compare` and boards
say so beforehand.

**A threshold or a calibration learned from fewer than {speakers} validation speakers with target trials** is not
used: FAR\*, FRR\*, EER\*, actual DCF and Cllr are left out, and the record says why. A threshold that rejects nobody
of five speakers may still reject up to 45 % of all others, of six 39 %: below that even perfect validation fixes
nothing.

**What is chosen after the fact** looks better, or worse, than it is: the best of many systems, the worst group, the
gap between groups. Boards say so where they show it.

### Decimals

A value is shown with as many decimals as papers of its field give it, whatever its interval; records, JSON and CSV
have full precision.

{decimals}
"""

Trials = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
REPLICATES = 400
LEVELS = [(1 - 0.95) / 2, (1 + 0.95) / 2]


def section() -> Section:
    """Both bounds of every interval, and the coverage that was last simulated."""
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    cells = {name: rows for name, rows in result.items() if name != "lists"}
    before = [row[metric]["bca_t holds"] for row in cells.values() for metric in ("eer", "frr")]
    skewed = max(rows["eer"]["p < .05"] for name, rows in cells.items() if "fewer" in name)
    text = TEXT.format(
        kilobytes=_kilobytes(), bca_least=100 * min(before), bca_most=100 * max(before), skewed=100 * skewed
    )
    coverage = table(result)
    limits = LIMITS.format(bounds=_without_errors(), alarms=FALSE_ALARMS, speakers=SPEAKERS, decimals=_decimals())
    return Section(
        "Intervals", f"{text}\n{coverage}\n{limits}\n", [*_trial_rows(), *_utterance_rows()], tolerance=1e-12
    )


def _kilobytes() -> float:
    """The size of the evidence in a record of verification, over 40 speakers."""
    scores, labels, first, second = trials()
    intervals = bootstrap.detection(scores, labels, first, second, threshold=2.0, calibrated=scores - 2.0)
    packed = [
        PackedEvidence.of(one.evidence.digest, one.evidence.influences, one.evidence.replicates)
        for name, one in intervals.items()
        if one.evidence is not None and name != "act_dcf_0.05"  # as the task measures
    ]
    return len(json.dumps(encode(packed))) / 1000


def _without_errors() -> str:
    """What is said of so many speakers who all meet, without an error."""
    rows = ["| speakers | FRR, WER, accuracy | FAR | EER |", "|---|---|---|---|"]
    for count in (6, 10, 20, 40, 251, 1251):
        ends = [zero_error_bound(count), zero_error_bound(count / 2)]
        ends.append(separated(Rate(0, count, count), Rate(0, count, count / 2))(0.95).high)
        rows.append(f"| {count} | " + " | ".join(f"≤ {100 * end:.2f} %" for end in ends) + " |")
    return "\n".join(rows)


def _decimals() -> str:
    """The table of decimals, by how many."""
    rows = ["| decimals | metrics |", "|---|---|"]
    for digits in sorted({family.decimals for family in FAMILIES.values()}):
        names = ", ".join(f"`{name}`" for name, family in FAMILIES.items() if family.decimals == digits)
        rows.append(f"| {digits} | {names} |")
    return "\n".join(rows)


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
    (counts,) = clusters.draws(REPLICATES)
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
    for method in ("percentile", "bca"):  # on the same draws
        theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method=method, rng=OurDraws(40))
        peers = [{"SciPy": bound} for bound in theirs.confidence_interval]
        rows += _bounds(f"mean of 40 clusters, {method}", ours[method], peers, "")
    student = stats.t.interval(0.95, 39, values.mean(), stats.sem(values))
    reason = "Student's interval knows no skewness"
    rows += _bounds("mean of 40 clusters, bca_t", ours["bca_t"], [{"Student's t": bound} for bound in student], reason)
    return rows


class OurDraws(np.random.Generator):
    """A generator that gives SciPy the clusters which our resamples draw."""

    def __init__(self, clusters: int) -> None:
        super().__init__(np.random.PCG64(0))
        self.drawn = np.concatenate(list(Clusters.of(clusters, np.arange(clusters)).draws(20_000)), axis=1)
        self.place = 0

    def integers(self, low: Any, high: Any = None, size: Any = None, **_: Any) -> Any:  # type: ignore[override]
        """Return the next draws [resamples, clusters]."""
        counts = self.drawn[:, self.place : self.place + size[0]]
        self.place += size[0]
        return np.array([np.repeat(np.arange(len(column)), column) for column in counts.T])


def _bounds(case: str, ours: Interval, peers: list[dict[str, float]], reason: str) -> list[Row]:
    ends = (("lower", ours.low), ("upper", ours.high))
    return [Row(f"{case}, {end}", value, peer, reason) for (end, value), peer in zip(ends, peers, strict=True)]
