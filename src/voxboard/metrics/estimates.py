"""An estimate with its resamples and the influence of every cluster: all that an interval of it needs.

Four intervals are offered. `percentile` reads the quantiles of the resamples. `bca` (Efron 1987) corrects them for
bias and skewness. `bca_t` is BCa made for few clusters:

- Student's t in place of the normal quantiles, wider by √(S / (S − 1)) (Hesterberg 2015), with as many degrees of
  freedom as the influences of the S clusters carry (Satterthwaite): S − 1 when all count alike, 2 when one decides.
- Products of two clusters' counts let the chance of a single pair vary three times too much (Owen 2007); the
  jackknife's variance, which cannot be too small on average (Efron & Stein 1981), counts it twice. The quantiles are
  scaled down from the one to the other.

`t`, the default of `bootstrap`, is Student's interval by the influences where a metric has a scale of its own: the
logit of a share (`logit_t`), the logarithm of an error rate or a loss (`log_t`); for all others (minDCF,
correlations, medians) it is `bca_t`. Rates of trials (EER, FAR, FRR, HTER) take the wider of both at either end. The
intervals of few clusters and of rare errors then reach up as far as they should.

The reason for all is coverage: tests/perf/coverage.py measures what each promises and keeps.

Where no resample differs from the list there is nothing to resample: a value without errors has a bound (see `bounds`),
any other no interval. An interval never has the width zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxboard.metrics.bounds import Bound, Bounds, of_difference
from voxboard.metrics.paired import LEAST, Evidence, spread

Method = Literal["percentile", "bca", "bca_t", "t"]
METHODS = ("percentile", "bca", "bca_t", "t")
Made = Literal["percentile", "bca", "bca_t", "logit_t", "log_t"]  # how an interval was made
Scale = Literal["", "logit", "log"]  # on which a metric's errors are nearly normal
FLAT = "every resample gives the same value"
ROUNDING = 1e-12  # a width below this share is that of sums in another order
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A value, its confidence interval, and what stands behind it."""

    value: float
    low: float
    high: float
    level: float = 0.95
    clusters: int = 0  # how many speakers (or sessions) there are to resample
    replicates: int = 0  # resamples that have a value
    method: Made = "percentile"
    bound: Bound | None = None  # the ends are a one-sided bound: no error was seen, or nothing but errors
    reason: str = ""  # why there is no interval
    false_alarms: int | None = None  # of a cost at its best threshold: non-targets that it accepts
    evidence: Evidence | None = field(default=None, compare=False, repr=False)  # for differences from other systems


class EstimateShape(NamedTuple):
    """Shape of an estimate's distribution with few, unequal clusters."""

    acceleration: float  # BCa's: a sixth of the influences' skewness over √S
    degrees: float  # of freedom that the variance between clusters is known by
    scale: float  # standard deviation by the jackknife over that by the bootstrap, to first order


@dataclass(frozen=True, eq=False)
class Influence:
    """First-order influence of every pair of clusters on an estimate: a sparse upper triangle [S, S].

    The diagonal holds what a cluster does by itself: all there is, where rows belong to one cluster each.
    """

    pairs: Any  # scipy.sparse.csr_array

    @classmethod
    def of_clusters(cls, moves: Floats) -> Influence:
        """Of rows with one cluster each: the move [S] that every cluster makes."""
        from scipy.sparse import diags_array

        return cls(diags_array(moves, format="csr"))

    @classmethod
    def jackknife(cls, left_out: Floats) -> Influence:
        """From the estimates [S] without each cluster in turn; a cluster that cannot be spared counts as no move."""
        valid, size = ~np.isnan(left_out), left_out.size
        moves = np.where(valid, left_out[valid].sum() / max(valid.sum(), 1) - left_out, 0.0)
        return cls.of_clusters((size - 1) / size * moves)  # of a mean: exactly its influence

    def __sub__(self, other: Influence) -> Influence:
        return Influence(self.pairs - other.pairs)

    def moves(self) -> Floats:
        """Return the influence of every cluster [S]: the sum over all pairs that it is part of, own ones once."""
        return np.asarray(self.pairs.sum(axis=0) + self.pairs.sum(axis=1) - self.pairs.diagonal(), np.float64)

    def shape(self, clusters: int) -> EstimateShape:
        """The shape that so many clusters give; one without any variance is that of a normal distribution."""
        alone, moves = self.pairs.diagonal(), self.moves()
        second, third, fourth = (float(np.sum(moves**power)) for power in (2, 3, 4))
        if not second > 0.0:
            return EstimateShape(0.0, clusters - 1, 1.0)
        crossed = float(self.pairs.power(2).sum() - np.sum(alone**2))
        degrees = 2 * second**2 / max(fourth - second**2 / clusters, 1e-9 * fourth)
        return EstimateShape(
            third / (6 * second**1.5), min(degrees, clusters - 1), (second / (second + crossed)) ** 0.5
        )


@dataclass(frozen=True, eq=False)
class Estimate:
    """A statistic of some data, of its resamples [R] (NaN where it has no value), and its influence."""

    value: float
    resampled: Floats
    influence: Influence | None = None  # None: good for percentiles only
    bound: Bounds | None = None  # where no error was seen, or nothing but errors
    false_alarms: int | None = None  # of a cost at its best threshold
    scale: Scale = ""
    wider: bool = False  # an interval on the scale reaches as far as that of the resamples, on either side
    smooth: bool = True  # differences follow from the influences; False: from the resamples
    digest: str = ""  # of the list, its clusters and the resamples

    def __sub__(self, other: Estimate) -> Estimate:
        """The difference of two statistics on the same resamples: what they share cancels."""
        both = self.influence is not None and other.influence is not None
        return Estimate(
            self.value - other.value,
            self.resampled - other.resampled,
            self.influence - other.influence if both else None,  # type: ignore[operator]
            of_difference((self.value, other.value), (self.bound, other.bound)) if self.bound and other.bound else None,
        )

    def interval(self, clusters: int, level: float = 0.95, method: Method = "bca_t") -> Interval:
        """The interval, or the bound of a value without errors.

        The ends are NaN, and `reason` says why, with fewer than three clusters, when half of the resamples have no
        value, and when the interval would have no width (`FLAT`).
        """
        if not 0.0 < level < 1.0:
            raise ValueError(f"level must lie between 0 and 1, got {level}")
        valid = self.resampled[~np.isnan(self.resampled)]
        scaled = self._scaled(clusters, level) if method == "t" else None
        how: Made = "bca_t" if method == "t" else method
        if scaled is not None:
            how = "logit_t" if self.scale == "logit" else "log_t"
        about = (level, clusters, int(valid.size), how)
        if self.bound is not None and clusters >= LEAST:
            bound = self.bound(level)
            evidence = self.evidence((bound.low, bound.high), level)
            return Interval(self.value, bound.low, bound.high, *about, bound, "", self.false_alarms, evidence)
        low = high = float("nan")
        reason = self._unable(clusters, valid)
        if scaled is not None and not reason:
            low, high = scaled
            if self.wider:
                further = self._resampled(valid, clusters, level, "bca_t")
                low, high = min(low, further[0]), max(high, further[1])
        elif not reason:
            low, high = self._resampled(valid, clusters, level, how)
        if not reason and high - low <= ROUNDING * max(1.0, abs(high)):
            low = high = float("nan")
            reason = FLAT
        return Interval(self.value, low, high, *about, None, reason, self.false_alarms, self.evidence(None, level))

    def evidence(self, bound: tuple[float, float] | None, level: float) -> Evidence | None:
        """Return what a difference from another system on the same list needs; None without influences."""
        if self.influence is None or not self.digest:
            return None
        moves = self.influence.moves()
        return Evidence(self.value, moves, None if self.smooth else self.resampled, self.digest, bound, level)

    def _scaled(self, clusters: int, level: float) -> tuple[float, float] | None:
        """Student's interval on the metric's own scale; None where it has none, or no variance on it."""
        from scipy.special import expit, logit, stdtrit

        value = self.value
        most = 1.0 if self.scale == "logit" else math.inf
        if not self.scale or self.influence is None or clusters < LEAST or not 0 < value < most:
            return None
        (error,), (degrees,) = spread(self.influence.moves()[None])
        arm = float(error * stdtrit(degrees, (1 + level) / 2))
        if not arm > 0:
            return None
        if self.scale == "log":
            return value * math.exp(-arm / value), value * math.exp(min(arm / value, 700.0))
        center, arm = float(logit(value)), arm / (value * (1 - value))
        return float(expit(center - arm)), float(expit(center + arm))

    def _resampled(self, valid: Floats, clusters: int, level: float, how: Made) -> tuple[float, float]:
        """The ends by quantiles of the resamples."""
        tails = np.array([(1 - level) / 2, (1 + level) / 2])
        if how != "percentile":
            tails = self._corrected(tails, valid, clusters, how)
        low, high = np.quantile(valid, tails)
        return float(low), float(high)

    def _unable(self, clusters: int, valid: Floats) -> str:
        """Reason why resamples tell nothing; empty where they do."""
        if clusters < LEAST:
            return f"fewer than {LEAST} are too few to resample"
        return "" if 2 * valid.size > self.resampled.size else "half of the resamples have no value"

    def _corrected(self, tails: Floats, valid: Floats, clusters: int, method: Made) -> Floats:
        """Quantiles of the bounds among the resamples: Efron 1987, with other normal quantiles for `bca_t`."""
        from scipy.special import ndtr, ndtri, stdtrit

        if self.influence is None:
            raise ValueError(f"an interval by {method} needs the influence of the clusters")
        acceleration, degrees, scale = self.influence.shape(clusters)
        below = (np.count_nonzero(valid < self.value) + np.count_nonzero(valid == self.value) / 2) / valid.size
        bias = ndtri(np.clip(below, 0.5 / valid.size, 1 - 0.5 / valid.size))
        if method == "bca":
            wanted = ndtri(tails)
        else:
            wanted = scale * (clusters / (clusters - 1)) ** 0.5 * stdtrit(degrees, tails)
        shifted = bias + wanted
        return np.asarray(ndtr(bias + shifted / np.maximum(1 - acceleration * shifted, 1e-3)))


def check_method(method: str) -> None:
    """Raise `ValueError` for a method that is none of `METHODS`."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
