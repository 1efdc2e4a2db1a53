"""How often do 95 % intervals hold the population's value? `python -m tests.perf.coverage`, a quarter of an hour.

Lists are drawn from generative designs with random effects of speakers, of their sessions and of pairs; the truth is
the value of millions of trials between fresh speakers of the same design. Prints a table and writes
tests/conformance/coverage.json, which the page of metrics shows.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from voxboard.metrics import bootstrap, detection
from voxboard.metrics.bootstrap import Interval
from voxboard.metrics.clusters import Clusters
from voxboard.metrics.estimates import METHODS, Method
from voxboard.metrics.trial_estimates import TrialEstimates

RESULT = Path(__file__).resolve().parents[1] / "conformance" / "coverage.json"
SPEAKERS, SESSIONS = 40, 5
REPLICATES = 1000
P_TARGETS = (0.01, 0.05)
Array = np.ndarray
Found = Mapping[str, Mapping[str, Interval]]  # metric → method → interval


@dataclass(frozen=True)
class Trials:
    """Speaker, session of either side [n], and the number of the speaker pair [n]."""

    first: Array
    second: Array
    sessions: tuple[Array, Array]
    pair: Array
    speakers: int


def additive(rng: np.random.Generator, trials: Trials) -> Array:
    """Scores as sums of normal effects; a speaker who scores high with the self does so with others, a little."""
    own, loud = rng.normal(size=(2, trials.speakers))
    met = 0.3 * rng.normal(size=trials.pair.max() + 1)
    return _summed(rng, trials, 0.6 * own, 0.3 * (0.3 * own + 0.95 * loud), met, rng.normal(size=trials.pair.size))


def goats(rng: np.random.Generator, trials: Trials) -> Array:
    """The same with exponential effects and heavy tails: a handful of the speakers decide every number."""
    own, loud = 0.6 - rng.exponential(0.6, trials.speakers), rng.exponential(0.3, trials.speakers) - 0.3
    met = rng.exponential(0.4, trials.pair.max() + 1) - 0.4
    return _summed(rng, trials, own, loud, met, rng.standard_t(6, trials.pair.size) / np.sqrt(1.5))


def _summed(rng: np.random.Generator, trials: Trials, own: Array, loud: Array, met: Array, noise: Array) -> Array:
    first, second = trials.first, trials.second
    session = 0.3 * rng.normal(size=(trials.speakers, SESSIONS))
    shared = session[first, trials.sessions[0]] + session[second, trials.sessions[1]]
    return np.where(first == second, 5.0 + own[first], loud[first] + loud[second] + met[trials.pair]) + shared + noise


def embedding(rng: np.random.Generator, trials: Trials) -> Array:
    """Cosines of 32 dimensions: a speaker's place, a session's, and noise whose spread differs by speaker."""
    place = rng.normal(size=(trials.speakers, 32))
    session = 0.4 * rng.normal(size=(trials.speakers, SESSIONS, 32))
    spread = 0.65 * np.exp(0.25 * rng.normal(size=(trials.speakers, 1)))
    sides = [
        place[who] + session[who, when] + spread[who] * rng.normal(size=(who.size, 32))
        for who, when in zip((trials.first, trials.second), trials.sessions, strict=True)
    ]
    return np.einsum("nd,nd->n", *sides) / np.prod([np.linalg.norm(side, axis=1) for side in sides], axis=0)


@dataclass(frozen=True)
class Design:
    """How lists come about: scores, and trials per speaker (targets) and per speaker pair (non-targets)."""

    about: str
    score: Callable[[np.random.Generator, Trials], Array]
    targets: int = 200
    others: int = 10
    unequal: bool = False

    def trials(self, rng: np.random.Generator) -> Trials:
        """A list's structure; `unequal`: counts vary fourfold and four pairs in ten never meet, as in Vox1-O."""
        pairs = np.array(list(combinations(range(SPEAKERS), 2)))
        own, met = np.full(SPEAKERS, self.targets), np.full(len(pairs), self.others)
        if self.unequal:
            own = np.maximum(40, self.targets * np.exp(0.5 * rng.normal(size=SPEAKERS) - 0.125)).astype(int)
            active = np.exp(0.5 * rng.normal(size=SPEAKERS))
            share = active[pairs].prod(axis=1) * np.exp(0.5 * rng.normal(size=len(pairs)))
            share *= rng.random(len(pairs)) < 0.6
            met = np.round(share / share.sum() * self.others * len(pairs)).astype(int)
        first = np.repeat([*range(SPEAKERS), *pairs[:, 0]], [*own, *met])
        second = np.repeat([*range(SPEAKERS), *pairs[:, 1]], [*own, *met])
        pair = np.repeat([*[0] * SPEAKERS, *range(len(pairs))], [*own, *met])
        # Targets cross sessions, as trial lists should.
        one, step = rng.integers(0, SESSIONS, first.size), rng.integers(1, SESSIONS, first.size)
        return Trials(first, second, (one, (one + step) % SESSIONS), pair, SPEAKERS)

    def truth(self, rng: np.random.Generator) -> tuple[dict[str, float], float]:
        """The population's values and the threshold at which FAR and FRR are asked for: that of minDCF(0.05)."""
        ones = np.arange(20_000)
        zeros = np.zeros_like(ones)
        same = Trials(ones, ones, (zeros, zeros + 1), ones, ones.size)
        differ = Trials(ones, ones + ones.size, (zeros, zeros), ones, 2 * ones.size)
        sizes = (100, 500)  # times 20,000: few non-targets lie above the threshold of minDCF(0.01)
        scores = [self.score(rng, kind) for kind, size in zip((same, differ), sizes, strict=True) for _ in range(size)]
        ranked = detection.rank(np.concatenate(scores), np.repeat([1, 0], np.multiply(sizes, ones.size)))
        costs, thresholds = detection.min_dcf(ranked, None, P_TARGETS)
        far, frr = detection.far_frr(ranked, None, thresholds[1])
        found = {f"min_dcf_{prior:g}": cost for prior, cost in zip(P_TARGETS, costs, strict=True)}
        found = {"eer": detection.eer(ranked)[0], **found, "far": far, "frr": frr, "half_total": (far + frr) / 2}
        return found, thresholds[1]

    def lists(self, count: int, seed: int) -> Iterator[tuple[dict[str, float], Found]]:
        """(truth, intervals) of `count` lists."""
        truth, threshold = self.truth(np.random.default_rng([seed, 0]))
        for number in range(1, count + 1):
            rng = np.random.default_rng([seed, number])
            trials = self.trials(rng)
            clusters = Clusters.of(trials.first.size, trials.first, trials.second)
            targets = trials.first == trials.second
            estimates = TrialEstimates(self.score(rng, trials), targets, clusters, P_TARGETS, threshold)
            found = estimates.estimates(REPLICATES, number)
            yield (
                truth,
                {m: {k: found[m].interval(SPEAKERS, 0.95, k) for k in METHODS} for m in truth},
            )


def utterances(count: int, seed: int) -> Iterator[tuple[dict[str, float], Found]]:
    """Accuracy, WER and mean squared error of 30 to 90 utterances per speaker, with speaker and session effects."""
    truth = _utterance_sums(np.random.default_rng([seed, 0]), 100_000)[1]
    for number in range(1, count + 1):
        (who, columns), _ = _utterance_sums(np.random.default_rng([seed, number]), SPEAKERS)
        yield (
            truth,
            {
                name: {
                    method: bootstrap.ratio(*pair, clusters=who, seed=number, replicates=REPLICATES, method=method)
                    for method in METHODS
                }
                for name, pair in columns.items()
            },
        )


def _utterance_sums(
    rng: np.random.Generator, speakers: int
) -> tuple[tuple[Array, dict[str, tuple[Array, Array]]], dict[str, float]]:
    who = np.repeat(np.arange(speakers), rng.integers(30, 91, speakers))
    effect = rng.normal(size=speakers)[who]
    effect = 0.8 * effect + 0.5 * rng.normal(size=(speakers, SESSIONS))[who, rng.integers(0, SESSIONS, who.size)]
    ones, words = np.ones(who.size), rng.integers(3, 30, who.size)
    columns = {
        "accuracy": (rng.random(who.size) < 1 / (1 + np.exp(-2 - effect)), ones),
        "wer": (rng.poisson(0.08 * np.exp(0.7 * effect) * words), words),
        "mse": ((effect + rng.normal(size=who.size)) ** 2, ones),
    }
    return (who, columns), {name: float(above.sum() / below.sum()) for name, (above, below) in columns.items()}


DESIGNS = {
    "additive": Design("normal effects of speakers, sessions and pairs", additive),
    "embedding": Design("cosines of embeddings, spread differs by speaker", embedding),
    "embedding, Vox1-O size": Design("the same, 37,520 trials", embedding, 470, 24),
    "embedding, unequal": Design("the same, 15,800 trials, unequal counts, pairs missing", embedding, unequal=True),
    "additive, unequal": Design("normal effects, unequal counts, pairs missing", additive, unequal=True),
    "goats": Design("exponential effects: a handful of the speakers decide", goats),
}


def simulate(name: str, count: int) -> dict[str, object]:
    """Coverage and mean width by metric and method, as the JSON holds them."""
    seed = 1 + [*DESIGNS, "utterances"].index(name)
    lists = utterances(count, seed) if name == "utterances" else DESIGNS[name].lists(count, seed)
    held: dict[tuple[str, Method], list[tuple[bool, float]]] = defaultdict(list)
    truth: dict[str, float] = {}
    for number, (truth, found) in enumerate(lists, start=1):
        for metric, intervals in found.items():
            for method, interval in intervals.items():
                inside = interval.low <= truth[metric] <= interval.high
                held[metric, method].append((inside, interval.high - interval.low))  # type: ignore[index]
        if number % 50 == 0:
            print(f"{name}: {number} of {count} lists", file=sys.stderr)
    metrics = {
        metric: {"truth": round(value, 6)}
        | {
            method: dict(zip(("coverage", "width"), np.round(np.mean(held[metric, method], axis=0), 4), strict=True))
            for method in METHODS
        }
        for metric, value in truth.items()
    }
    about = DESIGNS[name].about if name in DESIGNS else "utterances of speakers, with sessions"
    return {"about": about, "lists": count, "metrics": metrics}


def table(result: Mapping[str, dict]) -> str:
    """The result as Markdown: coverage in percent ± its standard error, the mean width in brackets."""
    lines = ["| design | lists | metric | truth | " + " | ".join(METHODS) + " |", "|" + "---|" * (4 + len(METHODS))]
    for name, design in result.items():
        for metric, row in design["metrics"].items():
            cells = [_cell(**row[method], lists=design["lists"]) for method in METHODS]
            start = [name, str(design["lists"]), metric, f"{row['truth']:.4f}"]
            lines.append("| " + " | ".join([*start, *cells]) + " |")
    return "\n".join(lines)


def _cell(coverage: float, width: float, lists: int) -> str:
    error = (coverage * (1 - coverage) / lists) ** 0.5
    return f"{100 * coverage:.1f} ± {100 * error:.1f} ({width:.4f})"


def main() -> None:
    """Simulates the designs asked for and keeps the others' last result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("designs", nargs="*", default=[*DESIGNS, "utterances"])
    parser.add_argument("--lists", type=int, default=1000, help="per design; 1,000 tell 95 %% to ±0.7 %%")
    asked = parser.parse_args()
    for name in asked.designs:
        result = json.loads(RESULT.read_text()) if RESULT.exists() else {}
        result[name] = simulate(name, asked.lists)
        kept = {name: result[name] for name in [*DESIGNS, "utterances"] if name in result}
        RESULT.write_text(json.dumps(kept, indent=1) + "\n")
        print(table({name: result[name]}), flush=True)


if __name__ == "__main__":
    main()
