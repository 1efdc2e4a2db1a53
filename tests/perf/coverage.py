"""How often intervals hold the truth, and how often equals are called different: `python -m tests.perf.coverage`.

Lists of 6 to 100 speakers, short and long, are drawn from a model with random effects of speakers, of their sessions
and of pairs; every effect is normal, so that the population's values are known exactly. Two systems share a part of
every effect, as systems do. Writes tests/conformance/coverage.json, which the page of metrics shows; half an hour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from voxboard.metrics import bootstrap
from voxboard.metrics.clusters import Clusters
from voxboard.metrics.estimates import Method
from voxboard.metrics.trial_estimates import TrialEstimates

RESULT = Path(__file__).resolve().parents[1] / "conformance" / "coverage.json"
SIZES = (6, 10, 20, 40, 100)
LENGTHS = {"short": (12, 25), "long": (60, 300)}  # targets and non-targets per speaker
SESSIONS = 4
SHARED = 0.6  # of the variance of every effect: what two systems have in common
METHODS: tuple[Method, ...] = ("bca_t", "t")
P_TARGETS = (0.01,)
Array = np.ndarray


@dataclass(frozen=True)
class System:
    """Standard deviations of the effects in the scores, and the EER that the distance of the classes follows from."""

    eer: float
    target: float = 0.6  # a speaker's effect on own trials
    other: float = 0.4  # on trials with others, of either speaker
    pair: float = 0.3
    session: float = 0.3

    @property
    def spreads(self) -> tuple[float, float]:
        """Standard deviations of target and of non-target scores."""
        both = 1 + 2 * self.session**2
        return (both + self.target**2) ** 0.5, (both + 2 * self.other**2 + self.pair**2) ** 0.5

    @property
    def distance(self) -> float:
        """Of the means of the classes."""
        return -float(ndtri(self.eer)) * sum(self.spreads)

    @property
    def threshold(self) -> float:
        """Where FAR and FRR of the population are equal."""
        return -float(ndtri(self.eer)) * self.spreads[1]

    def truth(self) -> dict[str, float]:
        """The population's values; FAR and FRR at `threshold`."""
        own, others = self.spreads
        places = np.linspace(0, 12, 200_001)
        costs = ndtr((places - self.distance) / own) + 99 * ndtr(-places / others)
        return {"eer": self.eer, "far": self.eer, "frr": self.eer, "min_dcf_0.01": float(min(1.0, costs.min()))}


@dataclass(frozen=True)
class Trials:
    """A list: speaker and session of either side [n]."""

    first: Array
    second: Array
    sessions: tuple[Array, Array]

    @classmethod
    def drawn(cls, rng: np.random.Generator, speakers: int, targets: int, others: int) -> Trials:
        """So many target trials and non-targets per speaker, on average: some have many times as many as others."""
        activity = np.exp(0.5 * rng.normal(size=speakers))
        own = np.maximum(2, np.round(targets * activity / activity.mean())).astype(int)
        one = rng.choice(speakers, others * speakers, p=activity / activity.sum())
        other = (one + rng.integers(1, speakers, one.size)) % speakers
        first = np.concatenate([np.repeat(np.arange(speakers), own), one])
        second = np.concatenate([np.repeat(np.arange(speakers), own), other])
        session, step = rng.integers(0, SESSIONS, first.size), rng.integers(1, SESSIONS, first.size)
        return cls(first, second, (session, (session + step) % SESSIONS))

    def scores(self, rng: np.random.Generator, systems: Sequence[System], speakers: int) -> list[Array]:
        """Of each system, which have `SHARED` of every effect in common."""
        same = self.first == self.second
        place = np.minimum(self.first, self.second) * speakers + np.maximum(self.first, self.second)
        found = [np.where(same, system.distance, 0.0) for system in systems]

        def add(size: tuple[int, ...], *of: tuple[str, Any, Any]) -> None:
            """Normal effects of this size, times the systems' standard deviations, at those places of the trials."""
            common = rng.normal(size=size)
            for side, system in enumerate(systems):
                effect = SHARED**0.5 * common + (1 - SHARED) ** 0.5 * rng.normal(size=size)
                for name, where, at in of:
                    found[side] += np.where(where, (getattr(system, name) if name else 1.0) * effect[at], 0.0)

        add((speakers,), ("target", same, self.first))
        add((speakers,), ("other", ~same, self.first), ("other", ~same, self.second))
        add((speakers**2,), ("pair", ~same, place))
        sides = zip((self.first, self.second), self.sessions, strict=True)
        add((speakers, SESSIONS), *(("session", True, side) for side in sides))
        add((same.size,), ("", True, slice(None)))
        return found


@dataclass(frozen=True)
class Case:
    """Two systems, and what is asked of their comparison."""

    about: str
    before: System
    after: System


CASES = {
    "EER 5 %": Case("equal systems", System(0.05), System(0.05)),
    "EER 1 %": Case("equal systems", System(0.01), System(0.01)),
    "EER 5 %, other speakers err": Case("equal EER, errors on fewer speakers", System(0.05), System(0.05, target=1.5)),
    "EER 10 and 5 %": Case("what is there to be found", System(0.10), System(0.05)),
}


def simulate(case: Case, speakers: int, length: str, lists: int, seed: int) -> Iterator[dict[str, Any]]:
    """Of every list: by metric what the intervals of each method are, and the difference of the two systems."""
    for number in range(lists):
        rng = np.random.default_rng([seed, speakers, list(LENGTHS).index(length), number])
        trials = Trials.drawn(rng, speakers, *LENGTHS[length])
        names = [f"{number}-{speaker}" for speaker in range(speakers)]  # the draws are of the names
        clusters = Clusters.of(trials.first.size, trials.first, trials.second, names)
        targets = trials.first == trials.second
        systems = (case.before, case.after)
        sides = []
        for system, scores in zip(systems, trials.scores(rng, systems, speakers), strict=True):
            estimates = TrialEstimates(scores, targets, clusters, P_TARGETS, system.threshold).estimates(1000)
            sides.append(
                {m: {how: estimates[m].interval(clusters.size, 0.95, how) for how in METHODS} for m in system.truth()}
            )
        yield {m: (sides[0][m], sides[1][m], bootstrap.between(sides[0][m]["t"], sides[1][m]["t"])) for m in sides[0]}
