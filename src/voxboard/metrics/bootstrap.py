"""Confidence intervals that know who spoke: whole speakers are resampled, never single trials or utterances.

    detection     EER, minDCF, FAR and FRR of a trial list        difference    of two systems on one list
    ratio, sums   whatever follows from sums over utterances: accuracy, RMSE, WER, DER by file, macro-F1
    interval      any other statistic, by repeating rows

Trials of one speaker rise and fall together: an interval over independent trials is far too narrow. Here a resample
draws S of the S speakers with replacement; a speaker drawn c times counts c. A trial between two speakers weighs the
product of their counts. A trial of a speaker with itself weighs c, not c²: c copies of a speaker bring their own target
trials each, while one copy against another is no trial of the list's design (c² makes the intervals of FRR cover far
too often, see tests/metrics/test_bootstrap.py).

The default method is `t` (see `estimates`). On simulated lists of 6 to 100 speakers its 95 % intervals hold the
population's EER and FRR in 91 to 100 % of lists; minDCF in 90 to 94 % of long lists of 40 speakers and more, in far
fewer of short ones, where its threshold is chosen by a handful of false alarms. The numbers are in
tests/conformance/coverage.json. How far two systems are apart is told by `between` (see `paired`).

A resample without targets or without non-targets has no error rate: it is left out, and `Interval.replicates` says how
many remain. The bounds are NaN when half of the resamples fall away, and with fewer than three clusters: all that a
resample of two can change is to drop one. A list without a single error has none in any resample either: its interval
is a bound (see `bounds`), and `Interval.bound` says of what; no interval has the width zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxboard.metrics import paired
from voxboard.metrics.bounds import of_share
from voxboard.metrics.clusters import Clusters
from voxboard.metrics.estimates import Estimate, Influence, Interval, Method, Scale, check_method
from voxboard.metrics.paired import Difference
from voxboard.metrics.ranked import array, as_floats, checked
from voxboard.metrics.trial_estimates import TrialEstimates

__all__ = [
    "Difference",
    "Interval",
    "Method",
    "Scale",
    "between",
    "detection",
    "difference",
    "interval",
    "ratio",
    "sums",
]


def detection(
    scores: ArrayLike,
    labels: ArrayLike,
    speakers_a: ArrayLike,
    speakers_b: ArrayLike,
    *,
    p_targets: Sequence[float] = (0.01, 0.05),
    threshold: float | None = None,
    calibrated: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    replicates: int = 1000,
    level: float = 0.95,
    method: Method = "t",
) -> dict[str, Interval]:
    """Intervals of `eer`, `min_dcf_<p>` and, at a fixed threshold, `far`, `frr`, `half_total`, on the same resamples.

    With `calibrated` natural-log likelihood ratios [n] of the same trials also `cllr` and `act_dcf_<p>`.
    Scores, labels and the speakers of either side: [n] each; speakers are names or integers, with `names` places in
    it. The resamples equal computing each metric on every resampled list, in O(n log n + n · replicates) byte
    operations and O(n) memory. Raises `ValueError` where `detection.rank` does, and when speakers are missing.
    """
    check_method(method)
    values, targets = checked(scores, labels)
    ratios = None if calibrated is None else checked(calibrated, labels)[0].astype(np.float64)
    clusters = Clusters.of(values.size, speakers_a, speakers_b, names)
    trials = TrialEstimates(values, targets, clusters, p_targets, threshold, ratios)
    estimates = trials.estimates(replicates, method != "percentile")
    return {name: estimate.interval(trials.clusters.size, level, method) for name, estimate in estimates.items()}


def difference(
    scores: ArrayLike,
    others: ArrayLike,
    labels: ArrayLike,
    speakers_a: ArrayLike,
    speakers_b: ArrayLike,
    *,
    p_targets: Sequence[float] = (0.01, 0.05),
    replicates: int = 1000,
    level: float = 0.95,
) -> dict[str, Difference]:
    """Return how far `scores` minus `others` are apart in `eer` and `min_dcf_<p>`: two systems, the same trials.

    Both systems see the same resamples, so that what they share cancels. Arguments as in `detection`.
    """
    ours, theirs = (
        detection(side, labels, speakers_a, speakers_b, p_targets=p_targets, replicates=replicates, level=level)
        for side in (scores, others)
    )
    return {name: between(theirs[name], ours[name], level) for name in ours}


def between(before: Interval, after: Interval, level: float = 0.95) -> Difference:
    """Return the difference of two values that were measured on the same items: `after` less `before`.

    Raises `ValueError` for other items, and for intervals by percentiles, which come without influences.
    """
    if before.evidence is None or after.evidence is None:
        raise ValueError("a paired difference needs the influences of the clusters")
    return paired.difference(before.evidence, after.evidence, level)


def ratio(
    numerators: ArrayLike,
    denominators: ArrayLike | None = None,
    *,
    clusters: ArrayLike,
    replicates: int = 1000,
    level: float = 0.95,
    method: Method = "t",
    share: bool = True,
    scale: Scale | None = None,
) -> Interval:
    """The interval of Σ numerators / Σ denominators over rows [n]: errors and words, hits and utterances.

    Without denominators it is the mean: accuracy from hits, the mean squared error from squares (an RMSE's interval has
    the square roots of its bounds). A `share` of 0 or 1 has a bound; say False for what is
    no share of items, such as squares. The `scale` of errors per word is "log": they can be more than there are words.
    """

    def quotient(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(above / below)

    if denominators is None:
        denominators = np.ones(array(numerators).shape)
    return sums(
        quotient,
        numerators,
        denominators,
        clusters=clusters,
        replicates=replicates,
        level=level,
        method=method,
        share=share,
        scale=scale,
    )


def sums(
    statistic: Callable[..., NDArray[np.float64]],
    *columns: ArrayLike,
    clusters: ArrayLike,
    replicates: int = 1000,
    level: float = 0.95,
    method: Method = "t",
    share: bool | float = False,
    scale: Scale | None = None,
) -> Interval:
    """The interval of a function of sums over rows: equal to `interval` on the same draws, without repeating rows.

    Columns are [n] or [n, k]; `statistic` takes their sums for r resamples at once, [r] or [r, k] each, and returns [r]
    values, not finite where there is none. Macro-F1, say, is a function of the sums of three columns [n, classes]: hit,
    true, predicted. A statistic that is a `share` has a bound where it is 0 or 1: that of as
    many clusters as there are, or as `share` says. Raises `ValueError` for columns that do not fit or are not finite.
    """
    check_method(method)
    checked_columns = [_column(column) for column in columns]
    grouped = Clusters.of(len(checked_columns[0]), clusters)
    estimate = _of_sums(statistic, checked_columns, grouped, replicates, share)
    own: Scale = "logit" if share else ""
    return replace(estimate, scale=own if scale is None else scale).interval(grouped.size, level, method)


def interval(
    statistic: Callable[..., float],
    *data: ArrayLike,
    clusters: ArrayLike,
    partners: ArrayLike | None = None,
    replicates: int = 1000,
    level: float = 0.95,
    method: Method = "t",
    scale: Scale = "",
    smooth: bool = True,
) -> Interval:
    """The interval of any statistic of arrays [n, …]: rows repeated by how often their cluster is drawn.

    `clusters` [n] are the speakers (or sessions) of the rows, `partners` [n] those of the other side of a pair;
    A resample for which the statistic raises `ValueError` is left out. Other methods than `percentile` compute the
    statistic once more for every cluster. A difference of statistics that are not `smooth` in the rows (medians)
    follows from their resamples. What follows from sums is quicker by `ratio` and `sums`.
    """
    check_method(method)
    arrays = [array(values) for values in data]
    grouped = Clusters.of(len(arrays[0]), clusters, partners)
    estimate = _repeated(statistic, arrays, grouped, replicates, method != "percentile")
    return replace(estimate, scale=scale, smooth=smooth).interval(grouped.size, level, method)


def _column(values: ArrayLike) -> NDArray[np.float64]:
    """A finite column [n] or [n, k]."""
    column = array(values)
    flat = as_floats(column.reshape(-1), "a column")
    if column.ndim not in (1, 2):
        raise ValueError(f"a column must have one or two dimensions, got shape {column.shape}")
    if not np.isfinite(flat).all():
        raise ValueError(f"a column holds {int((~np.isfinite(flat)).sum())} values that are NaN or infinite")
    return flat.astype(np.float64).reshape(column.shape)


def _of_sums(
    statistic: Callable[..., NDArray[np.float64]],
    columns: Sequence[NDArray[np.float64]],
    clusters: Clusters,
    replicates: int,
    share: bool | float,
) -> Estimate:
    from scipy.sparse import csr_array

    rows = clusters.first.size
    for column in columns:
        if len(column) != rows:
            raise ValueError(f"columns of {rows} and of {len(column)} rows")
    members = csr_array((np.ones(rows), (clusters.first, np.arange(rows))), shape=(clusters.size, rows))
    parts = [members @ column for column in columns]  # [S] or [S, k]

    def values(totals: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.asarray(statistic(*totals), np.float64)
        return np.where(np.isfinite(values), values, np.nan)

    value = float(values(part.sum(axis=0, keepdims=True) for part in parts)[0])
    if np.isnan(value):
        raise ValueError("the statistic has no finite value on these rows")
    draws = (counts.T.astype(np.float64) for counts in clusters.draws(replicates))
    resampled = np.concatenate([values(counts @ part for part in parts) for counts in draws])
    influence = Influence.jackknife(values(part.sum(axis=0) - part for part in parts))
    clusters_of_share = clusters.size if share is True else float(share)
    bound = of_share(value, rows, clusters_of_share)
    return Estimate(value, resampled, influence, bound, digest=clusters.digest(replicates))


def _repeated(
    statistic: Callable[..., float],
    arrays: Sequence[NDArray[np.generic]],
    clusters: Clusters,
    replicates: int,
    influence: bool,
) -> Estimate:
    everything = np.arange(clusters.first.size)
    for values in arrays:
        if len(values) != everything.size:
            raise ValueError(f"data of {everything.size} and of {len(values)} rows")

    def estimates(draws: Iterable[NDArray[np.uint8]]) -> NDArray[np.float64]:
        estimates = []
        for counts in draws:
            for column in counts.T:
                rows = np.repeat(everything, clusters.weights(column))
                try:
                    estimates.append(float(statistic(*(data[rows] for data in arrays))))
                except ValueError:
                    estimates.append(np.nan)
        return np.array(estimates)

    return Estimate(
        float(statistic(*arrays)),
        estimates(clusters.draws(replicates)),
        Influence.jackknife(estimates(clusters.leave_one_out())) if influence else None,
        digest=clusters.digest(replicates),
    )
