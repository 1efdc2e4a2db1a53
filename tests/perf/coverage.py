"""How often intervals hold the truth, and how often equals are called different: `python -m tests.perf.coverage`.

Lists of 6 to 100 speakers, short and long, are drawn from a model with random effects of speakers, of their sessions
and of pairs; every effect is normal, so that the population's values are known exactly. Two systems share a part of
every effect, as systems do. Writes tests/conformance/coverage.json, which the page of metrics shows; half an hour.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from voxboard.metrics import bootstrap
from voxboard.metrics.bootstrap import Difference, Interval
from voxboard.metrics.clusters import Clusters
from voxboard.metrics.estimates import Method
from voxboard.metrics.trial_estimates import TrialEstimates

RESULT = Path(__file__).resolve().parents[1] / "conformance" / "coverage.json"
SIZES = (6, 10, 20, 40, 100)
LENGTHS = {"short": (12, 25), "long": (60, 300)}  # targets and non-targets per speaker
SESSIONS = 4
SHARED = 0.6  # of the variance of every effect: what two systems have in common
METHODS: tuple[Method, ...] = ("bca_t", "t")
METRICS = ("eer", "far", "frr", "min_dcf_0.01")
P_TARGETS = (0.01,)
REPLICATES = 1000
Array = np.ndarray
Side = Mapping[Method, Interval]
Result = Mapping[str, tuple[Side, Side, Difference]]  # metric → both systems' intervals, and their difference


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

    @cache  # noqa: B019
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
    "EER 5 %, fewer speakers err": Case(
        "equal EER, the errors of the one with fewer speakers (so that their minDCF differ)",
        *(System(0.05), System(0.05, target=1.5)),
    ),
    "EER 10 and 5 %": Case("a difference that is there", System(0.10), System(0.05)),
}


def simulate(case: Case, speakers: int, length: str, lists: int, seed: int) -> Iterator[Result]:
    """Of every list and metric: both systems' intervals by each method, and the difference of the two."""
    for number in range(lists):
        rng = np.random.default_rng([seed, speakers, list(LENGTHS).index(length), number])
        trials = Trials.drawn(rng, speakers, *LENGTHS[length])
        names = [f"{number}-{speaker}" for speaker in range(speakers)]  # the draws are of the names
        clusters = Clusters.of(trials.first.size, trials.first, trials.second, names)
        targets = trials.first == trials.second
        systems = (case.before, case.after)
        sides = []
        for system, scores in zip(systems, trials.scores(rng, systems, speakers), strict=True):
            estimates = TrialEstimates(scores, targets, clusters, P_TARGETS, system.threshold).estimates(REPLICATES)
            sides.append(
                {m: {how: estimates[m].interval(clusters.size, 0.95, how) for how in METHODS} for m in METRICS}
            )
        yield {m: (sides[0][m], sides[1][m], bootstrap.between(sides[0][m]["t"], sides[1][m]["t"])) for m in METRICS}


def summary(case: Case, results: Sequence[Result]) -> dict[str, dict[str, float]]:
    """Shares of lists by metric: of intervals that hold the truth, or lie below it, and of small p."""
    found = {}
    for metric in METRICS:
        truths = [system.truth()[metric] for system in (case.before, case.after)]
        row: dict[str, float] = {}
        for how in METHODS:
            ends = [
                (truth, side[how].low, side[how].high)
                for one in results
                for truth, side in zip(truths, one[metric][:2], strict=True)
                if not math.isnan(side[how].low)
            ]
            row[f"{how} holds"] = float(np.mean([low <= truth <= high for truth, low, high in ends]))
            row[f"{how} below"] = float(np.mean([high < truth for truth, _, high in ends]))
        ps = [1.0 if one[metric][2].p is None else one[metric][2].p for one in results]
        row |= {"p < .05": float(np.mean(np.less(ps, 0.05))), "p < .001": float(np.mean(np.less(ps, 0.001)))}
        found[metric] = {name: round(share, 4) for name, share in row.items()}
    return found


def table(result: Mapping[str, Any]) -> str:
    """The result as Markdown, a row per length and number of speakers: percent of lists."""
    shown = {"eer": "EER", "frr": "FRR", "min_dcf_0.01": "minDCF"}
    lines = []
    for name, case in CASES.items():
        cells = [(length, size, result[_key(name, length, size)]) for length in LENGTHS for size in SIZES]
        nothing = case.before.eer == case.after.eer
        what = "called different (p < 0.001)" if nothing else "found"
        heads = [f"{label}: held / {what}" for label in shown.values()]
        lines += [f"**{name}**: {case.about}, {result['lists']} lists a row.", ""]
        lines += ["| list | speakers | " + " | ".join(heads) + " |", "|" + "---|" * (2 + len(heads))]
        for length, size, rows in cells:
            columns = []
            for metric in shown:
                row = rows[metric]
                tiny = f" ({100 * row['p < .001']:.1f})" if nothing else ""
                columns.append(f"{100 * row['t holds']:.0f} / {100 * row['p < .05']:.1f}{tiny}")
            lines.append(f"| {length} | {size} | " + " | ".join(columns) + " |")
        lines.append("")
    return "\n".join(lines)


def _key(case: str, length: str, speakers: int) -> str:
    return f"{case}, {length}, {speakers}"


def main() -> None:
    """Simulate every cell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lists", type=int, default=300, help="per cell; 300 tell 5 %% to ±1.3 %%")
    lists = parser.parse_args().lists
    result: dict[str, Any] = {"lists": lists}
    for length in LENGTHS:
        for size in SIZES:
            for seed, (name, case) in enumerate(CASES.items()):
                result[_key(name, length, size)] = summary(case, list(simulate(case, size, length, lists, seed)))
                print(_key(name, length, size), file=sys.stderr)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


if __name__ == "__main__":
    main()
