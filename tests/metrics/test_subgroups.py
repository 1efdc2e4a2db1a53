"""Groups get the numbers of their own trials, on resamples that all groups share, or a reason why not."""

from __future__ import annotations

import numpy as np
import pytest

from tests.metrics.test_bootstrap import trials
from voxboard.metrics import bootstrap, subgroups
from voxboard.metrics.clusters import Clusters
from voxboard.metrics.detection import eer

NAMES = np.array([f"speaker-{k:02d}" for k in range(24)], object)


def grouped(seed: int = 1) -> tuple[tuple[np.ndarray, ...], dict[str, np.ndarray]]:
    """A list of 24 speakers: the trials among the first 12, among the rest, and all of them."""
    scores, labels, first, second = trials(seed, 6000, 24)
    groups = {
        "low": (first < 12) & (second < 12),
        "high": (first >= 12) & (second >= 12),
        "all": np.ones(scores.size, bool),
    }
    return (scores - 0.8 * groups["high"] * labels, labels, NAMES[first], NAMES[second]), groups


def test_a_group_of_everything_is_the_whole_list() -> None:
    data, groups = grouped()
    found = subgroups.detection(*data, groups, threshold=1.0, replicates=50)
    assert found.groups["all"].values == bootstrap.detection(*data, threshold=1.0, replicates=50)
    assert list(found.groups) == ["low", "high", "all"]


def test_groups_have_the_values_of_their_trials_and_count_their_own_speakers() -> None:
    data, groups = grouped()
    found = subgroups.detection(*data, groups, replicates=50).groups["low"]
    alone = bootstrap.detection(*(column[groups["low"]] for column in data), replicates=50)
    assert {name: value.value for name, value in found.values.items()} == {n: v.value for n, v in alone.items()}
    assert (found.trials, found.clusters) == (groups["low"].sum(), 12)
    assert found.targets == (data[1][groups["low"]] == 1).sum()
    assert all(value.clusters == 12 for value in found.values.values())


def test_gaps_are_differences_on_shared_resamples() -> None:
    data, groups = grouped()
    found = subgroups.detection(*data, groups, replicates=40, method="percentile")
    gap = found.gaps["eer"]
    assert (gap.metric, gap.worst, gap.best) == ("eer", "high", "low")
    assert gap.value.value == found.groups["high"].values["eer"].value - found.groups["low"].values["eer"].value
    assert (gap.value.low > 0, gap.value.clusters) == (True, 24)

    scores, labels, first, second = data
    clusters = Clusters.of(scores.size, first, second)
    naive = []
    for column in next(clusters.draws(40)).T:
        weights = clusters.weights(column)
        high, low = (np.repeat(np.flatnonzero(groups[name]), weights[groups[name]]) for name in ("high", "low"))
        naive.append(eer(scores[high], labels[high])[0] - eer(scores[low], labels[low])[0])
    assert (gap.value.low, gap.value.high) == tuple(np.quantile(naive, [(1 - 0.95) / 2, (1 + 0.95) / 2]))


def test_overlap_makes_gaps_narrower() -> None:
    data, groups = grouped()
    wide = subgroups.detection(*data, {name: groups[name] for name in ("low", "high")}, replicates=200)
    twin = groups["high"].copy()
    twin[np.flatnonzero(twin)[:20]] = False
    near = subgroups.detection(*data, {"high": groups["high"], "twin": twin}, replicates=200)
    widths = [found.gaps["eer"].value.high - found.gaps["eer"].value.low for found in (near, wide)]
    assert widths[0] < widths[1] / 5


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda labels, first: labels == 0, "no targets, fewer than 30"),
        (lambda labels, first: (labels == 1) | (np.cumsum(labels == 0) <= 29), "29 non-targets, fewer than 30"),
        (lambda labels, first: (labels == 0) | (np.cumsum(labels) <= 1), "1 target, fewer than 30"),
        (lambda labels, first: np.zeros(len(labels), bool), "no targets"),
    ],
)
def test_small_groups_say_why_they_have_no_number(change, reason: str) -> None:
    data, groups = grouped()
    chosen = change(data[1], data[2])
    found = subgroups.detection(*data, {"small": chosen, "all": groups["all"]}, replicates=10)
    small = found.groups["small"]
    assert (small.values, small.trials) == ({}, chosen.sum())
    assert reason in small.reason
    assert found.gaps == {}  # one group with numbers is no gap


def test_two_speakers_are_too_few() -> None:
    data, _ = grouped()
    pair = np.isin(data[2], NAMES[:2]) & np.isin(data[3], NAMES[:2])
    found = subgroups.detection(*data, {"pair": pair}, replicates=10, least=1).groups["pair"]
    assert found.reason == "2 speakers, fewer than 3"


def test_masks_are_checked() -> None:
    data, groups = grouped()
    with pytest.raises(ValueError, match="group 'short' must be a mask of 6000 booleans"):
        subgroups.detection(*data, {"short": groups["low"][:-1]})
    with pytest.raises(ValueError, match="got int64"):
        subgroups.detection(*data, {"places": np.arange(6000)})
