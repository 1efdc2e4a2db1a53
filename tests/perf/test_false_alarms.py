"""How often `voxboard compare` takes chance for a regression, and how small a one it finds: simulated trial lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voxboard.comparison.compare import Settings, compare
from voxboard.comparison.sides import Side

pytestmark = pytest.mark.perf

SPEAKERS, UTTERANCES, SIZE = 40, 6, 8
LISTS = 200


def score_files(folder: Path, rng: np.random.Generator, worse: float) -> list[Side]:
    """Two systems on one list of about 2,400 trials: they share how hard speakers and utterances are.

    `worse` is the share by which the second one's own noise is larger.
    """
    speakers = np.repeat(np.arange(SPEAKERS), UTTERANCES)
    first = rng.integers(0, speakers.size, 4000)
    own = speakers[first] * UTTERANCES + (first % UTTERANCES + rng.integers(1, UTTERANCES, first.size)) % UTTERANCES
    second = np.where(rng.random(first.size) < 0.5, own, rng.integers(0, speakers.size, first.size))
    pairs = np.sort(np.stack([first, second], axis=1)[first != second], axis=1)
    first, second = np.unique(pairs, axis=0).T
    labels = (speakers[first] == speakers[second]).astype(int)
    centres = rng.normal(size=(SPEAKERS, SIZE)) * np.exp(0.1 * rng.normal(size=(SPEAKERS, 1)))
    common = centres[speakers] + 0.6 * rng.normal(size=(speakers.size, SIZE))
    sides = []
    for name, noise in (("before", 0.6), ("after", 0.6 * (1 + worse))):
        hard = np.exp(0.3 * rng.normal(size=SPEAKERS))[speakers, None]
        found = common + noise * hard * rng.normal(size=common.shape)
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        scores = (found[first] * found[second]).sum(axis=1)
        rows = zip(labels.tolist(), first.tolist(), second.tolist(), scores.tolist(), strict=True)
        path = folder / f"{name}.txt"
        path.write_text("".join(f"{label} u{a} u{b} {score!r}\n" for label, a, b, score in rows))
        sides.append(Side(name, files={path.name: path}, single=True))
    return sides


def found(folder: Path, lists: int, worse: float) -> tuple[float, float]:
    """The shares of lists on which the gate stops, and on which anything is called better or worse."""
    rng = np.random.default_rng(7)
    stopped = told = 0
    for seed in range(lists):
        result = compare(*score_files(folder, rng, worse), Settings(replicates=500, seed=seed))
        stopped += result.failed
        told += any(row.verdict in ("better", "worse") for row in result.rows)
    return stopped / lists, told / lists


def test_equals_are_seldom_told_apart(tmp_path: Path) -> None:
    stopped, told = found(tmp_path, LISTS, worse=0.0)
    print(f"{LISTS} lists, two equal systems: the gate stops on {stopped:.1%}, anything is told on {told:.1%}")
    assert told <= 0.07


def test_a_planted_regression_is_told(tmp_path: Path) -> None:
    for worse in (0.25, 0.5, 1.0):
        stopped, _ = found(tmp_path, 40, worse)
        print(f"{worse:.0%} more noise: the gate stops on {stopped:.0%} of 40 lists")
    assert stopped >= 0.95
