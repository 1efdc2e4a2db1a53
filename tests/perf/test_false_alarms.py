"""How often `voxboard compare` takes chance for a regression, and how small a one it finds: simulated trial lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voxboard.comparison import Difference, p_value
from voxboard.comparison.compare import Settings, compare
from voxboard.comparison.sides import Side
from voxboard.metrics import bootstrap
from voxboard.verdicts import significant

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
    centers = rng.normal(size=(SPEAKERS, SIZE)) * np.exp(0.1 * rng.normal(size=(SPEAKERS, 1)))
    common = centers[speakers] + 0.6 * rng.normal(size=(speakers.size, SIZE))
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
    for _ in range(lists):
        result = compare(*score_files(folder, rng, worse), Settings(replicates=500))
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


def rejections(rng: np.random.Generator, speakers: int, rate: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rejected targets [n] of two equally good systems, more of them of some speakers, and whose they are."""
    own = np.clip(rate * np.exp(rng.normal(size=speakers)), 0, 1).repeat(12)
    one, other = (rng.random(own.size) < own for _ in range(2))
    return one, other, np.arange(own.size) // 12


@pytest.mark.parametrize("speakers", [10, 40])
@pytest.mark.parametrize("rate", [0.01, 0.05])
def test_an_interval_that_ends_at_zero_never_decides(speakers: int, rate: float) -> None:
    """One row of one metric: it is those lists on which a rounding error decided."""
    rng = np.random.default_rng(speakers)
    at_zero = different = rounded = 0
    for seed in range(LISTS):
        one, other, owners = rejections(rng, speakers, rate)
        d = bootstrap.ratio(other, clusters=owners, against=[one], replicates=1000, seed=seed)
        p = p_value(d.value, d.low, d.high, d.clusters)
        told = significant(Difference(d.value, d.low, d.high, p), p)
        touches = d.value != 0 and 0.0 in (d.low, d.high)
        assert not (touches and told)
        at_zero, different = at_zero + touches, different + told
        rounded += touches and p is not None and p < 1 - 0.95
    print(f"{speakers} speakers, FRR {rate:.0%}: {different / LISTS:.1%} different, {at_zero / LISTS:.1%} end at zero, "
          f"{rounded / LISTS:.1%} of them with p below 1 - 0.95")  # fmt: skip
    assert at_zero
    assert different / LISTS <= 0.12  # the intervals' own size is higher than 0.05 as yet
