"""Two systems on one list, paired from what a record keeps of each: no scores, no outputs, no second evaluation.

`Evidence` is a metric's value, the influence of every cluster on it and, of EER, minDCF and medians, its resamples.
All systems see the same resamples of one list (see `clusters`), so that what they share cancels in a difference.

- Means (FAR, FRR, HTER, Cllr, actual DCF, accuracy, WER, DER, squared errors …): D ∓ t·se with se² = S/(S − 1) · Σ e²
  over the S differences of influences e, and t for as many degrees of freedom as they carry (Satterthwaite 1946, "An
  approximate distribution of estimates of variance components").
- Where a threshold or a rank is chosen on the list itself: quantiles of the resampled differences, as far out as
  √(S/(S − 1))·t (Hesterberg 2015, "What teachers should know about the bootstrap"). Below 12 clusters the far quantiles
  of the few different resamples tell little: the arms are read at 2.5 % and stretched.

Neither corrects for bias nor skewness, as BCa does for one number: of a difference both are noise, and BCa called two
equal systems different up to three times too often. The arm that faces zero gives p. A system without errors is not
known exactly: its bound widens that arm (Zou and Donner 2008, "Construction of confidence limits about effect
measures", eq. 5). tests/perf/coverage.py measures how often chance is taken for a difference, and how much is found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxboard.metrics.enough import SPEAKERS
from voxboard.metrics.exact import smallest_p

Floats = NDArray[np.float64]
How = Literal["", "t", "resampled", "unpaired"]
LEAST = 3  # clusters: all that a resample of two can change is to drop one
STRETCHED = 12  # clusters below which the arms are read at the level itself and stretched
FLAT = 1e-6  # a width below this share of the difference is that of rounding
LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Evidence:
    """Evidence for a metric's difference from that of another system on the same list."""

    value: float
    influences: Floats  # [S]: how far each cluster moves the value, to first order
    replicates: Floats | None  # [R], NaN where a resample has no value; None where the influences are enough
    digest: str  # of the list, its clusters and the resamples
    bound: tuple[float, float] | None = None  # the ends of a value without errors, at `level`
    level: float = LEVEL  # of the bound

    def reach(self, level: float) -> tuple[float, float]:
        """Return how far below and above its value a bound goes at a level; nothing where there is no bound."""
        if self.bound is None:
            return 0.0, 0.0
        arms = (self.value - self.bound[0], self.bound[1] - self.value)
        if level == self.level:
            return arms
        power = math.log1p(-level) / math.log1p(-self.level)  # as bounds are 1 − (1 − level)^(1 / units)
        below, above = (1 - max(0.0, 1 - arm) ** power for arm in arms)
        return below, above


@dataclass(frozen=True)
class Difference:
    """Difference of two values: the second less the first, with its interval; None where nothing tells."""

    value: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    flat: bool = False  # every resample has this very difference: an interval of it would have no width
    method: How = ""


class Spread(NamedTuple):
    """Spread of m estimates, from their influences [m, S]."""

    error: Floats  # standard error [m]
    degrees: Floats  # of freedom that it is known by [m]


class Tested(NamedTuple):
    """m differences with their intervals (NaN where there is none) and p (NaN where nothing can be told)."""

    low: Floats
    high: Floats
    p: Floats
    flat: NDArray[np.bool_]


def spread(influences: Floats) -> Spread:
    """Return standard errors and Satterthwaite's degrees of freedom of estimates with influences [m, S]."""
    size = influences.shape[-1]
    squares = influences**2
    second, fourth = squares.sum(axis=-1), (squares**2).sum(axis=-1)
    rest = np.maximum(fourth - second**2 / size, np.maximum(1e-9 * fourth, np.finfo(float).tiny))
    degrees = np.where(second > 0, np.minimum(2 * second**2 / rest, size - 1), size - 1)
    return Spread(np.sqrt(size / (size - 1) * second), degrees)


def difference(before: Evidence, after: Evidence, level: float = LEVEL) -> Difference:
    """Return the paired difference: `after` less `before`, with its interval and p.

    p is never below 2^(1 − S), the least that a sign-flip test over S clusters can reach, and None for fewer than six
    clusters. Raises `ValueError` for evidence of other lists or resamples.
    """
    (value,) = values = np.array([after.value - before.value])
    tested = differences(before, [after], level)
    (low,), (high,), (p,), (flat,) = tested
    bounded = math.isfinite(low)
    how: How = "resampled" if before.replicates is not None else "t"
    return Difference(
        float(values[0]),
        float(low) if bounded else None,
        float(high) if bounded else None,
        None if math.isnan(p) else float(p),
        bool(flat and value != 0),
        how,
    )


def differences(before: Evidence, after: Sequence[Evidence], level: float = LEVEL) -> Tested:
    """Test many systems against one, as `difference` does each."""
    if any(one.digest != before.digest for one in after):
        raise ValueError("the evidence is of other lists, clusters or resamples")
    value = np.array([one.value for one in after]) - before.value
    moves = np.array([one.influences for one in after], np.float64) - before.influences
    clusters = moves.shape[1]
    if clusters < LEAST:
        nothing = np.full(value.size, np.nan)
        return Tested(nothing, nothing, np.where(value == 0, 1.0, np.nan), np.zeros(value.size, np.bool_))
    error, degrees = spread(moves)
    if before.replicates is not None:
        stars = np.array([one.replicates for one in after], np.float64) - before.replicates
        arms = _resampled_arms(value, stars, degrees, clusters, level)
        degrees = np.full(value.size, clusters - 1.0)
    else:
        arms = np.stack([error, error]) * _student(degrees, level)
    flat = arms.sum(axis=0) <= FLAT * np.maximum(np.abs(value), 1e-9)  # not where they are NaN
    arms[:, flat] = 0.0
    ours, theirs = before.reach(level), np.array([one.reach(level) for one in after]).T
    arms = np.sqrt(arms**2 + np.stack([theirs[0] ** 2 + ours[1] ** 2, theirs[1] ** 2 + ours[0] ** 2]))
    flat &= arms.sum(axis=0) == 0
    low, high = value - arms[0], value + arms[1]
    low[flat] = high[flat] = np.nan
    return Tested(low, high, _p(value, arms, degrees, clusters, level), flat)


def optimism(evidence: Sequence[Evidence], better: str, draws: int = 1_000) -> float:
    """Return how much too good the best of some systems looks on average, because it was chosen by these very values.

    The mean over resamples of the winner's value on the whole list less its value in the resample that it wins, in the
    metric's unit; never below 0. Metrics without resamples get theirs from influences. Raises `ValueError` for fewer
    than two systems, or evidence of other lists.
    """
    if len(evidence) < 2 or any(one.digest != evidence[0].digest for one in evidence):
        raise ValueError("optimism is of two systems or more on one list")
    sign = -1.0 if better == "higher" else 1.0
    values = sign * np.array([one.value for one in evidence])
    if evidence[0].replicates is not None:
        stars = sign * np.array([one.replicates for one in evidence], np.float64)
        stars = stars[:, ~np.isnan(stars).any(axis=0)]
    else:
        moves = np.array([one.influences for one in evidence], np.float64)
        stars = values[:, None] + sign * moves @ (_counts(evidence[0].digest, moves.shape[1], draws) - 1.0)
    if not stars.size:
        return 0.0
    winner = stars.argmin(axis=0)
    return max(0.0, float((values[winner] - stars[winner, np.arange(stars.shape[1])]).mean()))


def _counts(digest: str, clusters: int, draws: int) -> Floats:
    """Counts [S, R] of how often each cluster is drawn, by raw words that the digest of the list keys."""
    stream = np.random.Philox(key=int(digest[:16] or "0", 16))
    words = stream.random_raw(draws * clusters).reshape(draws, clusters)
    drawn = ((words >> np.uint64(32)) * np.uint64(clusters) >> np.uint64(32)).astype(np.int64)
    return np.stack([np.bincount(row, minlength=clusters) for row in drawn], 1).astype(np.float64)


def _student(degrees: Floats, level: float) -> Floats:
    """The quantiles of Student's t that |T| stays below with probability `level`."""
    from scipy.special import stdtrit

    return np.asarray(stdtrit(degrees, (1 + level) / 2))


def _resampled_arms(value: Floats, stars: Floats, degrees: Floats, clusters: int, level: float) -> Floats:
    """Arms of the interval below and above each value [2, m], from resamples [m, R]."""
    from scipy.special import ndtr, ndtri

    wider = (clusters / (clusters - 1)) ** 0.5 * _student(degrees, level)
    normal = float(ndtri((1 + level) / 2))
    stretched = clusters < STRETCHED
    tail = np.full(value.size, (1 - level) / 2) if stretched else ndtr(-wider)
    stars = np.sort(stars, axis=1)  # NaN last
    counts = (~np.isnan(stars)).sum(axis=1)
    arms = np.stack([value - _quantile(stars, counts, tail), _quantile(stars, counts, 1 - tail) - value])
    arms = np.maximum(arms, 0.0) * (wider / normal if stretched else 1.0)
    arms[:, 2 * counts <= stars.shape[1]] = np.nan  # half of the resamples have no value
    return arms


def _quantile(ascending: Floats, counts: NDArray[np.int64], share: Floats) -> Floats:
    """The quantiles [m] of the first `counts` of each row [m, R], interpolated as NumPy does."""
    place = share * np.maximum(counts - 1, 0)
    below = np.floor(place).astype(int)
    rows = np.arange(len(ascending))
    one, other = ascending[rows, below], ascending[rows, np.minimum(below + 1, np.maximum(counts - 1, 0))]
    return np.asarray(one + (place - below) * (other - one))


def _p(value: Floats, arms: Floats, degrees: Floats, clusters: int, level: float) -> Floats:
    """The two-sided p [m]: the arm that faces zero, read as Student's t."""
    from scipy.special import stdtr

    facing = np.where(value > 0, arms[0], arms[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.where(facing > 0, np.abs(value) / facing, np.inf) * _student(degrees, level)
    p = np.maximum(2 * stdtr(degrees, -steps), smallest_p(clusters))
    p[np.isnan(arms).any(axis=0)] = np.nan
    if clusters < SPEAKERS:
        p[:] = np.nan
    p[value == 0] = 1.0
    return np.asarray(p)
